"""The Inference Endpoints of one sandbox."""

from course.sandbox.clock import Clock
from course.sandbox.deployment import BadDeployment, Deployment, read_deployment
from course.sandbox.endpoint import START_SECONDS, Endpoint


class Endpoints:
    """The endpoints of one sandbox. origin: known once its socket is open.

    The real library manages them when it is pointed here, which no variable of the environment does:
    `huggingface_hub.constants.INFERENCE_ENDPOINTS_ENDPOINT = hub.endpoints.url`.
    """

    def __init__(self, clock: Clock, owner: str) -> None:
        self._clock, self._owner = clock, owner
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self.origin = ""

    @property
    def url(self) -> str:
        """Of the management API."""
        return f"{self.origin}/v2"

    def create(
        self,
        name: str,
        repository: str,
        *,
        min_replica: int = 1,
        scale_to_zero_minutes: int | None = None,
        public: bool = False,
        start_seconds: float = START_SECONDS,
        skips_waits: bool = False,
    ) -> Endpoint:
        """A new endpoint of the user. scale_to_zero_minutes: 60 if it is None; only with min_replica 0 does it sleep.

        Raises BadDeployment.
        """
        scaling = {
            "minReplica": min_replica,
            "maxReplica": max(1, min_replica),
            "scaleToZeroTimeout": scale_to_zero_minutes,
        }
        asked = {"name": name, "type": "public" if public else "authenticated", "model": {"repository": repository}}
        deployment = read_deployment({**asked, "compute": {"scaling": scaling}})
        made = self.add(deployment, self._owner)
        made.start_seconds, made.skips_waits = start_seconds, skips_waits
        return made

    def add(self, deployment: Deployment, namespace: str) -> Endpoint:
        """Raises BadDeployment if there is one of that name."""
        key = namespace, deployment.name
        if key in self._endpoints:
            raise BadDeployment(f"Endpoint {deployment.name} already exists")
        made = self._endpoints[key] = Endpoint(deployment, namespace, self._clock, self.origin)
        return made

    def of(self, namespace: str) -> list[Endpoint]:
        return [each for (owner, _), each in self._endpoints.items() if owner == namespace]

    def find(self, name: str, namespace: str | None = None) -> Endpoint | None:
        """namespace: the user's own if it is None."""
        return self._endpoints.get((namespace or self._owner, name))

    def at(self, endpoint_id: str) -> Endpoint | None:
        """The one with this id in its address."""
        return next((each for each in self._endpoints.values() if each.id == endpoint_id), None)

    def delete(self, endpoint: Endpoint) -> None:
        del self._endpoints[endpoint.namespace, endpoint.name]
