"""One model three ways, PyTorch and ONNX in float32 and ONNX in int8: size, speed, agreement. Imports torch."""

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPT2LMHeadModel

from course.exercises import ROOT
from course.files import write_whole
from course.local_model import LocalModel
from course.onnx_export import export, quantise
from course.onnx_model import FOLDER, MODEL, OnnxModel

RECORD = "comparison.toml"
ENGINES = ("PyTorch float32", "ONNX float32", "ONNX int8")
Logits = np.ndarray[Any, np.dtype[np.float32]]  # (length, vocabulary)
_PROMPTS, _PROMPT, _TOKENS = 20, 60, 32  # texts, characters of each, generated tokens
_HEAD = """\
# One language model run three ways, all in one run of `make tiny-model`, on one CPU, with as many threads each.
# file_bytes: of the weights; PyTorch's are stored as float16 and computed with as float32. ms_per_token: median time of
# a generated token after the beginnings of some texts; PyTorch keeps keys and values, ONNX reads all again each time.
# top1_agreement: share of positions with the same likeliest next token as PyTorch. max_logit_difference: to PyTorch.
"""


@dataclass(frozen=True)
class Row:
    engine: str
    file_bytes: int
    ms_per_token: float
    times_as_fast_as_pytorch: float
    top1_agreement: float
    max_logit_difference: float


def compare(folder: Path, exported: Path, quantised: Path, texts: Sequence[str]) -> list[Row]:
    """PyTorch first, then both ONNX models. texts: all are read for the agreement, some continued for the speed."""
    threads = torch.get_num_threads()
    local, plain, small = LocalModel(folder), OnnxModel(exported, threads), OnnxModel(quantised, threads)
    ids = [plain.tokenizer.encode(text).ids[: plain.context] for text in texts]
    due = torch_logits(folder, ids)
    found = [due, *([engine.logits(one) for one in ids] for engine in (plain, small))]
    times = _ms_per_token((local, plain, small), [text[:_PROMPT] for text in texts[:_PROMPTS]])
    files = (folder / "model.safetensors", exported / MODEL, quantised / MODEL)
    return [
        Row(name, file.stat().st_size, round(took, 3), round(times[0] / took, 2), *agreement(logits, due))
        for name, file, took, logits in zip(ENGINES, files, times, found, strict=True)
    ]


def torch_logits(folder: Path, ids: Sequence[list[int]]) -> list[Logits]:
    """What PyTorch makes of each text in `ids`, with the model in `folder` in float32."""
    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).float().eval()
    with torch.inference_mode():
        return [model(torch.tensor([one])).logits[0].numpy() for one in ids]


def agreement(found: Sequence[Logits], due: Sequence[Logits]) -> tuple[float, float]:
    """Share of positions with the same likeliest token, and the largest difference of two logits."""
    a, b = np.concatenate(found), np.concatenate(due)
    return round(float((a.argmax(-1) == b.argmax(-1)).mean()), 4), float(f"{np.abs(a - b).max():.2g}")


def _ms_per_token(engines: Sequence[LocalModel | OnnxModel], prompts: Sequence[str]) -> list[float]:
    """Medians. Every engine continues each prompt before the next one comes, so all see the same machine."""
    took: list[list[float]] = [[] for _ in engines]
    for prompt in prompts:
        for times, engine in zip(took, engines, strict=True):
            began, pieces = time.perf_counter(), 0
            for _ in engine.pieces([{"role": "user", "content": prompt}], _TOKENS):
                pieces += 1
            times.append((time.perf_counter() - began) * 1000 / max(1, pieces))
    return [statistics.median(times) for times in took]


def write_onnx(folder: Path, target: Path = FOLDER) -> None:
    """The model in `folder` as int8 ONNX in `target`, and the record of the comparison beside it."""
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    texts = [text for texts in evaluation.values() for text in texts]
    with tempfile.TemporaryDirectory() as draft:
        exported = Path(draft)
        export(folder, exported)
        quantise(exported, target)
        rows = compare(folder, exported, target, texts)
    head = {"taken": datetime.now(UTC).date().isoformat(), "threads": torch.get_num_threads(), "texts": len(texts)}
    versions = {name: version(name) for name in ("torch", "transformers", "onnxruntime", "onnxscript")}
    tables = [("", head), ("\n[versions]\n", versions), *(("\n[[engines]]\n", asdict(row)) for row in rows)]
    written = [title + "".join(f"{key} = {json.dumps(value)}\n" for key, value in row.items()) for title, row in tables]
    write_whole(target / RECORD, _HEAD + "".join(written))


if __name__ == "__main__":
    write_onnx(ROOT / "data" / "tiny-gpt2")
