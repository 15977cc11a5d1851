"""A GPT-2 of transformers as ONNX, and that as int8. This side needs torch, and no network; `onnx_model` runs both.

Through torch.onnx, because `optimum-onnx` cannot be installed beside transformers 5: its newest release, 0.1.0, asks
for transformers >=4.36 and <4.58. Source: its metadata, and the refusal of pip, 2026-11-24.
"""

import logging
import shutil
import warnings
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from transformers import GPT2LMHeadModel

from course.onnx_model import BESIDE, MODEL


def export(folder: Path, target: Path) -> None:
    """The GPT-2 in `folder` as `target`/model.onnx, float32, with the files that `OnnxModel` needs beside it.

    Input `input_ids`: int64, (1, length), length up to n_positions. Output `logits`: float32, (1, length, vocabulary).
    Left out: batches, and the cache of keys and values, so every step reads the whole text again.
    """
    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).float().eval()
    model.config.use_cache = False
    length = torch.export.Dim("length", min=1, max=model.config.n_positions)
    example = torch.zeros((1, 8), dtype=torch.int64)
    target.mkdir(parents=True, exist_ok=True)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which nothing here needs
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # torch 2.13 warns of what it does itself
        torch.onnx.export(
            model, kwargs={"input_ids": example}, f=target / MODEL, dynamo=True, external_data=False, verbose=False,
            input_names=["input_ids"], output_names=["logits"], dynamic_shapes={"input_ids": {1: length}},
        )  # fmt: skip
    _copy_beside(folder, target)


def quantise(folder: Path, target: Path) -> None:
    """The exported model in `folder` with its weights in int8, one scale a matrix; what flows, as it runs.

    Source: onnxruntime 1.32.0, `quantize_dynamic`. The names of the files are those of `export`.
    """
    target.mkdir(parents=True, exist_ok=True)
    quant_pre_process(folder / MODEL, target / MODEL, skip_symbolic_shape=True)  # that part stops at such an export
    quantize_dynamic(target / MODEL, target / MODEL, weight_type=QuantType.QInt8)
    _copy_beside(folder, target)


def _copy_beside(folder: Path, target: Path) -> None:
    for name in BESIDE:
        shutil.copyfile(folder / name, target / name)
