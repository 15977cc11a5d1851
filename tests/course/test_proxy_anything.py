"""Whatever a client of the proxy of lesson 05 sends: no 500, no token, no echo, no header of it upstream."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.course import proxies
from tests.course.proxies import PLAIN, QUESTION, TOKEN
from tests.course.upstreams import CHUNK

CANARY = "QxZjVkWq"
EVENTS = b"text/event-stream"
Headers = dict[bytes, bytes]
Ask = Callable[[bytes, Headers], tuple[int, str]]

text = st.text(max_size=9).map(lambda chosen: chosen + CANARY) | st.sampled_from(["\ud800", "\x00", CANARY])
value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
message = st.fixed_dictionaries({"role": st.just("user"), "content": text})
question = st.fixed_dictionaries(
    {"model": st.just(QUESTION["model"]), "messages": st.lists(message, min_size=1, max_size=3)},
    optional={"max_tokens": st.integers(1, 9)},
)
bent = st.tuples(question, st.dictionaries(st.sampled_from(["model", "messages", "stream", CANARY]), value)).map(
    lambda both: both[0] | both[1]
)
body = st.binary(max_size=60) | (question | bent | value).map(lambda asked: json.dumps(asked).encode())

NAMES = b"""accept authorization cookie host x-forwarded-for origin expect te content-length connection x-request-id
traceparent access-control-request-method range""".split()
anything = st.binary(max_size=9).map(lambda chosen: CANARY.encode() + chosen)
others = st.dictionaries(st.from_regex(rb"x-[a-z]{1,9}", fullmatch=True), anything, max_size=3)
headers = st.tuples(st.fixed_dictionaries(dict.fromkeys(NAMES, anything)), others).map(lambda both: both[0] | both[1])


class Upstream:
    """answer: what comes next. seen: the calls."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.seen: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        return httpx2.Response(**self.answer)


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def ask(upstream: Upstream) -> Iterator[Ask]:
    """Status, and all that leaves, for a body and headers, as a server hands them over: as bytes of any kind."""
    given = proxies.settings(requests_per_minute=10**6, allowed_origins=("https://page.test",))
    app = proxies.solution().create_app(given, transport=httpx2.MockTransport(upstream))

    async def call(body: bytes, headers: Headers) -> tuple[int, str]:
        parts = [{"type": "http.request", "body": body}]
        sent: list[Any] = []

        async def receive() -> Any:
            return parts.pop() if parts else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
            "scheme": "http", "path": "/api/chat", "raw_path": b"/api/chat", "query_string": b"q=" + CANARY.encode(),
            "root_path": "", "headers": [(b"content-type", b"application/json"), *headers.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip
        await app(scope, receive, send)
        return sent[0]["status"], repr(sent)

    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        yield lambda body, headers: runner.run(call(body, headers))
        runner.run(lifespan.__aexit__(None, None, None))


bounded = settings(max_examples=120, derandomize=True, deadline=None, database=None)


@bounded
@given(body=body, headers=headers)
@example(body=9000 * b"[", headers={})
@example(body=b'{"max_tokens": ' + 5000 * b"9" + b"}", headers={})
@example(body=b"\xff\xfe{\x00}\x00", headers={b"content-type": b"application/json; charset=" + CANARY.encode()})
def test_any_request_gets_a_declared_answer(body: bytes, headers: Headers, ask: Ask, upstream: Upstream) -> None:
    upstream.answer = {"status_code": 200, "json": PLAIN}
    upstream.seen.clear()

    status, answer = ask(body, headers)

    assert status in (200, 400, 413, 422)
    assert TOKEN not in answer
    assert CANARY not in answer
    assert len(upstream.seen) == (status == 200)
    for request in upstream.seen:
        assert CANARY not in repr([request.method, request.url, request.headers.raw])
        assert set(json.loads(request.content)) == {"model", "messages", "max_tokens", "stream"}


events = [
    CHUNK,
    "data: [DONE]\n\n",
    'data: {"choices": []}\n\n',
    ": a\n\n",
    "\n",
    f"event: {CANARY}\n",
    f": {CANARY}\n",
]
events += [f"data: {each}\n\n" for each in (CANARY, f'{{"error": "{CANARY}"}}', f'{{"choices": [], "x": "{CANARY}"}}')]
noise = st.binary(max_size=9).map(lambda chosen: chosen + CANARY.encode())
a_stream = st.lists(st.sampled_from(events).map(str.encode) | noise, max_size=6).map(b"".join)
whole = st.sampled_from([json.dumps(PLAIN).encode(), json.dumps(PLAIN | {CANARY: CANARY}).encode()])


@bounded
@given(
    stream=st.booleans(),
    status=st.integers(200, 599),
    kind=st.sampled_from([b"application/json", EVENTS]),
    content=a_stream | whole,
    others=headers,
)
def test_any_answer_of_the_upstream_becomes_one_of_ours(
    stream: bool, status: int, kind: bytes, content: bytes, others: Headers, ask: Ask, upstream: Upstream
) -> None:
    theirs = [*others.items(), (b"content-type", kind)]
    upstream.answer = {"status_code": status, "headers": theirs, "content": content}

    got, answer = ask(json.dumps(QUESTION | {"stream": stream}).encode(), {})

    assert got in (200, 400, 404, 429, 502, 503)
    assert got != 200 or status == 200
    assert TOKEN not in answer
    assert CANARY not in answer


@bounded
@given(content=a_stream)
def test_any_stream_of_the_upstream_ends_as_ours(content: bytes, ask: Ask, upstream: Upstream) -> None:
    upstream.answer = {"status_code": 200, "headers": {b"content-type": EVENTS}, "content": content}

    _, answer = ask(json.dumps(QUESTION | {"stream": True}).encode(), {})

    assert ("data: [DONE]\\n\\n" in answer) != ("event: error\\ndata: {" in answer)
    assert TOKEN not in answer
    assert CANARY not in answer
