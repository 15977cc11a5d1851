"""One client, any engine: a base URL, a key and a model name are all that changes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from fastapi.testclient import TestClient

from course import sandbox
from course.tables import table
from tests.course.learners import solved
from tests.course.proxies import settings, solution

QUESTION: Any = [{"role": "user", "content": "What is a read token?"}]


@pytest.fixture(scope="module")
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        started.clock.freeze()
        endpoint = started.endpoints.create("demo", "org/model")
        started.clock.advance(endpoint.seconds_to_ready())
        yield started


@pytest.fixture(params=["router", "endpoint"])
def place(request: pytest.FixtureRequest, hub: sandbox.Sandbox) -> tuple[str, str]:
    """A base URL and the model there."""
    endpoint = hub.endpoints.find("demo")
    assert endpoint is not None
    return (f"{hub.router}/v1", "openai/gpt-oss-20b") if request.param == "router" else (endpoint.base_url, "org/model")


def test_the_clients_of_lesson_04_reach_it(place: tuple[str, str], hub: sandbox.Sandbox) -> None:
    lesson = solved("04")
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {hub.tokens['write']}"
        whole = lesson.ChatClient(session, *place).complete(QUESTION)
        streamed = "".join(lesson.StreamingChatClient(session, *place).stream(QUESTION))

    assert whole.text.startswith("A read token")
    assert streamed == whole.text


def test_the_proxy_reaches_it(place: tuple[str, str], hub: sandbox.Sandbox) -> None:
    url, model = place
    told = settings(hf_token=hub.tokens["write"], upstream_url=url, allowed_models=(model,))
    with TestClient(solution().create_app(told)) as visitor:
        whole = visitor.post("/api/chat", json={"model": model, "messages": QUESTION}).json()

    assert whole["choices"][0]["message"]["content"].startswith("A read token")


def test_each_engine_is_told_in_full() -> None:
    engines = table("engines")["engines"]

    assert {tuple(row) for row in engines} == {tuple(engines[0])}
    assert {"vLLM", "SGLang", "TGI", "llama.cpp", "Ollama"} < {row["name"] for row in engines}
    assert [row["name"] for row in engines if not row["maintained"]] == ["TGI"]


@pytest.mark.parametrize("engine", table("engines")["engines"], ids=lambda row: row["name"])
def test_a_base_url_has_the_port_of_the_command(engine: dict[str, str]) -> None:
    port = re.fullmatch(r"http://localhost:(\d+)/v1", engine["base_url"])
    said = re.search(r"(?:--port |-p )(\d+)", engine["start"])

    assert port
    assert said is None or said[1] == port[1]
