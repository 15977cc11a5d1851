"""data/tiny-gpt2/ through torch, which this file imports: what it writes, what its record says, ONNX beside it."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from course.local_model import LocalModel, load
from course.tables import table
from tests.course.tiny_model import TEXT, save_tiny_model

FOLDER = Path(__file__).parents[2] / "data" / "tiny-gpt2"
ENGLISH = ["A token is", "The server answers", "Write a function", "In production:"]
CHINESE = ["令牌不", "服务器回答", "请", "模型"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Several would wait for each other where all cores are busy with other tests."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return load("tiny-gpt2")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """The same shape and tokenizer, its weights drawn by lot."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("untrained")
    torch.manual_seed(1)
    weights: Any = GPT2LMHeadModel(GPT2Config.from_pretrained(FOLDER))
    weights.save_pretrained(folder)
    AutoTokenizer.from_pretrained(FOLDER).save_pretrained(folder)
    return LocalModel(folder)


# --- what it writes -------------------------------------------------------------------------------------------


def neighbours(text: str) -> set[tuple[str, str]]:
    """Two English words, or Chinese characters, that stand side by side; not two alike, which are a stutter."""
    return {(a, b) for a, b in pairwise(re.findall(r"[a-z]+|[\u4e00-\u9fff]", text.lower())) if a != b}


def share_known(model: LocalModel, prompts: list[str]) -> float:
    """How much of what the model writes stands like that, two words side by side, in the prose of the course."""
    from course.tiny_model import paragraphs

    known = {pair for text in paragraphs() for pair in neighbours(text)}
    written = {pair for prompt in prompts for pair in neighbours(said(model, prompt))}
    return len(written & known) / max(1, len(written))


def said(model: LocalModel, prompt: str) -> str:
    return "".join(model.pieces([{"role": "user", "content": prompt}], 40))


@pytest.mark.parametrize("prompts", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_it_writes_like_the_course_and_noise_does_not(
    model: LocalModel, untrained: LocalModel, prompts: list[str]
) -> None:
    assert share_known(model, prompts) > 0.5
    assert share_known(untrained, prompts) < 0.25


# --- its record -----------------------------------------------------------------------------------------------


def test_the_losses_of_the_record_are_those_of_the_weights(model: LocalModel) -> None:
    from course.tiny_model import loss_nats_per_token

    recorded = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))["loss_nats_per_token"]
    texts = json.loads((FOLDER / "evaluation.json").read_text(encoding="utf-8"))
    tokenizer = model._tokenizer.backend_tokenizer

    found = {name: loss_nats_per_token(model._model, tokenizer, texts[name]) for name in recorded}

    assert found == pytest.approx(recorded, abs=0.002)


def test_one_seed_gives_one_model_and_another_seed_another() -> None:
    from course.tiny_model import Settings, train_model, train_tokenizer

    texts = ["A token is a text.", "A model reads tokens.", "令牌不是密码。"]
    short = Settings(vocabulary=270, context=16, width=12, layers=1, heads=2, steps=3, batch=2)
    tokenizer = train_tokenizer(texts, short)

    def weights(settings: Settings) -> bytes:
        state = train_model(texts, tokenizer, settings).state_dict()
        return b"".join(tensor.numpy().tobytes() for tensor in state.values())

    assert weights(short) == weights(short)
    assert weights(short) != weights(replace(short, seed=short.seed + 1))


# --- ONNX -----------------------------------------------------------------------------------------------------


def test_int8_agrees_with_pytorch_as_recorded() -> None:
    from course.onnx_comparison import agreement, torch_logits
    from course.onnx_model import OnnxModel

    recorded = table("tiny-gpt2-onnx/comparison")["engines"][-1]
    texts = [text for texts in json.loads((FOLDER / "evaluation.json").read_text("utf-8")).values() for text in texts]
    small = OnnxModel()
    ids = [small.tokenizer.encode(text).ids[: small.context] for text in texts]

    same, apart = agreement([small.logits(one) for one in ids], torch_logits(FOLDER, ids))

    assert same == pytest.approx(recorded["top1_agreement"], abs=0.01)
    assert apart == pytest.approx(recorded["max_logit_difference"], rel=0.2)


def test_an_export_says_what_its_model_says_in_float32_and_int8(tmp_path: Path) -> None:
    from course.onnx_comparison import ENGINES, compare
    from course.onnx_export import export, quantise
    from course.onnx_model import OnnxModel

    folder = save_tiny_model(tmp_path / "by-heart")
    export(folder, tmp_path / "float32")
    quantise(tmp_path / "float32", tmp_path / "int8")

    rows = compare(folder, tmp_path / "float32", tmp_path / "int8", ["Say it.", "x", 64 * "y"])

    for name in ("float32", "int8"):
        assert "".join(OnnxModel(tmp_path / name).generate("Say it.", 50)) == TEXT
    assert tuple(row.engine for row in rows) == ENGINES
    assert [row.top1_agreement for row in rows] == [1, 1, 1]
    assert rows[1].max_logit_difference < 1e-3
    assert rows[2].file_bytes < 0.5 * rows[1].file_bytes
    assert all(row.ms_per_token > 0 for row in rows)
