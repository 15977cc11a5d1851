"""What an engine is, and the scripted one: answers to chat messages that are instant and the same on every run."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from course.errors import CourseError

DATA = Path(__file__).parents[2] / "data" / "sandbox"

_PIECE = re.compile(r"\s*(?:\w+|[^\w\s])|\s+$")


@dataclass(frozen=True)
class Model:
    """A chat model of the router's catalogue. providers: rows as in GET /v1/models, the first one is the fastest."""

    id: str
    created: int
    providers: tuple[dict[str, Any], ...]

    def serves(self, suffix: str) -> bool:
        """Is this a valid ending of "model:ending"? Source: huggingface/hub-docs docs/inference-providers/index.md."""
        names = {provider["provider"] for provider in self.providers}
        return suffix in {"", "fastest", "cheapest", "preferred"} | names

    def price_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What one call costs at the first provider. Prices are in USD per million generated or read tokens."""
        pricing = self.providers[0]["pricing"]
        return float(prompt_tokens * pricing["input"] + completion_tokens * pricing["output"]) / 1_000_000

    def as_json(self) -> dict[str, Any]:
        """One row of GET /v1/models. Source: huggingface/hub-docs docs/inference-providers/hub-api.md, 2026-08-22."""
        return {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": self.id.partition("/")[0],
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "providers": list(self.providers),
        }


def load_models(table: Path = DATA / "models.toml") -> dict[str, Model]:
    rows = tomllib.loads(table.read_text(encoding="utf-8"))["models"]
    return {row["id"]: Model(row["id"], row["created"], tuple(row["providers"])) for row in rows}


class PromptTooLong(CourseError, ValueError):  # a cause, named as people say it
    """The messages alone fill what the model can take in."""


class Answer(Protocol):
    """One answer: iterate for the pieces of its text. Closing it ends the work.

    prompt_tokens, completion_tokens: read, and generated so far. limit: the most that may be generated.
    finish_reason: "stop", or "length" where the limit cut it; true once the text has ended.
    """

    prompt_tokens: int
    completion_tokens: int
    limit: int
    finish_reason: str

    def __iter__(self) -> Iterator[str]: ...
    def close(self) -> None: ...


class Engine(Protocol):
    """What answers chats: the script, or a `LocalModel`. name: "" for the script. is_instant: iterating never waits."""

    name: str
    is_instant: bool

    def answer(self, messages: Sequence[dict[str, str]], max_tokens: int | None, stops: list[str]) -> Answer:
        """stops: texts that end the answer and are left out of it. Raises PromptTooLong."""
        ...


@dataclass
class _Scripted:
    text: list[str]
    prompt_tokens: int
    limit: int
    finish_reason: str

    def __post_init__(self) -> None:
        self.completion_tokens = len(self.text)

    def __iter__(self) -> Iterator[str]:
        return iter(self.text)

    def close(self) -> None: ...


class Script:
    """Looks answers up in data/sandbox/answers.toml. Knows nothing that is not written there."""

    name, is_instant = "", True

    def __init__(self, table: Path = DATA / "answers.toml") -> None:
        data = tomllib.loads(table.read_text(encoding="utf-8"))
        self._answers = [(frozenset(row["words"]), row["text"]) for row in data["answers"]]
        self._otherwise: str = data["otherwise"]

    def answer(self, messages: Sequence[dict[str, str]], max_tokens: int | None, stops: list[str]) -> Answer:
        """The first answer all of whose words occur in the last message, else the text that says what this is."""
        contents = [message["content"] for message in messages]
        asked = {word.lower() for word in re.findall(r"\w+", contents[-1])}
        text = next((text for words, text in self._answers if words <= asked), self._otherwise)
        for stop in filter(None, stops):
            text = text.partition(stop)[0]
        whole = pieces(text)
        limit = max_tokens or len(whole)
        finish_reason = "length" if limit < len(whole) else "stop"
        return _Scripted(whole[:limit], len(pieces("\n".join(contents))), limit, finish_reason)


def pieces(text: str) -> list[str]:
    """`text` cut into words and signs with the space before them: the sandbox's stand-in for generated tokens.

    >>> pieces("Yes, it is.")
    ['Yes', ',', ' it', ' is', '.']
    """
    return _PIECE.findall(text)
