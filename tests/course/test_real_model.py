"""SmolLM2 itself: behind a server that is not ours, reached by its base URL alone, and in this process.

The server is `transformers serve`. It needs transformers[serving]: openai, pydantic, uvicorn, fastapi, starlette, rich,
torch and accelerate (source: metadata of transformers 5.24.0). requirements.txt has them all.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from fastapi.testclient import TestClient

from course import smollm2
from course.sandbox.sockets import LOOPBACK
from tests.course.learners import solved
from tests.course.proxies import settings, solution

FOLDER = smollm2.folder()
MODEL = FOLDER.name
QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]
QUESTION_TOKENS, ANSWER_TOKENS = 37, 8
ANSWER = "The capital of France is Paris."
START_SECONDS = 120  # a busy machine took 25 of them

pytestmark = pytest.mark.skipif(not smollm2.is_whole(FOLDER), reason="SmolLM2 is not here; next: make model")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The base URL of `transformers serve` with this Python, on a port that it takes itself, offline, one thread.

    More threads would spend most of their time waiting for each other on a busy machine. It is ready when it says so.
    """
    program = shutil.which("transformers", path=Path(sys.executable).parent)
    assert program is not None
    command = [program, "serve", MODEL, "--host", LOOPBACK, "--port", "0", "--device", "cpu"]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=FOLDER.parent, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        too_late = threading.Timer(START_SECONDS, process.kill)
        too_late.start()
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"Uvicorn running on (http://\S+)", line):
                break
        else:
            pytest.fail(f"transformers serve did not start within {START_SECONDS} s: {''.join(said)}")
        too_late.cancel()
        threading.Thread(target=process.stderr.read, daemon=True).start()  # unread, the rest would hold it up
        yield f"{found[1]}/v1"
        process.terminate()


def test_the_client_of_lesson_04_asks_it(server: str) -> None:
    answer = solved("04").ChatClient(requests.Session(), server, MODEL).complete(QUESTION)

    assert answer.text == ANSWER
    assert answer.finish_reason == "stop"
    assert answer.usage["completion_tokens"] == ANSWER_TOKENS


def test_the_client_of_lesson_04_streams_from_it(server: str) -> None:
    stream = solved("04").StreamingChatClient(requests.Session(), server, MODEL).stream(QUESTION)
    pieces = list(stream)

    assert len(pieces) > 1
    assert "".join(pieces) == ANSWER
    assert (stream.answer.finish_reason, stream.answer.usage["completion_tokens"]) == ("stop", ANSWER_TOKENS)


def test_the_openai_sdk_asks_it(server: str) -> None:
    client = openai.OpenAI(base_url=server, api_key="none is asked for", max_retries=0)

    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=2)

    assert answer.choices[0].message.content == "The capital"


def test_the_proxy_stands_in_front_of_it(server: str) -> None:
    told = settings(upstream_url=server, allowed_models=(MODEL,))
    with TestClient(solution().create_app(told)) as visitor:
        whole = visitor.post("/api/chat", json={"model": MODEL, "messages": QUESTION, "max_tokens": 2}).json()
        streamed = visitor.post("/api/chat", json={"model": MODEL, "messages": QUESTION, "stream": True}).text

    assert whole["choices"][0]["message"]["content"] == "The capital"
    assert "".join(re.findall(r'"content":"([^"]*)"', streamed)) == ANSWER
    assert "event: error" not in streamed
    assert streamed.endswith("data: [DONE]\n\n")


def test_what_data_engines_says_of_it_is_so(server: str) -> None:
    url, asked = f"{server}/chat/completions", {"model": MODEL, "messages": QUESTION}

    pinned = requests.post(url, json=asked | {"model": "another"}, timeout=30)
    strict = requests.post(url, json=asked | {"another_field": 1}, timeout=30)
    stream = requests.post(url, json=asked | {"stream": True, "max_tokens": 2}, timeout=60).text

    assert (pinned.status_code, strict.status_code) == (400, 422)
    assert "[DONE]" not in stream
    last = [line for line in stream.splitlines() if line][-1]
    assert '"finish_reason":"length"' in last
    assert '"usage"' in last


def test_in_this_process_it_says_the_same_and_counts_the_same() -> None:
    import torch

    from course.local_model import load

    torch.set_num_threads(1)
    answer = load("smollm2").answer(QUESTION, 20)

    assert "".join(answer) == ANSWER
    assert (answer.prompt_tokens, answer.completion_tokens) == (QUESTION_TOKENS, ANSWER_TOKENS)
    assert answer.finish_reason == "stop"
