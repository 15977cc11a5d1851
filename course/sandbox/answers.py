"""The scripted engine: answers to chat messages that are instant and the same on every run."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


class Script:
    """Looks answers up in data/sandbox/answers.toml. Knows nothing that is not written there."""

    def __init__(self, table: Path = DATA / "answers.toml") -> None:
        data = tomllib.loads(table.read_text(encoding="utf-8"))
        self._answers = [(frozenset(row["words"]), row["text"]) for row in data["answers"]]
        self._otherwise: str = data["otherwise"]

    def answer(self, question: str) -> str:
        """The first answer all of whose words occur in `question`, else the text that says what this engine is."""
        asked = {word.lower() for word in re.findall(r"\w+", question)}
        return next((text for words, text in self._answers if words <= asked), self._otherwise)


def pieces(text: str) -> list[str]:
    """`text` cut into words and signs with the space before them: the sandbox's stand-in for generated tokens.

    >>> pieces("Yes, it is.")
    ['Yes', ',', ' it', ' is', '.']
    """
    return _PIECE.findall(text)
