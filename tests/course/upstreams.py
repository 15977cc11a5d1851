"""Upstreams of the proxy of lesson 05 that misbehave, and repeat our token wherever they can."""

from collections.abc import Callable
from typing import Any

import httpx2

STREAM = {"Content-Type": "text/event-stream"}
CHUNK = 'data: {"choices": [{"index": 0, "delta": {"content": "Well"}}]}\n\n'


def echo(status: int, **answer: Any) -> Callable[[httpx2.Request], httpx2.Response]:
    """An upstream that repeats the Authorization header of the request, in its own headers and wherever {} stands."""

    def answered(request: httpx2.Request) -> httpx2.Response:
        told = request.headers["authorization"]
        headers = {"X-Echo": told, "Set-Cookie": f"a={told}", "Retry-After": told} | answer.get("headers", {})
        return httpx2.Response(status, headers=headers, text=answer.get("text", "{}").replace("{}", told))

    return answered


def failing(kind: type[Exception]) -> Callable[[httpx2.Request], httpx2.Response]:
    """An upstream that cannot be reached; the error quotes the headers, as errors do."""

    def raised(request: httpx2.Request) -> httpx2.Response:
        raise kind(f"failed with {request.headers['authorization']}")

    return raised


UPSTREAMS: dict[str, Callable[[httpx2.Request], httpx2.Response]] = {
    **{str(status): echo(status) for status in (200, 204, 302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503)},
    "an error in a 200": echo(200, text='{"error": "{}"}'),
    "a page": echo(200, text="<h1>{}</h1>"),
    "a late error": echo(200, headers=STREAM, text=CHUNK + 'data: {"error": "{}"}\n\n'),
    "a late nonsense": echo(200, headers=STREAM, text=CHUNK + "data: {}\n\n"),
    "an event of another type": echo(200, headers=STREAM, text="event: {}\nid: {}\n" + CHUNK + "data: [DONE]\n\n"),
    "a cut": echo(200, headers=STREAM, text=CHUNK),
    **{
        kind.__name__: failing(kind)
        for kind in (httpx2.ConnectError, httpx2.ReadTimeout, httpx2.PoolTimeout, httpx2.InvalidURL, ValueError)
    },
}
