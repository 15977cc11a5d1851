"""Faults that are whole answers: statuses in every shape of body, redirects, a page where an answer was due."""

import json
from email.utils import formatdate
from http import HTTPStatus

from starlette.datastructures import URL
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from course.sandbox.faults import DateIn, LoginPage, Redirect, Side, Status
from course.sandbox.permissions import INVALID_CREDENTIALS

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


def status_answer(fault: Status, side: Side, bucket: str, now: float) -> Response:
    """The answer that `fault` describes. bucket: for the header RateLimit. now: seconds on the sandbox's clock.

    Usual bodies of 401, 402, 403, 410: observed, third-party, 2025-12 to 2026-09. 424 and 429 on the router: the text
    of huggingface/text-generation-inference, 2026-01-08, as the router's own was not seen. 502, 504: an HTML page, as
    proxies send. Others: the plain reason of the status, since nothing is documented.
    The Hub's own 429 carries RateLimit, not Retry-After (observed, third-party); here one may have both, with the same
    wait in both.
    """
    answer = _body(fault, side)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = _retry_after(fault.retry_after, now)
    limit = fault.rate_limit
    if limit is None and side == "hub" and fault.status == 429 and (wait := fault.wait_seconds()) is not None:
        limit = (0, wait)
    if limit is not None:
        answer.headers["RateLimit"] = f'"{bucket}";r={limit[0]};t={limit[1]}'
    if side == "hub":
        answer.headers["X-Error-Message"] = _message(fault.status)
    return answer


def redirect(fault: Redirect, asked: URL, other_port: int) -> Response:
    """The way to the same path elsewhere. other_port: where another origin listens."""
    targets = {
        "same": asked,
        "port": asked.replace(port=other_port),
        "host": asked.replace(hostname="127.0.0.1" if asked.hostname == "localhost" else "localhost"),
    }
    return RedirectResponse(targets[fault.to], fault.status)


def login_page(_fault: LoginPage) -> Response:
    return _page(200, "Log in to this network")


def _body(fault: Status, side: Side) -> Response:
    status, message = fault.status, _message(fault.status)
    match fault.body:
        case "usual":
            return _usual(status, side)
        case "object":
            return JSONResponse(
                {"error": {"message": message, "type": "server_error", "param": None, "code": status}}, status
            )
        case "string":
            return JSONResponse({"error": message}, status)
        case "list":
            return JSONResponse({"error": [message]}, status)
        case "html":
            return _page(status, f"{status} {_phrase(status)}")
        case "empty":
            return Response(b"", status)
        case "wrong_type":
            return Response(json.dumps({"error": message}), status, media_type="text/plain")
        case "invalid_json":
            return Response(json.dumps({"error": message})[:-2], status, media_type="application/json")


def _usual(status: int, side: Side) -> Response:
    if status in (502, 504):
        return _page(status, f"{status} {_phrase(status)}")
    if side == "router" and status == 429:
        return JSONResponse({"error": "Model is overloaded", "error_type": "overloaded"}, status)
    if side == "router" and status == 424:
        return JSONResponse({"error": "Request failed during generation", "error_type": "generation"}, status)
    return JSONResponse({"error": _message(status)}, status)


def _page(status: int, title: str) -> Response:
    return HTMLResponse(f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>", status)


def _retry_after(wait: float | str | DateIn, now: float) -> str:
    return formatdate(now + wait.date_in_seconds, usegmt=True) if isinstance(wait, DateIn) else str(wait)


def _message(status: int) -> str:
    known = {401: INVALID_CREDENTIALS, 402: CREDITS_USED_UP, 403: NO_INFERENCE, 410: OLD_HOST_GONE}
    return known.get(status) or _phrase(status)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Error {status}"
