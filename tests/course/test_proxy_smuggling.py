"""Requests to the proxy of lesson 05 as no client writes them: the upstream sees ours, as many as there were."""

import json
from collections.abc import Callable, Iterator
from importlib.metadata import version

import pytest
from anyio.from_thread import start_blocking_portal

from course.sandbox.sockets import LOOPBACK
from tests.course.proxies import (
    QUESTION,
    TOKEN,
    Recorder,
    chunked,
    listening,
    post,
    question,
    served,
    settings,
    solution,
    spoken,
)

BODY = question()
CHUNKED = "Transfer-Encoding: chunked"
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKS = chunked(BODY) + b"0\r\n\r\n"
KEPT = post(BODY).replace(b"Connection: close\r\n", b"")
SECOND = b"POST /api/chat HTTP/1.1\r\nHost: b\r\nX-Smuggled: 1\r\nContent-Type: application/json\r\n"
SECOND += f"{LENGTH}\r\n\r\n".encode() + BODY
OURS = json.dumps(QUESTION | {"max_tokens": 256, "stream": False}, separators=(",", ":")).encode()


def line(written: str, *others: str) -> bytes:
    """A request with this header line in it."""
    return post(BODY, written, *others or (LENGTH,))


# What is sent: the statuses of the answers, and how many calls the upstream sees.
REQUESTS: dict[str, tuple[bytes, list[int], int]] = {
    "one": (post(BODY), [200], 1),
    "one in chunks": (post(CHUNKS, CHUNKED), [200], 1),
    "two, one after the other": (KEPT + post(BODY), [200, 200], 2),
    # Headers that would be ours to say.
    "a token of theirs": (line("Authorization: Bearer mine"), [200], 1),
    "a cookie": (line("Cookie: a=b"), [200], 1),
    "a proxy's words": (line("X-Forwarded-For: 1.2.3.4", "Forwarded: for=1", "Via: 1.1 a", LENGTH), [200], 1),
    "headers for one hop": (line("Connection: Authorization", "TE: trailers", "Keep-Alive: 9", LENGTH), [200], 1),
    "another protocol": (line("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", LENGTH), [200], 1),
    "a host with a user": (post(BODY).replace(b"Host: a", b"Host: a:b@evil.test"), [200], 1),
    "a folded line": (line("X-Long: a\r\n Authorization: b\r\n\tCookie: c"), [200], 1),
    "lines that end with LF alone": (post(BODY).replace(b"\r\n", b"\n"), [200], 1),
    "a trailer": (post(chunked(BODY) + b"0\r\nAuthorization: b\r\nCookie: c\r\n\r\n", CHUNKED), [200], 1),
    "an extension of a chunk": (post(CHUNKS.replace(b"\r\n", b";a=b\r\n", 1), CHUNKED), [200], 1),
    "a request in the text": (
        post(question(messages=[{"role": "user", "content": "a\r\n\r\n" + SECOND.decode()}])), [200], 1
    ),
    # A length that two servers may read differently; what the one takes for a body is a request for the other.
    "a length and chunks": (post(b"0\r\n\r\n" + SECOND, "Content-Length: 5", CHUNKED), [400], 0),
    "chunks and a length": (post(CHUNKS + SECOND, CHUNKED, "Content-Length: 6"), [400], 0),
    "both, kept open": (
        KEPT.replace(b"Host: a", b"Host: a\r\nTransfer-Encoding: chunked").replace(BODY, CHUNKS) + SECOND, [400], 0
    ),
    "both, for a GET": (
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SECOND,
        [400], 0,
    ),
    "two equal lengths": (post(BODY, LENGTH, LENGTH), [200], 1),
    "two lengths": (post(BODY + SECOND, LENGTH, f"Content-Length: {len(BODY) + len(SECOND)}"), [400], 0),
    "a signed length": (post(BODY, f"Content-Length: +{len(BODY)}"), [400], 0),
    "a negative length": (post(BODY, "Content-Length: -1"), [400], 0),
    "chunks twice": (post(CHUNKS, CHUNKED, CHUNKED), [400], 0),
    "chunks in disguise": (post(CHUNKS, "Transfer-Encoding: \x0bchunked"), [400], 0),
    "chunks and more": (post(CHUNKS, "Transfer-Encoding: chunked, identity"), [400], 0),
    "a space before the colon": (post(CHUNKS, "Transfer-Encoding : chunked"), [400], 0),
    "a chunk of another size": (post(b"1\r\n" + BODY + b"\r\n0\r\n\r\n", CHUNKED), [400], 0),
    "the size of a chunk as 0x": (post(b"0x" + CHUNKS, CHUNKED), [400], 0),
    "a CR alone": (line("X-Long: a\rAuthorization: b"), [400], 0),
    "a NUL": (line("X-Long: a\x00b"), [400], 0),
    # Targets that name another server.
    "a whole address": (post(BODY, path="http://evil.test/api/chat"), [404], 0),
    "a host in the path": (post(BODY, path="//evil.test/api/chat"), [404], 0),
    "a way around": (post(BODY, path="/api/../api/chat"), [404], 0),
    "a line break in the path": (post(BODY, path="/api/chat%0d%0aX: b"), [400], 0),
    "an address in the query": (post(BODY, path="/api/chat?base_url=http://evil.test"), [200], 1),
    "no host": (post(BODY).replace(b"Host: a\r\n", b""), [400], 0),
    "two hosts": (line("Host: b"), [400], 0),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [404, 400], 0),
}  # fmt: skip


@pytest.fixture(scope="module")
def upstream() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def say(upstream: Recorder) -> Iterator[Callable[[bytes], bytes]]:
    """All that the proxy answers to these bytes."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(listening(upstream)) as url,
        portal.wrap_async_context_manager(
            served(solution().create_app(settings(upstream_url=url, requests_per_minute=1000)))
        ) as port,
    ):
        yield lambda said: portal.call(spoken, port, said)


@pytest.mark.parametrize(("said", "statuses", "calls"), REQUESTS.values(), ids=REQUESTS)
def test_the_upstream_sees_our_requests_and_no_other(
    said: bytes, statuses: list[int], calls: int, upstream: Recorder, say: Callable[[bytes], bytes]
) -> None:
    before = len(upstream.heads)

    answer = say(said)

    assert [int(each[:3]) for each in answer.split(b"HTTP/1.1 ")[1:]] == statuses
    assert len(upstream.heads) - before == calls
    for first, *headers in upstream.heads[before:]:
        assert first == "POST /v1/chat/completions HTTP/1.1"
        told = dict(header.split(": ", 1) for header in headers)
        assert told.pop("Host").startswith(f"{LOOPBACK}:")
        assert told.pop("Content-Length") == str(len(upstream.bodies[-1]))
        assert told == {
            "Accept": "*/*",
            "Accept-Encoding": told["Accept-Encoding"],
            "Connection": "keep-alive",
            "User-Agent": f"python-httpx2/{version('httpx2')}",
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/json",
        }
    if calls and b"a\\r\\n" not in said:
        assert upstream.bodies[-1] == OURS
