"""A workload file, as `make decide` reads it: its keys, and what is wrong with one. data/README.md explains them."""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from course.errors import CourseError
from course.tables import table

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class BadWorkload(CourseError):
    """A workload file cannot be used; the text names the file, each key and what is due."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)  # strict: "900" and true are no numbers


class Use(_Section):
    requests_per_hour: Amount
    input_tokens: Amount
    output_tokens: Amount
    hours_per_day: Annotated[float, Field(ge=0, le=24)]
    days_per_month: Annotated[float, Field(ge=0, le=365 / 12)]
    busiest: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0


class Rules(_Section):
    privacy: Literal["anywhere", "one processor", "our machines", "the device"]
    patience_seconds: Amount | None = None  # None: nobody waits


class Model(_Section):
    shape: str
    size: str
    precision: Literal["fp16", "int8", "int4"]
    context_tokens: Annotated[int, Field(gt=0)]
    users: Annotated[int, Field(gt=0)]
    served_by_api: bool


class Device(_Section):
    memory_gb: Positive
    tokens_per_second: Positive


class Plan(_Section):
    credit: str = "Free"
    start_minutes: Amount = 5.0
    all_in: Positive | None = None  # None: as data/prices.toml says


class Case(_Section):
    """A workload file."""

    title: Annotated[str, Field(min_length=1)]
    use: Use
    rules: Rules
    model: Model
    device: Device | None = None
    plan: Plan = Plan()


_SECTIONS: dict[str, type[_Section]] = {"use": Use, "rules": Rules, "model": Model, "device": Device, "plan": Plan}


def read_case(file: Path) -> Case:
    """The workload in `file`. Raises BadWorkload with one line for each thing that is wrong."""
    try:
        case = Case.model_validate(tomllib.loads(file.read_text(encoding="utf-8-sig")))  # some editors put a mark first
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise BadWorkload(f"{file} cannot be read: {why}. data/workloads/ has files to copy.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadWorkload(
            f"{file.name} is not TOML: {error}. data/workloads/support_chat.toml is an example."
        ) from None
    except ValidationError as error:
        lines = [
            f"{file.name}: {(key := '.'.join(map(str, e['loc'])))}{_told(key, e['type'], e['msg'])}{_there(e['input'])}"
            for e in error.errors()
        ]
        raise BadWorkload("\n".join([*lines, "The keys are explained in data/README.md, `workloads/`."])) from None
    known = {
        "model.shape": (case.model.shape, [row["name"] for row in table("model_shapes")["shape"]]),
        "plan.credit": (case.plan.credit, [row["plan"] for row in table("prices")["credit"]]),
    }
    if case.model.served_by_api:
        known["model.size"] = (case.model.size, sorted({row["size"] for row in table("prices")["api"]}))
    for key, (value, names) in known.items():
        if value not in names:
            raise BadWorkload(f"{file.name}: {key}: there is no {value!r} in data/. There are: {', '.join(names)}.")
    return case


def _told(key: str, kind: str, message: str) -> str:
    if kind == "missing":
        return " is missing"
    if kind != "extra_forbidden":
        return f": {message}"
    keys = {f"{name}.{key}" for name, section in _SECTIONS.items() for key in section.model_fields}
    near = get_close_matches(key, keys, n=1)
    return " is no key of a workload file" + (f"; did you mean {near[0]}?" if near else "")


def _there(value: Any) -> str:
    return "" if isinstance(value, dict) else f" (there: {value!r})"
