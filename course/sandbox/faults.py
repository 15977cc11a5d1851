"""Failures on demand: what the next requests get instead of an answer."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from starlette.responses import HTMLResponse, JSONResponse, Response

from course.sandbox.permissions import INVALID_CREDENTIALS

Side = Literal["hub", "router"]

CREDITS_USED_UP = (
    "You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers. "
    "Alternatively, subscribe to PRO to get 20x more included usage."
)
OLD_HOST_GONE = (
    "https://api-inference.huggingface.co is no longer supported. Please use https://router.huggingface.co instead."
)
NO_INFERENCE = (
    "This authentication method does not have sufficient permissions to call Inference Providers on behalf of user "
    "learner"
)


@dataclass
class Fault:
    """A status for the next `times` requests. retry_after: seconds to announce. on: None means both sides."""

    status: int
    times: int
    retry_after: int | None
    on: Side | None


class Faults:
    """Planned failures, used up in the order they were planned."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> None:
        """Raises ValueError for a status that is no failure."""
        if not 400 <= fault.status <= 599:
            raise ValueError(f"status is {fault.status}, but a failure has 400 to 599")
        self._planned.append(fault)

    def take(self, side: Side) -> Fault | None:
        """The failure due for the next request on this side, or None."""
        for fault in self._planned:
            if fault.times > 0 and fault.on in (None, side):
                fault.times -= 1
                return fault
        return None


def failure(fault: Fault, side: Side) -> Response:
    """The answer a real server would give with this status.

    Bodies of 401, 402, 403, 410: observed, third-party, 2025-12 to 2026-09. 424 and 429 on the router: the text of
    huggingface/text-generation-inference, 2026-01-08, as the router's own was not seen. 502, 504: an HTML page, as
    proxies send. Others: the plain reason of the status, since nothing is documented.
    """
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.status in (502, 504):
        title = f"{fault.status} {HTTPStatus(fault.status).phrase}"
        return HTMLResponse(f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>",
                            fault.status, headers)  # fmt: skip
    body = _router_body(fault.status) if side == "router" else {"error": _message(fault.status)}
    if side == "hub":
        headers["X-Error-Message"] = str(body["error"])
    return JSONResponse(body, fault.status, headers)


def _router_body(status: int) -> dict[str, object]:
    if status == 429:
        return {"error": "Model is overloaded", "error_type": "overloaded"}
    if status == 424:
        return {"error": "Request failed during generation", "error_type": "generation"}
    return {"error": _message(status)}


def _message(status: int) -> str:
    known = {401: INVALID_CREDENTIALS, 402: CREDITS_USED_UP, 403: NO_INFERENCE, 410: OLD_HOST_GONE}
    try:
        return known.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return f"Error {status}"
