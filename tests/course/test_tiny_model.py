"""data/tiny-gpt2/ and its ONNX edition as they lie there: sizes, records, texts. No torch here, and none in ONNX."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import errors, snapshot_download

from course import sandbox
from course.exercises import ROOT
from course.local_model import NoModel
from course.onnx_model import FOLDER as ONNX
from course.onnx_model import OnnxModel
from course.tables import table
from course.tiny_model_card import card

FOLDER = ROOT / "data" / "tiny-gpt2"
METRICS = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def small() -> OnnxModel:
    return OnnxModel(threads=1)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_each_folder_is_small_enough_for_git() -> None:
    assert size(FOLDER) < 4_000_000
    assert size(ONNX) < 4_000_000


def test_the_card_is_that_of_the_recorded_run() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == card(METRICS)


def test_it_learned_something_and_more_of_what_it_saw() -> None:
    loss = METRICS["loss_nats_per_token"]

    assert loss["trained_on"] < loss["held_out"] < 0.8 * 7.3  # ln(1536), without any knowledge


def test_the_comparison_is_of_these_files_and_exact_where_it_must_be() -> None:
    pytorch, plain, int8 = table("tiny-gpt2-onnx/comparison")["engines"]

    assert pytorch["file_bytes"] == (FOLDER / "model.safetensors").stat().st_size
    assert int8["file_bytes"] == (ONNX / "model.onnx").stat().st_size < plain["file_bytes"] / 3
    assert plain["top1_agreement"] == 1
    assert plain["max_logit_difference"] < 1e-3
    assert int8["top1_agreement"] > 0.9


def test_both_editions_read_the_same_tokens() -> None:
    assert (ONNX / "tokenizer.json").read_bytes() == (FOLDER / "tokenizer.json").read_bytes()


# --- the three repositories of the sandbox; transformers gets the private one in lesson 03 --------------------


@pytest.fixture(scope="module")
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


def fetch(hub: sandbox.Sandbox, repo_id: str, token: str | None, cache: Path) -> Path:
    return Path(
        snapshot_download(repo_id, endpoint=hub.url, token=hub.tokens[token] if token else False, cache_dir=cache)
    )


@pytest.mark.parametrize(
    ("repo_id", "token"),
    [
        ("sandbox/tiny-gpt2", None),
        ("learner/private-tiny-gpt2", "no_inference"),
        ("sandbox/gated-tiny-gpt2", "fine_grained"),
    ],
)
def test_who_may_gets_every_byte(hub: sandbox.Sandbox, tmp_path: Path, repo_id: str, token: str | None) -> None:
    got = fetch(hub, repo_id, token, tmp_path)

    assert {path.name: path.read_bytes() for path in got.iterdir()} == {
        path.name: path.read_bytes() for path in FOLDER.iterdir()
    }


@pytest.mark.parametrize(
    ("repo_id", "token", "error"),
    [
        ("learner/private-tiny-gpt2", None, errors.RepositoryNotFoundError),
        ("learner/private-tiny-gpt2", "revoked", errors.HfHubHTTPError),
        ("sandbox/gated-tiny-gpt2", None, errors.GatedRepoError),
        ("sandbox/gated-tiny-gpt2", "no_inference", errors.GatedRepoError),
    ],
)
def test_who_may_not_gets_no_weights(
    hub: sandbox.Sandbox, tmp_path: Path, repo_id: str, token: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        fetch(hub, repo_id, token, tmp_path)

    assert not list(tmp_path.rglob("*.safetensors"))


# --- OnnxModel ------------------------------------------------------------------------------------------------


def test_onnx_runs_without_torch_network_and_token() -> None:
    code = """
import socket, sys
socket.socket.connect = None  # any call fails
from course.onnx_model import OnnxModel
said = "".join(OnnxModel(threads=1).generate("A token is", 8))
print(len(said) > 8, {"torch", "transformers"} & set(sys.modules))
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}

    ran = subprocess.run(
        [sys.executable, "-c", code], env=env | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )

    assert (ran.stdout.strip(), ran.stderr) == ("True set()", "")


def test_an_answer_comes_in_pieces_the_same_each_time(small: OnnxModel) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A token is"}]
    pieces = list(small.pieces(messages, 20))

    assert 1 < len(pieces) <= 20
    assert pieces == list(small.generate("Be brief.\nA token is", 20))


def test_a_text_beyond_the_context_is_read_from_its_end(small: OnnxModel) -> None:
    long = small.tokenizer.encode(200 * "A token. ").ids

    assert len(long) > small.context
    assert (small.logits(long) == small.logits(long[-small.context :])).all()
    assert list(small.generate(200 * "A token. ", 3))


def test_no_text_at_all_is_continued_too(small: OnnxModel) -> None:
    assert "".join(small.generate("", 5))


def test_a_chinese_character_is_never_cut(small: OnnxModel) -> None:
    assert "\ufffd" not in "".join(small.generate("令牌", 30))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    files: set[Any] = {"model.onnx", "tokenizer.json", "config.json"} - {name}
    for other in files:
        (tmp_path / other).touch()

    with pytest.raises(NoModel, match=f"lacks {name}. course.onnx_export"):
        OnnxModel(tmp_path)
