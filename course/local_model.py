"""A language model in this process: loaded from a folder, it answers piece by piece. Loading one imports torch."""

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from course.errors import CourseError
from course.exercises import ROOT
from course.sandbox.answers import PromptTooLong

Messages = Sequence[Mapping[str, str]]
_MAX_TOKENS = 256


class NoModel(CourseError, LookupError):  # a cause, named as people say it
    """There is no model in the folder; the text says how to get one."""


class LocalModel:
    """A causal language model and its tokenizer, as `save_pretrained` left them in a folder. Opens no network.

    Several threads may ask; one is answered at a time, in no promised order. The likeliest token is taken each time,
    so the same messages get the same answer. Of the model's generation_config.json, the tokens that end an answer and
    `repetition_penalty` count. Left out: batches, sampling, tools, images.
    It is an engine of the sandbox, and of the proxy of lesson 05.
    """

    is_instant = False

    def __init__(self, folder: Path) -> None:
        """Load it: seconds, of which most are the import of torch. Raises NoModel."""
        if not (folder / "config.json").is_file():
            raise NoModel(f"{folder} holds no model: there is no config.json. `make model` brings SmolLM2.")
        from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor

        self._tokenizer, self._model = _load(folder)
        self.name = folder.name
        said = self._model.generation_config
        ends = said.eos_token_id
        self._ends = {*ends} if isinstance(ends, list) else {ends}
        penalty = said.repetition_penalty or 1.0
        self._adjust: Any = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty)] if penalty != 1.0 else [])
        self._busy = threading.Lock()

    def pieces(self, messages: Messages, max_tokens: int) -> Iterator[str]:
        """The answer, piece by piece: the method that the proxy of lesson 05 asks an engine for."""
        return self.answer(messages, max_tokens)

    def answer(self, messages: Messages, max_tokens: int | None, stops: Iterable[str] = ()) -> "LocalAnswer":
        """The answer to `messages`, worked out while it is read. stops: texts that end it and are left out of it.

        max_tokens: 256 if it is None; less where the model has no room for more. Where the model has no chat template,
        the contents of the messages are joined by newlines and continued. Raises PromptTooLong.
        """
        prompt = self._prompt(messages)
        room = self._model.config.max_position_embeddings - len(prompt)
        if room < 1:
            raise PromptTooLong(
                f"The messages have {len(prompt)} tokens, and {self.name} takes {len(prompt) + room} with the answer. "
                "Send less."
            )
        return LocalAnswer(self, prompt, min(max_tokens or _MAX_TOKENS, room), [stop for stop in stops if stop])

    def _prompt(self, messages: Messages) -> list[int]:
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        else:
            text = "\n".join(message["content"] for message in messages)
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids or [self._tokenizer.eos_token_id]  # without any token there is nothing to continue

    def _text(self, answer: "LocalAnswer") -> Generator[str]:
        from tokenizers.decoders import DecodeStream

        decoder = DecodeStream(skip_special_tokens=True)  # a character of several tokens comes with the last of them
        with self._busy:
            for token in self._tokens(answer.prompt, answer.limit):
                answer.completion_tokens += 1
                if token in self._ends:
                    answer.finish_reason = "stop"
                    return
                piece = decoder.step(self._tokenizer.backend_tokenizer, token)
                if piece:
                    yield piece

    def _tokens(self, prompt: list[int], count: int) -> Iterator[int]:
        import torch
        from transformers import DynamicCache

        seen, fed, cache = list(prompt), prompt, DynamicCache(config=self._model.config)
        for _ in range(count):
            # Not around the loop: the mode belongs to the thread, and the next token may be asked for by another one.
            with torch.inference_mode():
                given = torch.tensor([fed])
                scores = self._model(input_ids=given, cache=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
                token = int(self._adjust(torch.tensor([seen]), scores.float()).argmax())
            seen.append(token)
            fed = [token]
            yield token


class LocalAnswer(Iterator[str]):
    """One answer on its way: iterate for its text. Whoever closes it, or drops it, ends the work at once.

    prompt_tokens: read. limit: the most that may be generated. completion_tokens: generated so far, the one that ends
    the answer among them. finish_reason: "stop", or "length" where the limit cut it; true once the text has ended.
    """

    def __init__(self, model: LocalModel, prompt: list[int], limit: int, stops: list[str]) -> None:
        self.prompt, self.limit = prompt, limit
        self.prompt_tokens, self.completion_tokens = len(prompt), 0
        self.finish_reason = "length"
        self._text = self._until(stops, model._text(self))

    def __next__(self) -> str:
        return next(self._text)

    def close(self) -> None:
        self._text.close()

    def _until(self, stops: list[str], pieces: Generator[str]) -> Generator[str]:
        """`pieces` up to the first of `stops`. What may be the beginning of one is held back until that is known."""
        held = ""
        with closing(pieces):
            for piece in pieces:
                held += piece
                found = min((held.find(stop) for stop in stops if stop in held), default=None)
                if found is not None:
                    held, self.finish_reason = held[:found], "stop"
                    break
                ready = len(held) - max((_begun(stop, held) for stop in stops), default=0)
                if ready:
                    yield held[:ready]
                held = held[ready:]
        if held:
            yield held


def _begun(stop: str, text: str) -> int:
    """How many characters of `stop` stand at the end of `text`.

    >>> _begun("END", "the E"), _begun("END", "the end")
    (1, 0)
    """
    return next((size for size in range(len(stop) - 1, 0, -1) if text.endswith(stop[:size])), 0)


def _load(folder: Path) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer, utils

    bars: Any = utils.logging
    was_loud = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype="auto")
    except (OSError, ValueError, SafetensorError) as error:
        raise NoModel(f"The model in {folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    finally:
        if was_loud:
            bars.enable_progress_bar()
    return tokenizer, model.eval()


def load(name: str) -> LocalModel:
    """The model of that name: "tiny-gpt2", which this repository holds; "smollm2", once `make model` brought it; or
    the path of a folder. Raises NoModel.
    """
    from course import smollm2

    folders = {"tiny-gpt2": ROOT / "data" / "tiny-gpt2", "smollm2": smollm2.folder()}
    if name == "smollm2" and not smollm2.is_whole(folders[name]):
        raise NoModel(f"SmolLM2 is not here yet: `make model` brings it, once ({smollm2.NEEDS}).")
    return LocalModel(folders.get(name) or Path(name))
