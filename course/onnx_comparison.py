"""One model three ways, PyTorch and ONNX in float32 and ONNX in int8: size, speed, agreement. Imports torch."""

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2LMHeadModel

from course.files import write_whole
from course.local_model import LocalModel
from course.onnx_export import export, quantise
from course.onnx_model import BESIDE, FOLDER, MODEL, OnnxModel

RECORD = "comparison.toml"
_TOKENS, _ROUNDS = 32, 9
_HEAD = """\
# One language model run three ways, all in one run of `make tiny-model`, on one CPU, with as many threads each.
# file_bytes: of the weights; PyTorch's are stored as float16 and computed with as float32. ms_per_token: median of
# {rounds} rounds, of a generated token; PyTorch keeps keys and values, ONNX reads its text again at each step.
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
    """PyTorch first, then both ONNX models. texts: what agreement is measured on, at each of their tokens."""
    threads = torch.get_num_threads()
    local, plain, small = LocalModel(folder), OnnxModel(exported, threads), OnnxModel(quantised, threads)
    names = ("PyTorch float32", "ONNX float32", "ONNX int8")
    files = (folder / "model.safetensors", exported / MODEL, quantised / MODEL)
    times = _ms_per_token([engine.pieces for engine in (local, plain, small)], texts[0])
    torch_logits = _torch_logits(folder, plain, texts)
    rows = []
    for name, file, took, model in zip(names, files, times, (None, plain, small), strict=True):
        found = torch_logits if model is None else [model.logits(_ids(model, text)) for text in texts]
        same = np.concatenate([a.argmax(-1) == b.argmax(-1) for a, b in zip(found, torch_logits, strict=True)])
        apart = max(float(np.abs(a - b).max()) for a, b in zip(found, torch_logits, strict=True))
        rows.append(
            Row(name, file.stat().st_size, round(took, 3), round(times[0] / took, 2), round(float(same.mean()), 4),
                float(f"{apart:.2g}"))
        )  # fmt: skip
    return rows


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
    write_whole(target / RECORD, _HEAD.format(rounds=_ROUNDS) + "".join(written))
