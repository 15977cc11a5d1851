"""Chat completions: what a request may say, and the answer as one object or as a stream of events."""

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from course.sandbox.answers import Answer, Engine, PromptTooLong


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
    """An answer on its way to a client. bill: told once what was used, also when the client leaves before the end."""

    id: str
    created: int
    model: str
    engine: Engine
    answer: Answer
    bill: Callable[[dict[str, int]], None]

    def usage(self) -> dict[str, int]:
        read, generated = self.answer.prompt_tokens, self.answer.completion_tokens
        return {"prompt_tokens": read, "completion_tokens": generated, "total_tokens": read + generated}

    async def whole(self, is_gone: Callable[[], Awaitable[bool]]) -> dict[str, Any]:
        """The answer as one object. Ends early for a client that `is_gone`: nobody would read it."""
        text = [piece async for piece in self._pieces(is_gone)]
        message = {"role": "assistant", "content": "".join(text)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.answer.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage()}

    async def events(self, include_usage: bool) -> AsyncIterator[str]:
        """Server-sent events: one piece of text each, the finish reason, usage with no choices if asked for, [DONE].

        Source: huggingface/hub-docs docs/inference-providers/tasks/chat-completion.md, 2026-08-22.
        """
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                yield self._event([_choice({"role": "assistant", "content": piece}, None)])
        yield self._event([_choice({"role": "assistant", "content": ""}, self.answer.finish_reason)])
        if include_usage:
            yield self._event([], usage=self.usage())
        yield "data: [DONE]\n\n"

    async def _pieces(self, is_gone: Callable[[], Awaitable[bool]] | None = None) -> AsyncGenerator[str]:
        try:
            if self.engine.is_instant:
                for piece in self.answer:
                    yield piece
                return
            async for piece in iterate_in_threadpool(self.answer):  # the server goes on meanwhile
                yield piece
                if is_gone is not None and await is_gone():
                    return
        finally:
            self.answer.close()
            self.bill(self.usage())

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        return f"data: {json.dumps({**self._head('chat.completion.chunk'), 'choices': choices, **more})}\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.engine.name,
        }


async def respond(
    request: Request,
    asked: ChatRequest,
    model_id: str,
    engine: Engine,
    now: float,
    bill: Callable[[dict[str, int]], None],
) -> Response:
    """The answer, whole or as a stream. The same request always gets the same words and the same id.

    Messages that are too long for the engine: 400. Its body is the sandbox's own, `code` is OpenAI's word for it.
    """
    messages = [{"role": message.role, "content": message.text()} for message in asked.messages]
    try:
        answer = engine.answer(messages, asked.max_completion_tokens or asked.max_tokens, asked.stops())
    except PromptTooLong as error:
        return openai_error(400, str(error), "messages", "context_length_exceeded")
    prompt = "\n".join(message["content"] for message in messages)
    digest = hashlib.sha256(f"{model_id}\n{prompt}\n{answer.limit}".encode()).hexdigest()
    completion = Completion(f"chatcmpl-{digest[:12]}", int(now), model_id, engine, answer, bill)
    if not asked.stream:
        return JSONResponse(await completion.whole(request.is_disconnected))
    events = completion.events(asked.stream_options is not None and asked.stream_options.include_usage)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


def invalid_parameter(error: ValidationError) -> Response:
    """Names the first bad field and the rule it breaks, never the value: it could be a pasted secret."""
    first: Any = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    message = f"{field}: {first['msg']}" if field else "The body is not a JSON object."
    return openai_error(422, message, field or None, "invalid_parameter")


def openai_error(status: int, message: str, param: str | None, code: str) -> Response:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return JSONResponse({"error": error}, status)


def _choice(delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
