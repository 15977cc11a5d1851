"""A model of this process: its text and counts, and the same through the sandbox and the proxy."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from course import cli, proxy, sandbox
from course.errors import CourseError
from course.local_model import LocalModel, NoModel, load
from course.page import PLAIN
from course.sandbox.answers import PromptTooLong
from tests.course.proxies import QUESTION, settings, solution
from tests.course.tiny_model import TEXT, save_tiny_model

ASKED = [{"role": "user", "content": "Say it."}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "by-heart")


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    return LocalModel(folder)


# --- text and counts ------------------------------------------------------------------------------------------


def test_an_answer_comes_in_pieces_and_counts_its_tokens(model: LocalModel) -> None:
    answer = model.answer(ASKED, 50)

    assert list(answer) == list(TEXT)  # "é" has two tokens, and comes whole
    assert (answer.prompt_tokens, answer.completion_tokens) == (len("Say it."), len(TEXT.encode()) + 1)
    assert answer.finish_reason == "stop"


def test_a_limit_cuts_and_says_so(model: LocalModel) -> None:
    answer = model.answer(ASKED, 3)

    assert "".join(answer) == "abc"
    assert (answer.completion_tokens, answer.finish_reason) == (3, "length")


@pytest.mark.parametrize(
    ("stops", "text", "reason"),
    [
        pytest.param(["de", "fg"], "abcdéfgh"[:5], "stop", id="over two pieces, and one that never comes"),
        pytest.param(["a"], "", "stop", id="at once"),
        pytest.param(["gX", "hi"], TEXT, "stop", id="begun only"),
        pytest.param([""], TEXT, "stop", id="an empty one is none"),
    ],
)
def test_stops_end_the_text_and_are_left_out(model: LocalModel, stops: list[str], text: str, reason: str) -> None:
    answer = model.answer(ASKED, 50, stops)

    assert "".join(answer) == text
    assert answer.finish_reason == reason


def test_messages_without_a_template_are_joined_and_continued(model: LocalModel) -> None:
    answer = model.answer([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "abc"}], 50)

    assert answer.prompt_tokens == len("Be brief\nabc")
    assert "".join(answer) == TEXT[3:]


def test_no_text_at_all_is_continued_too(model: LocalModel) -> None:
    assert "".join(model.pieces([{"role": "user", "content": ""}], 50)) == TEXT


def test_a_chat_template_is_used(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}"
    )
    chatting = LocalModel(save_tiny_model(tmp_path, chat_template=template))

    assert chatting.answer(ASKED, 5).prompt_tokens == len("[user]Say it.>")


def test_what_the_model_takes_is_the_end(model: LocalModel) -> None:
    nearly_full = model.answer([{"role": "user", "content": 60 * "x"}], 50)
    list(nearly_full)

    assert (nearly_full.limit, nearly_full.completion_tokens, nearly_full.finish_reason) == (4, 4, "length")
    with pytest.raises(PromptTooLong, match="have 64 tokens, and by-heart takes 64"):
        model.answer([{"role": "user", "content": 64 * "x"}], 50)


def test_the_penalty_for_repeating_is_the_models_own(folder: Path, tmp_path: Path) -> None:
    save_tiny_model(tmp_path)
    said = json.loads((tmp_path / "generation_config.json").read_text())
    (tmp_path / "generation_config.json").write_text(json.dumps(said | {"repetition_penalty": 2.0}))
    begun = [{"role": "user", "content": "a?"}]

    assert next(LocalModel(folder).answer(begun, 5)) == "a"
    assert next(LocalModel(tmp_path).answer(begun, 5)) == "z"


# --- one at a time --------------------------------------------------------------------------------------------


def test_closing_an_answer_ends_its_work_and_frees_the_model(model: LocalModel) -> None:
    import torch

    answer = model.answer(ASKED, 50)
    assert next(answer) == "a"
    working, mode = model._busy.locked(), torch.is_inference_mode_enabled()

    answer.close()

    assert (working, mode, model._busy.locked(), answer.completion_tokens) == (True, False, False, 1)
    assert list(answer) == []


def test_several_threads_get_whole_answers(model: LocalModel) -> None:
    heard: list[str] = []
    threads = [threading.Thread(target=lambda: heard.append("".join(model.pieces(ASKED, 50)))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert heard == 4 * [TEXT]


# --- loading --------------------------------------------------------------------------------------------------


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=r"no config\.json.*make model"):
        load(str(tmp_path))


def test_a_damaged_model_is_no_model(tmp_path: Path) -> None:
    weights = save_tiny_model(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])

    with pytest.raises(NoModel, match="cannot be loaded"):
        LocalModel(tmp_path)


def test_smollm2_is_asked_for_before_it_was_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))

    with pytest.raises(NoModel, match=r"make model.*93 MB"):
        load("smollm2")


# --- the sandbox and the proxy --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hub(model: LocalModel) -> Iterator[sandbox.Sandbox]:
    with sandbox.start(engine=model) as started:
        yield started


def test_the_sandbox_answers_with_the_model_and_counts_what_it_did(hub: sandbox.Sandbox) -> None:
    client = openai.OpenAI(base_url=f"{hub.router}/v1", api_key=hub.tokens["fine_grained"], max_retries=0)
    asked: Any = {"model": "openai/gpt-oss-120b", "messages": ASKED}
    before = hub.account.credit_usd

    whole = client.chat.completions.create(**asked, stop=["g"])
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))

    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (TEXT[:6], "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 10)
    assert whole.system_fingerprint == "by-heart"
    assert hub.account.credit_usd < before


def test_the_proxy_answers_with_the_model(model: LocalModel) -> None:
    with TestClient(solution().create_app(settings(), local=lambda: model)) as visitor:
        whole = visitor.post("/api/chat", json=QUESTION).json()
        streamed = visitor.post("/api/chat", json=QUESTION | {"stream": True}).text

    assert whole["choices"][0]["message"]["content"] == TEXT
    assert streamed.count('"content"') == len(TEXT) + 1  # the last one is empty, beside the finish reason
    assert streamed.endswith("data: [DONE]\n\n")
    assert not model._busy.locked()


# --- the commands ---------------------------------------------------------------------------------------------


def test_make_sandbox_loads_the_model_that_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr("course.sandbox.serve.serve", lambda port, as_json, engine: served.append(engine))
    for arguments in ([], ["--engine", "local", "--model", str(folder)]):
        CliRunner().invoke(cli.app, ["sandbox", *arguments], catch_exceptions=False)

    assert served[0] is None
    assert served[1].name == "by-heart"
    assert CliRunner().invoke(cli.app, ["sandbox", "--engine", "locla"]).exit_code == 2


def test_make_proxy_serves_the_model_without_an_upstream(
    model: LocalModel, learners_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps: list[Any] = []
    monkeypatch.setenv("LIVE", "1")

    def keep(app: Any, opened: socket.socket) -> None:
        apps.append(app)
        opened.close()

    monkeypatch.setattr(proxy, "_run", keep)

    proxy.serve(None, learners_folder, PLAIN, model=model)

    with TestClient(apps[0]) as visitor:
        told = visitor.post("/api/chat", json=QUESTION | {"model": "by-heart"}).json()
    assert told["choices"][0]["message"]["content"] == TEXT


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    told = CliRunner().invoke(cli.app, ["sandbox", "--engine", "local", "--model", str(tmp_path)])

    assert isinstance(told.exception, CourseError)
