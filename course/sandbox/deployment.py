"""What an Inference Endpoint is asked to be: the body of its creation.

Source: huggingface_hub 2.4.0 hf_api.py, create_inference_endpoint; limits as named below. Left out, and so neither kept
nor shown: secrets, the image and its registry, whatever else is not named here.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Scaling(_Part):
    """scale_to_zero_timeout: minutes without a request. Its range: observed, third-party, 2026-10-10.

    Sleeping takes min_replica 0: hf-endpoints-documentation docs/source/guides/autoscaling.md, 2026-08-20.
    """

    min_replica: int = Field(default=1, ge=0)
    max_replica: int = Field(default=1, ge=1)
    scale_to_zero_timeout: int | None = Field(default=None, ge=15, le=2880)

    @model_validator(mode="after")
    def sensible(self) -> "Scaling":
        if self.min_replica > self.max_replica:
            raise ValueError("minReplica is above maxReplica")
        if self.scale_to_zero_timeout is not None and self.min_replica:
            raise ValueError("scaleToZeroTimeout needs minReplica 0")
        return self


class Compute(_Part):
    accelerator: str = "cpu"
    instance_type: str = "intel-spr"
    instance_size: str = "x1"
    scaling: Scaling = Field(default_factory=Scaling)


class Model(_Part):
    repository: str
    framework: str = "pytorch"
    revision: str | None = None
    task: str | None = None


class Deployment(_Part):
    """What somebody asked for. Left out: private endpoints, and a check whether the hardware exists."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    type: Literal["authenticated", "public"] = "authenticated"
    provider: dict[str, str] = Field(default_factory=lambda: {"vendor": "aws", "region": "us-east-1"})
    compute: Compute = Field(default_factory=Compute)
    model: Model


class BadDeployment(ValueError):
    """It cannot be created, or not do what was ordered; the text says why."""


def read_deployment(body: object) -> Deployment:
    """Raises BadDeployment with the first bad field and its rule, never its value: it could be a secret."""
    try:
        return Deployment.model_validate(body)
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadDeployment(f"{place}: {first['msg']}" if place else first["msg"]) from None
