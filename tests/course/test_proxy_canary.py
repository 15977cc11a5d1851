"""The token of the proxy of lesson 05 goes through every error path, and is in no byte that leaves and in no log."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from course import sandbox
from tests.course.proxies import QUESTION, TOKEN, settings, shows_the_token, solution
from tests.course.upstreams import UPSTREAMS, echo

REQUESTS: list[dict[str, Any]] = [
    {"url": "/api/chat", "json": QUESTION},
    {"url": "/v1/chat/completions", "json": QUESTION | {"stream": True}},
]
BAD_REQUESTS: list[dict[str, Any]] = [
    {"url": "/api/chat", "json": QUESTION | {TOKEN: TOKEN}},
    {"url": "/api/chat", "json": QUESTION | {"model": TOKEN, "messages": [{"role": TOKEN, "content": 1}]}},
    {"url": "/api/chat", "content": f'{{"{TOKEN}'},
    {"url": "/api/chat", "content": TOKEN, "headers": {"Content-Type": TOKEN}},
    {"url": "/api/chat", "content": 3000 * TOKEN},
    {"url": "/nowhere", "json": {}, "headers": {"X-Request-ID": TOKEN, "Cookie": TOKEN, "Origin": TOKEN}},
]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger there is, at DEBUG."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def everything(answer: httpx2.Response) -> str:
    return f"{answer.headers.multi_items()}{answer.text}"


@pytest.mark.parametrize("name", UPSTREAMS)
def test_no_upstream_gets_the_token_out(name: str, log: pytest.LogCaptureFixture) -> None:
    app = solution().create_app(settings(), transport=httpx2.MockTransport(UPSTREAMS[name]))

    with TestClient(app, raise_server_exceptions=False) as visitor:
        answers = [visitor.post(**request, headers={"Origin": "https://page.test"}) for request in REQUESTS]

    assert [shows_the_token(everything(answer)) for answer in answers] == [False, False]
    assert not shows_the_token(log.text)


def test_no_request_gets_the_token_out(log: pytest.LogCaptureFixture) -> None:
    """Here the client sends the token: a validation error must not repeat it, nor must a log."""
    app = solution().create_app(settings(), transport=httpx2.MockTransport(echo(200)))

    with TestClient(app, raise_server_exceptions=False) as visitor:
        answers = [visitor.post(**request) for request in BAD_REQUESTS]
        answers += [visitor.get(path) for path in ("/openapi.json", "/healthz", "/readyz", "/docs", "/")]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 413, 404, 200, 200, 200, 404, 404]
    assert not shows_the_token("".join(map(everything, answers)))
    assert TOKEN not in "".join(record.getMessage() for record in log.records if record.name == "proxy")


def test_no_log_of_a_real_connection_holds_the_token(log: pytest.LogCaptureFixture) -> None:
    with sandbox.start() as hub:
        token = hub.tokens["fine_grained"]
        app = solution().create_app(settings(hf_token=token, upstream_url=f"{hub.router}/v1"))
        with TestClient(app) as visitor:
            answers = [visitor.post(**request) for request in REQUESTS]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert token not in "".join(map(everything, answers)) + log.text


def test_a_token_that_cannot_be_sent_is_not_quoted(log: pytest.LogCaptureFixture) -> None:
    """h11 refuses it as a header, in an error that quotes it."""
    with sandbox.start() as hub:
        app = solution().create_app(settings(hf_token=f"{TOKEN}\x01", upstream_url=f"{hub.router}/v1"))
        with TestClient(app) as visitor:
            answers = [visitor.post(**request) for request in REQUESTS]

    assert [answer.status_code for answer in answers] == [502, 502]
    assert not shows_the_token("".join(map(everything, answers)) + log.text)


def test_a_failed_start_does_not_tell_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("MAX_TOKENS", "many")
    lesson = solution()

    with pytest.raises(lesson.BadSettings) as caught:
        lesson.Settings.load(None)

    assert not shows_the_token(f"{caught.getrepr(chain=True, style='long', showlocals=False)}")


def test_a_start_that_fails_later_does_not_tell_it_either(log: pytest.LogCaptureFixture) -> None:
    app = solution().create_app(settings(upstream_url="http://a:no-port"))

    with pytest.raises(httpx2.InvalidURL) as caught, TestClient(app):
        pass

    assert not shows_the_token(f"{caught.getrepr(chain=True, style='long', showlocals=False)}{log.text}")


def test_no_printed_object_holds_the_token() -> None:
    app = solution().create_app(settings())
    with TestClient(app):
        client = app.state.client
        printed = f"{settings()!r}{settings().model_dump_json()}{app!r}{client!r}{client.headers!r}"

    assert not shows_the_token(printed)
