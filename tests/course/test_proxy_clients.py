"""The proxy of lesson 05 seen by who calls it: the openai package, curl, a page; its description, a local model."""

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from fastapi.testclient import TestClient

from course import sandbox
from tests.course.proxies import QUESTION, served, serving, settings, solution

PATHS = ("/api/chat", "/v1/chat/completions")
CHUNK = 'data: {"choices": [{"index": 0, "delta": {"content": "Well"}}]}\n\n'
STREAM = {"Content-Type": "text/event-stream"}


@pytest.fixture(scope="module")
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(hub: sandbox.Sandbox) -> Iterator[str]:
    """Its address."""
    with serving(
        solution().create_app(settings(hf_token=hub.tokens["fine_grained"], upstream_url=f"{hub.router}/v1"))
    ) as address:
        yield address


def with_openai(address: str) -> Any:
    """chat.completions.create of an openai client that needs no key."""
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0).chat.completions.create


def test_the_openai_package_gets_whole_answers_and_streams(proxy: str) -> None:
    create = with_openai(proxy)

    whole = create(**QUESTION).choices[0].message.content
    pieces = [chunk.choices[0].delta.content or "" for chunk in create(**QUESTION, stream=True)]

    assert whole.startswith("An access token is")
    assert len(pieces) > 5
    assert "".join(pieces) == whole


@pytest.mark.parametrize("stream", [False, True])
def test_the_openai_package_sees_a_rate_limit(hub: sandbox.Sandbox, proxy: str, stream: bool) -> None:
    hub.fail_next(429, retry_after=7, on="router")

    with pytest.raises(openai.RateLimitError) as caught:
        with_openai(proxy)(**QUESTION, stream=stream)

    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "rate_limited"


def test_the_openai_package_learns_of_a_late_error() -> None:
    cut = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=STREAM, text=CHUNK))

    with (
        serving(solution().create_app(settings(), transport=cut)) as address,
        pytest.raises(openai.APIError, match="cannot be reached"),
    ):
        list(with_openai(address)(**QUESTION, stream=True))


needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing: apt-get install curl")


def curl(address: str, *options: str, **more: Any) -> list[str]:
    """The command line; a --data makes it a POST."""
    asked = ["--data", json.dumps(QUESTION | more), "--header", "Content-Type: application/json"]
    return ["curl", "--silent", "--show-error", "--max-time", "20", *options, *asked, address]


@needs_curl
@pytest.mark.parametrize("path", PATHS)
def test_curl_gets_whole_answers(proxy: str, path: str) -> None:
    command = curl(f"{proxy}{path}", "--write-out", "\n%{http_code} %{content_type}")

    body, _, told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("\n")

    assert told == "200 application/json"
    assert json.loads(body)["choices"][0]["message"]["content"].startswith("An access token is")


@needs_curl
@pytest.mark.parametrize("path", PATHS)
def test_curl_gets_a_stream_as_it_comes(path: str) -> None:
    """The upstream waits until curl has shown the first event."""
    shown = threading.Event()

    class Slow(httpx2.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield CHUNK.encode()
            if await asyncio.to_thread(shown.wait, 3):
                yield b"data: [DONE]\n\n"

    upstream = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=STREAM, stream=Slow()))
    with (
        serving(solution().create_app(settings(), transport=upstream)) as address,
        subprocess.Popen(curl(f"{address}{path}", "-N", stream=True), stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        first = process.stdout.readline()
        shown.set()
        rest = process.stdout.read()

    assert "Well" in first
    assert rest == "\ndata: [DONE]\n\n"


def test_the_description_declares_bounds_and_errors() -> None:
    described = TestClient(solution().create_app(settings(max_tokens=99))).get("/openapi.json").json()

    chat = described["paths"]["/api/chat"]["post"]
    assert " ".join(sorted(chat["responses"])) == "200 400 404 408 413 422 429 500 502 503 504"
    body = described["components"]["schemas"]["BoundedRequest"]
    assert body["properties"]["max_tokens"]["maximum"] == 99
    assert body["additionalProperties"] is False


def test_every_refusal_has_one_shape() -> None:
    """The 413 of Starlette's body limit apart: that is plain text."""
    with TestClient(solution().create_app(settings())) as visitor:
        refusals = [visitor.get("/nowhere"), visitor.get("/api/chat"), visitor.post("/api/chat", json={})]

    assert [each.status_code for each in refusals] == [404, 405, 422]
    assert all("code" in each.json()["error"] for each in refusals)


def test_a_page_is_served_beside_the_api(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>Chat</h1>")

    with TestClient(solution().create_app(settings(static_dir=str(tmp_path)))) as visitor:
        page, api = visitor.get("/"), visitor.get("/healthz")

    assert page.text == "<h1>Chat</h1>"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert api.status_code == 200


class Slow:
    """An engine that waits for `go` before each piece, and notes in which threads it worked."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.threads: set[str] = set()

    def pieces(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]:
        for piece in ("one", " two"):
            self.go.wait(5)
            self.threads.add(threading.current_thread().name)
            yield piece


def test_a_local_model_is_loaded_once_and_leaves_the_server_free() -> None:
    loaded: list[Slow] = []

    def load() -> Slow:
        loaded.append(Slow())
        return loaded[-1]

    async def talk() -> list[httpx2.Response]:
        async with (
            served(solution().create_app(settings(), local=load)) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            asked = [asyncio.create_task(client.post("/api/chat", json=QUESTION)) for _ in range(2)]
            alive = await client.get("/healthz")
            loaded[0].go.set()
            both = await asyncio.gather(*asked)
            return [alive, *both, await client.post("/api/chat", json=QUESTION | {"stream": True})]

    alive, first, second, streamed = asyncio.run(talk())

    assert alive.status_code == 200
    assert [each.json()["choices"][0]["message"]["content"] for each in (first, second)] == ["one two", "one two"]
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert len(loaded) == 1
    assert threading.main_thread().name not in loaded[0].threads


class Broken:
    """An engine that fails after its first piece."""

    def pieces(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]:
        yield "Well"
        raise MemoryError("a-text-of-the-engine")


def test_a_local_model_that_fails_is_an_error_of_ours() -> None:
    with TestClient(solution().create_app(settings(), local=Broken)) as visitor:
        plain = visitor.post("/api/chat", json=QUESTION)
        stream = visitor.post("/api/chat", json=QUESTION | {"stream": True})

    assert (plain.status_code, plain.json()["error"]["code"]) == (500, "internal")
    assert "Well" in stream.text
    told = json.loads(stream.text.partition("event: error\ndata: ")[2])
    assert told["error"]["code"] == "internal"
    assert "a-text-of-the-engine" not in plain.text + stream.text


def test_a_hundred_streams_at_once_are_served_by_one_worker() -> None:
    """Each stream waits for all the others: they are open together."""
    everybody = asyncio.Event()
    arrived = 0

    class Together(httpx2.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            nonlocal arrived
            arrived += 1
            if arrived == 100:
                everybody.set()
            await everybody.wait()
            yield b'data: {"choices": []}\n\ndata: [DONE]\n\n'

    theirs = {"Content-Type": "text/event-stream"}
    upstream = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=theirs, stream=Together()))
    app = solution().create_app(settings(max_concurrent=100, requests_per_minute=1000), transport=upstream)

    async def ask() -> list[int]:
        limits = httpx2.Limits(max_connections=100)
        async with (
            served(app) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=30) as client,
        ):
            body = QUESTION | {"stream": True}
            return [
                a.status_code for a in await asyncio.gather(*[client.post("/api/chat", json=body) for _ in range(100)])
            ]

    assert asyncio.run(ask()) == 100 * [200]
