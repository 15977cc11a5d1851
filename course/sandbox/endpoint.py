"""An Inference Endpoint: it starts, runs, sleeps and is billed on the sandbox's clock.

States, wake-up and billing. Sources: huggingface/hf-endpoints-documentation docs/source/guides/autoscaling.md and
foundations.md, support/pricing.md, 2026-05 to 2026-08; what an API answers: huggingface_hub 2.4.0
_inference_endpoints.py and its tests, and one third-party log of a live endpoint, 2026-10-10 ("observed" below).
Left out: more replicas than the fewest, as nothing here measures load; updates, so the states updating and
updateFailed; private endpoints; quotas, payment, hardware and its prices; the engine's own image and settings.
"""

import hashlib
import math
import threading
from typing import Any, Literal

from course.sandbox.clock import Clock, iso_time
from course.sandbox.deployment import BadDeployment, Deployment

State = Literal["pending", "initializing", "running", "paused", "scaledToZero", "failed"]

IDLE_MINUTES = 60  # documented: "1 hour by default"
# The sandbox's own. Documented is "a few minutes, depending on the model"; observed, waiting for hardware included,
# were 42 s to 458 s.
SCHEDULING_SECONDS, START_SECONDS = 5.0, 180.0

_MESSAGES: dict[State, str] = {
    "pending": "Endpoint waiting to be scheduled",
    "initializing": "Endpoint is initializing",
    "running": "Endpoint is ready",
    "paused": "Endpoint is paused",
    "scaledToZero": "Endpoint is scaled to zero",
    "failed": "Endpoint failed to deploy",
}
_BILLED = ("initializing", "running")


class Endpoint:
    """One endpoint. Its state is worked out when somebody asks; time passes on the sandbox's clock alone.

    url: its own address; the OpenAI client's is `base_url`. start_seconds: from initializing to running.
    skips_waits: a request that is held moves the clock to the end of its wait instead, so that nobody waits.
    """

    start_seconds = START_SECONDS
    skips_waits = False

    def __init__(self, deployment: Deployment, namespace: str, clock: Clock, origin: str) -> None:
        self.deployment, self.namespace = deployment, namespace
        self.id = hashlib.sha256(f"{namespace}/{deployment.name}".encode()).hexdigest()[:16]
        self.url = f"{origin}/{self.id}"
        self._clock = clock
        self._created = self._since = self._updated = self._last_used = clock.now()
        self._state: State = "pending"
        self._was_ready = False
        self._billing_since: float | None = None
        self._billed_minutes = 0
        self._lock = threading.RLock()  # the sandbox's thread and a notebook's

    @property
    def name(self) -> str:
        return self.deployment.name

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def replicas(self) -> int:
        """How many run while it runs: the fewest that were asked for, at least one."""
        return max(1, self.deployment.compute.scaling.min_replica)

    @property
    def state(self) -> State:
        with self._lock:
            self._settle()
            return self._state

    @property
    def billed_minutes(self) -> int:
        """Minutes of all replicas while initializing and running, since it was created.

        Documented: billed by the minute, in these two states, unless it never got ready. That a begun minute counts
        whole is the sandbox's own reading.
        """
        with self._lock:
            self._settle()
            return self._billed_minutes + self._open_minutes(self._clock.now())

    def seconds_to_ready(self) -> float:
        """0 if it runs, infinity if it is not on its way."""
        with self._lock:
            self._settle()
            waits = {"running": 0.0, "initializing": self.start_seconds}
            waits["pending"] = SCHEDULING_SECONDS + self.start_seconds
            passed = self._clock.now() - self._since
            return max(0.0, waits.get(self._state, math.inf) - passed)

    def use(self) -> State:
        """Note a request: it keeps the endpoint awake, or wakes it. The state that the request finds."""
        with self._lock:
            self._settle()
            found, self._last_used = self._state, self._clock.now()
            if found == "scaledToZero":
                self._enter("initializing", self._last_used)
            return found

    def pause(self) -> None:
        """Stop it at once, until somebody resumes it. Raises BadDeployment if it has failed."""
        self._order("paused", unless=("failed",))

    def resume(self) -> None:
        """Start it again. Raises BadDeployment if it is already running, or has failed: then make a new one."""
        self._order("initializing", unless=("pending", "initializing", "running", "failed"))

    def scale_to_zero(self) -> None:
        """Stop it at once, until the next request. Raises BadDeployment if it is paused or has failed."""
        self._order("scaledToZero", unless=("paused", "failed"))

    def fail(self) -> None:
        """Let it go wrong, as a deployment may. Then only a new one helps."""
        self._order("failed")

    def as_json(self) -> dict[str, Any]:
        """As the management API shows it. Shape: huggingface_hub tests/test_inference_endpoints.py, 2026.

        Its url is missing until it was ready once, and stays from then on (observed).
        """
        with self._lock:
            self._settle()
            running, who = self._state == "running", {"id": "sandbox", "name": self.namespace}
            status = {
                "createdAt": iso_time(self._created),
                "createdBy": who,
                "updatedAt": iso_time(self._updated),
                "updatedBy": who,
                "private": None,
                "state": self._state,
                "message": _MESSAGES[self._state],
                "readyReplica": self.replicas if running else 0,
                "targetReplica": self.replicas if self._state in _BILLED else 0,
                **({"url": self.url} if self._was_ready else {}),
            }
        return {
            **self.deployment.model_dump(by_alias=True),
            "accountId": None,
            "healthRoute": "/health",
            "status": status,
        }

    def _order(self, state: State, unless: tuple[State, ...] = ()) -> None:
        with self._lock:
            self._settle()
            if self._state in unless:
                already = " already" if self._state == "running" else ""
                raise BadDeployment(f"Endpoint {self.name} is{already} {self._state}")
            self._enter(state, self._clock.now())
            self._updated = self._since

    def _settle(self) -> None:
        """Catch up with the clock: whatever was due since the last look, each at its own time."""
        now = self._clock.now()
        while (due := self._next()) is not None and due[1] <= now:
            self._enter(*due)

    def _next(self) -> tuple[State, float] | None:
        scaling = self.deployment.compute.scaling
        if self._state == "pending":
            return "initializing", self._since + SCHEDULING_SECONDS
        if self._state == "initializing":
            return "running", self._since + self.start_seconds
        if self._state == "running" and scaling.min_replica == 0:
            idle_minutes = scaling.scale_to_zero_timeout or IDLE_MINUTES
            return "scaledToZero", max(self._since, self._last_used) + 60 * idle_minutes
        return None

    def _enter(self, state: State, at: float) -> None:
        if state not in _BILLED:
            if state != "failed" or self._was_ready:
                self._billed_minutes += self._open_minutes(at)
            self._billing_since = None
        elif self._billing_since is None:
            self._billing_since = at
        self._was_ready |= state == "running"
        self._state, self._since = state, at

    def _open_minutes(self, now: float) -> int:
        since = self._billing_since
        return 0 if since is None else self.replicas * math.ceil((now - since) / 60)
