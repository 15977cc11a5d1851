"""A language model in ONNX, run by onnxruntime: no torch, no network and no token. `onnx_export` makes its folder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from course.exercises import ROOT
from course.local_model import Messages, NoModel

FOLDER = ROOT / "data" / "tiny-gpt2-onnx"
MODEL = "model.onnx"
BESIDE = ("tokenizer.json", "config.json")


class OnnxModel:
    """The model in a folder with model.onnx, tokenizer.json and config.json. An engine, as lesson 05 means the word.

    Decoding is greedy: always the likeliest generated token, the first of equals. Each step reads the last `context`
    tokens again, however long the text is: the file keeps no keys and values from one step to the next.
    threads: 0 lets onnxruntime choose. Several threads may ask at once. Raises NoModel where a file is missing.
    """

    def __init__(self, folder: Path = FOLDER, threads: int = 0) -> None:
        missing = [name for name in (MODEL, *BESIDE) if not (folder / name).is_file()]
        if missing:
            raise NoModel(f"{folder} lacks {', '.join(missing)}. course.onnx_export.export makes such a folder.")
        import onnxruntime  # here, as a check of lesson 06 imports this module and runs no model

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.context: int = config["n_positions"]
        self._end: int = config["eos_token_id"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])

    def logits(self, ids: list[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """What may come after each of the last `context` of `ids`: (length, vocabulary); the highest is likeliest."""
        window = np.array([ids[-self.context :]], dtype=np.int64)
        result: np.ndarray[Any, np.dtype[np.float32]] = self._session.run(None, {"input_ids": window})[0][0]
        return result

    def generate(self, prompt: str, max_tokens: int) -> Iterator[str]:
        """What follows `prompt`, piece by piece, until the model ends its text or has made `max_tokens` tokens.

        A character of several tokens comes when its last one is there; one that is cut off by the end does not come.
        """
        ids = self.tokenizer.encode(prompt).ids or [self._end]
        stream = DecodeStream(skip_special_tokens=True)
        for _ in range(max_tokens):
            ids.append(int(self.logits(ids)[-1].argmax()))
            if ids[-1] == self._end:
                return
            if piece := stream.step(self.tokenizer, ids[-1]):
                yield piece

    def pieces(self, messages: Messages, max_tokens: int) -> Iterator[str]:
        """What follows the contents of `messages`, joined by newlines: the model knows no chat, and has no template."""
        return self.generate("\n".join(message["content"] for message in messages), max_tokens)
