"""The router side of the sandbox, seen by the real clients, unchanged."""

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
import requests
from huggingface_hub import InferenceClient, errors

from course import sandbox

MODEL = "openai/gpt-oss-120b"
QUESTION: Any = [{"role": "user", "content": "What is a read token?"}]


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


def client(hub: sandbox.Sandbox, name: str = "fine_grained") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{hub.router}/v1", api_key=hub.tokens[name], max_retries=0)


def post(hub: sandbox.Sandbox, name: str | None = "fine_grained", **body: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {hub.tokens[name]}"} if name else {}
    payload = {"model": MODEL, "messages": QUESTION, **body}
    return requests.post(f"{hub.router}/v1/chat/completions", json=payload, headers=headers, timeout=5)


def test_the_openai_sdk_chats(hub: sandbox.Sandbox) -> None:
    answer = client(hub).chat.completions.create(model=MODEL, messages=QUESTION)

    assert (answer.choices[0].message.content or "").startswith("A read token reads everything you can read")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_openai_sdk_streams_and_the_usage_comes_last_without_choices(hub: sandbox.Sandbox) -> None:
    whole = client(hub).chat.completions.create(model=MODEL, messages=QUESTION)
    options: Any = {"include_usage": True}

    with client(hub).chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, stream_options=options
    ) as stream:
        chunks = list(stream)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_a_stream_has_no_usage_unless_asked(hub: sandbox.Sandbox) -> None:
    answer = post(hub, stream=True)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert '"usage"' not in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")


def test_max_tokens_cuts_the_answer_and_says_so(hub: sandbox.Sandbox) -> None:
    answer = client(hub).chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=3)

    assert answer.choices[0].message.content == "A read token"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_the_openai_sdk_maps_a_revoked_token(hub: sandbox.Sandbox) -> None:
    with pytest.raises(openai.AuthenticationError):
        client(hub, "revoked").chat.completions.create(model=MODEL, messages=QUESTION)


def test_the_openai_sdk_maps_a_missing_permission(hub: sandbox.Sandbox) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client(hub, "no_inference").chat.completions.create(model=MODEL, messages=QUESTION)

    # The SDK puts only the other error shape into its message, so the reason has to be read from the answer.
    assert caught.value.response.json()["error"].endswith("on behalf of user learner")


def test_the_openai_sdk_maps_an_unknown_model(hub: sandbox.Sandbox) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client(hub).chat.completions.create(model="gpt2", messages=QUESTION)

    assert caught.value.code == "model_not_supported"
    assert caught.value.param == "model"


def test_the_openai_sdk_sees_402_when_the_credit_is_used_up() -> None:
    with sandbox.start(credit_usd=0) as hub, pytest.raises(openai.APIStatusError) as caught:
        client(hub).chat.completions.create(model=MODEL, messages=QUESTION)

    assert caught.value.status_code == 402
    assert "depleted your monthly included credits" in caught.value.response.text


def test_the_openai_sdk_sees_429_with_the_wait(hub: sandbox.Sandbox) -> None:
    hub.fail_next(429, retry_after=2)

    with pytest.raises(openai.RateLimitError) as caught:
        client(hub).chat.completions.create(model=MODEL, messages=QUESTION)

    assert caught.value.response.headers["retry-after"] == "2"


def test_the_openai_sdk_lists_models(hub: sandbox.Sandbox) -> None:
    assert MODEL in [model.id for model in client(hub).models.list()]


def test_the_inference_client_chats(hub: sandbox.Sandbox) -> None:
    inference = InferenceClient(base_url=hub.router, api_key=hub.tokens["fine_grained"], timeout=5)

    answer = inference.chat_completion(QUESTION, model=MODEL)

    assert (answer.choices[0].message.content or "").startswith("A read token")


def test_the_inference_client_streams(hub: sandbox.Sandbox) -> None:
    # The client has to outlive the stream: a temporary one is collected and closes it.
    inference = InferenceClient(base_url=f"{hub.router}/v1", api_key=hub.tokens["fine_grained"], timeout=5)

    chunks = list(inference.chat_completion(QUESTION, model=MODEL, stream=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).startswith("A read token")
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_inference_client_bills_an_organisation(hub: sandbox.Sandbox) -> None:
    inference = InferenceClient(base_url=hub.router, api_key=hub.tokens["read"], bill_to="workshop", timeout=5)

    inference.chat_completion(QUESTION, model=MODEL)

    assert hub.account.organisation.credit_usd < 2.0
    assert hub.account.credit_usd == 0.10


def test_the_inference_client_does_not_retry(hub: sandbox.Sandbox) -> None:
    hub.fail_next(503, times=2)
    inference = InferenceClient(base_url=hub.router, api_key=hub.tokens["fine_grained"], timeout=5)

    with pytest.raises(errors.HfHubHTTPError):
        inference.chat_completion(QUESTION, model=MODEL)

    assert [seen.status for seen in hub.requests] == [503]


@pytest.mark.parametrize("suffix", ["", ":fastest", ":cheapest", ":preferred", ":groq"])
def test_documented_model_suffixes_are_accepted(hub: sandbox.Sandbox, suffix: str) -> None:
    assert post(hub, model=MODEL + suffix).json()["model"] == MODEL


REFUSED: list[tuple[str, Callable[[sandbox.Sandbox], requests.Response], int, str]] = [
    ("no token", lambda hub: post(hub, None), 401, "Invalid username or password."),
    ("a waiting token", lambda hub: post(hub, "pending"), 403, "on behalf of user learner"),
    ("a provider that does not serve it", lambda hub: post(hub, model=f"{MODEL}:novita"), 400, "model_not_supported"),
    ("temperature 3", lambda hub: post(hub, temperature=3), 422, "temperature"),
    ("no messages", lambda hub: post(hub, messages=[]), 422, "messages"),
    ("five stops", lambda hub: post(hub, stop=["a", "b", "c", "d", "e"]), 422, "stop"),
    (
        "the old path",
        lambda hub: requests.post(f"{hub.router}/models/gpt2", json={"inputs": "Hi"}, timeout=5),
        410,
        "no longer supported",
    ),
    (
        "another path",
        lambda hub: requests.post(f"{hub.router}/hf-inference/models/gpt2", json={"inputs": "Hi"}, timeout=5),
        404,
        "error",
    ),
]


@pytest.mark.parametrize(("call", "status", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_refused_call_says_why(
    hub: sandbox.Sandbox, call: Callable[[sandbox.Sandbox], requests.Response], status: int, words: str
) -> None:
    answer = call(hub)

    assert answer.status_code == status
    assert words in answer.text


def test_a_refused_parameter_is_named_but_its_value_is_not_repeated(hub: sandbox.Sandbox) -> None:
    answer = post(hub, temperature=hub.tokens["read"])

    assert answer.status_code == 422
    assert hub.tokens["read"] not in answer.text


@pytest.mark.parametrize("status", [400, 402, 403, 404, 422, 424, 429, 500, 502, 503, 504])
def test_any_failure_can_be_ordered_and_passes(hub: sandbox.Sandbox, status: int) -> None:
    hub.fail_next(status)

    assert [post(hub).status_code, post(hub).status_code] == [status, 200]


def test_one_model_is_shown_without_a_token(hub: sandbox.Sandbox) -> None:
    found = requests.get(f"{hub.router}/v1/models/{MODEL}", timeout=5)
    missing = requests.get(f"{hub.router}/v1/models/no/such", timeout=5)

    assert found.json()["data"]["providers"][0]["provider"] == "groq"
    assert missing.status_code == 404
