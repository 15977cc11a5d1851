"""Chat completions: what a request may say, and the answer as one object or as a stream of events."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from course.sandbox.answers import Script, pieces


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The documented fields and their ranges. Fields that change nothing here (seed, tools, ...) are accepted unread.

    Source: huggingface/hub-docs docs/inference-providers/tasks/chat-completion.md, 2026-08-22.
    """

    model_config = ConfigDict(extra="ignore")

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_logprobs: int | None = Field(default=None, ge=0, le=5)
    stop: str | list[str] | None = Field(default=None, max_length=4)
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


@dataclass(frozen=True)
class Completion:
    """A finished answer. finish_reason: "stop", or "length" when max_tokens cut it."""

    id: str
    created: int
    model: str
    text: list[str]
    finish_reason: str
    prompt_tokens: int

    def usage(self) -> dict[str, int]:
        used = len(self.text)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": used,
            "total_tokens": self.prompt_tokens + used,
        }

    def as_json(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(self.text)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage()}

    async def events(self, include_usage: bool) -> AsyncIterator[str]:
        """Server-sent events: one piece of text each, the finish reason, usage with no choices if asked for, [DONE].

        Source: huggingface/hub-docs docs/inference-providers/tasks/chat-completion.md, 2026-08-22.
        """
        for piece in self.text:
            yield self._event([_choice({"role": "assistant", "content": piece}, None)])
        yield self._event([_choice({"role": "assistant", "content": ""}, self.finish_reason)])
        if include_usage:
            yield self._event([], usage=self.usage())
        yield "data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        return f"data: {json.dumps({**self._head('chat.completion.chunk'), 'choices': choices, **more})}\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "",
        }


def complete(request: ChatRequest, model_id: str, script: Script, now: float) -> Completion:
    """Answer the last message of the request; the same request always gets the same words and the same id."""
    prompt = "\n".join(message.text() for message in request.messages)
    text = script.answer(request.messages[-1].text())
    for stop in request.stops():
        text = text.partition(stop)[0] if stop else text
    all_pieces = pieces(text)
    limit = request.max_completion_tokens or request.max_tokens or len(all_pieces)
    digest = hashlib.sha256(f"{model_id}\n{prompt}\n{limit}".encode()).hexdigest()
    return Completion(
        id=f"chatcmpl-{digest[:12]}",
        created=int(now),
        model=model_id,
        text=all_pieces[:limit],
        finish_reason="length" if limit < len(all_pieces) else "stop",
        prompt_tokens=len(pieces(prompt)),
    )


def _choice(delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
