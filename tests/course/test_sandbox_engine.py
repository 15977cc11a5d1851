"""An engine in the place of the sandbox's script: what it must never do to the server, and who pays. No torch here."""

import threading
from collections.abc import Iterator, Sequence

import openai
import pytest
import requests

from course import sandbox
from course.sandbox.answers import Answer, PromptTooLong

MODEL = "openai/gpt-oss-120b"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "Count"}]}


class Endless:
    """Counts until it is closed, and waits for `go` before each number."""

    name, is_instant = "endless", False

    def __init__(self) -> None:
        self.go, self.closed, self.asked = threading.Semaphore(0), threading.Event(), threading.Event()
        self.prompt_tokens, self.completion_tokens, self.limit, self.finish_reason = 7, 0, 10**9, "length"

    def answer(self, messages: Sequence[dict[str, str]], max_tokens: int | None, stops: list[str]) -> Answer:
        if len(messages[-1]["content"]) > 100:
            raise PromptTooLong("The messages have 101 tokens, and endless takes 100.")
        return self

    def __iter__(self) -> Iterator[str]:
        while not self.closed.is_set():
            self.asked.set()
            self.go.acquire(timeout=5)
            self.completion_tokens += 1
            yield f"{self.completion_tokens} "

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def engine() -> Endless:
    return Endless()


@pytest.fixture
def hub(engine: Endless) -> Iterator[sandbox.Sandbox]:
    with sandbox.start(engine=engine) as started:
        yield started


def ask(hub: sandbox.Sandbox, **more: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {hub.tokens['fine_grained']}"}
    return requests.post(
        f"{hub.router}/v1/chat/completions", json=QUESTION | more, headers=headers, timeout=5, stream=True
    )


def test_a_stream_flows_piece_by_piece_and_ends_with_its_reader(hub: sandbox.Sandbox, engine: Endless) -> None:
    before = hub.account.credit_usd
    engine.go.release(2)

    with ask(hub, stream=True) as answer:
        lines = answer.iter_lines()
        pieces = [next(line for line in lines if line) for _ in range(2)]
    engine.go.release(1000)  # the piece that was being waited for, and many that nobody must ask for

    assert [b'"content": "1 "' in pieces[0], b'"content": "2 "' in pieces[1]] == [True, True]
    assert b'"system_fingerprint": "endless"' in pieces[0]
    assert engine.closed.wait(timeout=5)
    assert engine.completion_tokens < 1000
    assert hub.account.credit_usd < before


def test_a_whole_answer_ends_when_nobody_waits_for_it_any_more(hub: sandbox.Sandbox, engine: Endless) -> None:
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{hub.router}/v1/chat/completions",
            json=QUESTION,
            headers={"Authorization": f"Bearer {hub.tokens['fine_grained']}"},
            timeout=(5, 0.05),
        )
    assert engine.asked.wait(timeout=5)
    while not engine.closed.is_set():  # the server may take a moment to hear of it
        engine.go.release()

    assert engine.closed.is_set()


def test_the_server_goes_on_while_the_engine_works(hub: sandbox.Sandbox, engine: Endless) -> None:
    with ask(hub, stream=True):
        assert engine.asked.wait(timeout=5)

        assert requests.get(f"{hub.url}/api/models/sandbox/haiku", timeout=5).status_code == 200

    engine.go.release(2)


def test_messages_that_are_too_long_are_the_callers_mistake(hub: sandbox.Sandbox) -> None:
    client = openai.OpenAI(base_url=f"{hub.router}/v1", api_key=hub.tokens["fine_grained"], max_retries=0)

    with pytest.raises(openai.BadRequestError, match="101 tokens") as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x" * 101}])

    assert caught.value.code == "context_length_exceeded"


def test_stopping_the_sandbox_waits_for_no_engine(engine: Endless) -> None:
    hub = sandbox.start(engine=engine)
    with ask(hub, stream=True):
        assert engine.asked.wait(timeout=5)
        engine.go.release(10_000)  # from here on it would go on for long

        hub.stop()

    assert engine.closed.wait(timeout=5)
