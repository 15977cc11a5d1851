# 0001ed38e119: while this is the digest of the lines below, nobody changed them, and we may write them anew.
"""The proxy of lesson 05 as one file: `uvicorn --factory proxy:app`.

Written from lessons/05_fastapi_proxy.py by `make build`.
"""

import asyncio
import json
import logging
import math
import secrets
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from http import HTTPStatus
from inspect import isawaitable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

import httpx2
from anyio import CancelScope
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage


class BadSettings(Exception):
    """The server must not start. The text names each bad variable, and quotes no value."""


class Settings(BaseSettings):
    """What the proxy is told from outside. Each field is a variable of that name: HF_TOKEN, UPSTREAM_URL, ..."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    hf_token: SecretStr
    upstream_url: str = "https://router.huggingface.co/v1"
    allowed_models: tuple[str, ...] = ("openai/gpt-oss-20b",)
    allowed_origins: tuple[str, ...] = ()  # of pages that other servers serve
    max_messages: int = Field(default=20, ge=1)
    max_characters: int = Field(default=8_000, ge=1)  # of all messages together
    max_tokens: int = Field(default=512, ge=1)  # generated tokens of one answer
    max_body_bytes: int = Field(default=64_000, ge=1)
    requests_per_minute: int = Field(default=20, ge=1)  # of one client
    max_clients: int = Field(default=10_000, ge=1)  # that the limiter remembers
    max_concurrent: int = Field(default=50, ge=1)
    trusted_proxies: int = Field(default=0, ge=0)  # of ours, in front of this server
    connect_seconds: float = Field(default=5, gt=0)
    idle_seconds: float = Field(default=30, gt=0)  # how long the upstream may be silent
    keep_alive_seconds: float = Field(default=10, gt=0)
    client_seconds: float = Field(default=10, gt=0)  # for a client to send its body, or to take a piece of the answer
    drain_seconds: float = Field(default=3, ge=0)  # for running streams, once the server is told to end
    static_dir: str = ""  # a folder with a page to serve

    @field_validator("hf_token")
    @classmethod
    def usable(cls, token: SecretStr) -> SecretStr:
        value = token.get_secret_value()
        if not value:
            raise ValueError("is empty: put your token there")
        if any(character.isspace() or not character.isascii() for character in value):
            raise ValueError("holds white space or a character that no token has: copy it again")
        one_character = value.startswith("hf_") and len(set(value[3:])) <= 1
        if one_character or any(sign in value for sign in ("...", "<", "your_")):
            raise ValueError("is a placeholder: put your own token there")
        return token

    @field_validator("allowed_origins")
    @classmethod
    def named(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            scheme, _, rest = origin.partition("://")
            if scheme not in ("http", "https") or not rest or "*" in rest or "/" in rest:
                raise ValueError("each is scheme://host or scheme://host:port, without * and without a path")
        return origins

    @classmethod
    def load(cls, env_file: str | None = ".env") -> Self:
        try:
            return cls(_env_file=env_file)  # type: ignore[call-arg]
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        except SettingsError as error:
            problems = [f"{error}: a list is written as JSON"]
        raise BadSettings("; ".join(problems))


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str

    @field_validator("content")
    @classmethod
    def whole(cls, content: str) -> str:
        try:
            content.encode()
        except UnicodeEncodeError:  # JSON can say half a character, as \ud83d alone; nobody could send it on
            raise ValueError("holds half a character") from None
        return content


class ChatRequest(BaseModel):
    """What a client may ask, without bounds yet."""

    model: str
    messages: list[Message]
    max_tokens: int = 256
    stream: bool = False


KNOWN_NAMES = {"body", *ChatRequest.model_fields, *Message.model_fields}


def problems_of(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What is wrong with a body, in words that hold nothing of it: even a name in it may be a pasted secret."""
    return [
        {
            "where": ".".join(str(p) if isinstance(p, int) or p in KNOWN_NAMES else "?" for p in error["loc"]),
            "problem": error["msg"],
        }
        for error in errors
    ]


def bounded_request(settings: Settings) -> type[ChatRequest]:
    """ChatRequest with the bounds of these settings."""

    class BoundedRequest(ChatRequest):
        model_config = ConfigDict(extra="forbid")

        messages: Annotated[list[Message], Field(min_length=1, max_length=settings.max_messages)]
        max_tokens: Annotated[int, Field(ge=1, le=settings.max_tokens)] = min(256, settings.max_tokens)

        @field_validator("model")
        @classmethod
        def offered(cls, name: str) -> str:
            if name not in settings.allowed_models:
                raise ValueError("this model is not offered")
            return name

        @field_validator("messages")
        @classmethod
        def short_enough(cls, messages: list[Message]) -> list[Message]:
            if sum(len(message.content) for message in messages) > settings.max_characters:
                raise ValueError(f"more than {settings.max_characters} characters in all")
            return messages

    return BoundedRequest


@dataclass(frozen=True)
class PublicError:
    """An error as a stranger may see it. id: to find its line in our log. retry_after_seconds: None where waiting does not help."""

    status: int
    code: str
    id: str
    retry_after_seconds: int | None = None


class TurnedAway(Exception):
    """Our own refusal: 429 (this client asks too often) or 503 (we are full)."""

    def __init__(self, status: Literal[429, 503], retry_after_seconds: int) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class BadAnswer(Exception):
    """The upstream said 200, and what followed was no chat answer, or only a part of one."""


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


MESSAGES = {
    "bad_request": "The request cannot be answered as it is. Change it before you send it again.",
    "not_found": "This model is not available at the moment.",
    "client_left": "The client hung up.",
    "rate_limited": "Too many requests. Wait as long as Retry-After says.",
    "internal": "Something is wrong here, and it is not your fault.",
    "bad_gateway": "The model cannot be reached at the moment.",
    "unavailable": "The service is not available at the moment.",
    "timeout": "The model took too long. A shorter answer may help.",
    "too_slow": "The request did not arrive in time.",
    "shutting_down": "This server is going to end. Ask again: another one will answer.",
}


def public_error(outcome: httpx2.Response | Exception) -> PublicError:
    """What a client is told about an outcome. Never raises, and quotes nothing."""
    error_id = secrets.token_hex(8)
    match outcome:
        case httpx2.Response(status_code=400 | 413 | 422):
            return PublicError(400, "bad_request", error_id)
        case httpx2.Response(status_code=404):
            return PublicError(404, "not_found", error_id)
        case httpx2.Response(status_code=429, headers=headers):
            told = headers.get("retry-after", "")
            seconds = int(told) if told.isascii() and told.isdigit() and len(told) < 5 else 0
            return PublicError(429, "rate_limited", error_id, seconds if 1 <= seconds <= 3600 else 10)
        case httpx2.Response(status_code=402):
            return PublicError(503, "unavailable", error_id)
        case TurnedAway(status=status, retry_after_seconds=wait):
            return PublicError(status, "rate_limited" if status == 429 else "unavailable", error_id, wait)
        case ClientLeft():
            return PublicError(499, "client_left", error_id)
        case httpx2.PoolTimeout():
            return PublicError(503, "unavailable", error_id, 1)
        case httpx2.TimeoutException() | TimeoutError():
            return PublicError(504, "timeout", error_id)
        case httpx2.Response() | httpx2.RequestError() | BadAnswer():
            return PublicError(502, "bad_gateway", error_id)
        case _:
            return PublicError(500, "internal", error_id)


logger = logging.getLogger("proxy")


def body_of(error: PublicError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": MESSAGES[error.code], "id": error.id}}


def answer_for(outcome: httpx2.Response | Exception) -> JSONResponse:
    """The JSON answer for an outcome; its kind goes to the log, under the same id."""
    error = public_error(outcome)
    kind = outcome.status_code if isinstance(outcome, httpx2.Response) else type(outcome).__name__
    logger.info(json.dumps({"error_id": error.id, "cause": kind}))
    headers = {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
    return JSONResponse(body_of(error), error.status, headers)


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Choice(BaseModel):
    index: int = 0
    message: Message
    finish_reason: str | None = None


class ChatAnswer(BaseModel):
    """A whole answer, in the shape that OpenAI clients read. Whatever else the upstream sends is dropped."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. If the client leaves first, `work` is cancelled, and ClientLeft is raised.

    Only after the body was read: until then, the next message of the client is a part of it.
    """

    async def leaving() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, left = asyncio.create_task(work), asyncio.create_task(leaving())
    try:
        await asyncio.wait({working, left}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeft
        return working.result()
    finally:
        left.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)  # until it has hung up


class Problem(BaseModel):
    """The body of every error, for /openapi.json."""

    error: dict[str, Any]


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": ChatAnswer, "content": {"text/event-stream": {}}},
    **{status: {"model": Problem} for status in (400, 404, 408, 422, 429, 500, 502, 503, 504)},
    413: {"model": Problem, "content": {"text/plain": {}}},  # Starlette's body limit says it as text
}


def chat_app(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> FastAPI:
    """An app that answers chats with our token. Its routes: responses=ANSWERS puts all answers into /openapi.json."""

    asked_type = bounded_request(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(
            base_url=settings.upstream_url,
            headers={"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"},
            timeout=httpx2.Timeout(settings.idle_seconds, connect=settings.connect_seconds, pool=1),
            limits=httpx2.Limits(max_connections=settings.max_concurrent),
            transport=transport,
        ) as client:
            app.state.client = client
            yield

    app = FastAPI(title="Chat proxy", lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": {"code": "invalid", "problems": problems_of(error.errors())}}, 422)

    @app.post("/api/chat", responses=ANSWERS)
    @app.post("/v1/chat/completions", responses=ANSWERS)
    async def chat(request: Request, asked: asked_type) -> Response:  # type: ignore[valid-type]
        client: httpx2.AsyncClient = request.app.state.client
        body = ChatRequest.model_dump(asked)
        try:
            if body["stream"]:
                return await stream_answer(request, client.stream("POST", "/chat/completions", json=body), settings)
            answer = await while_connected(request, client.post("/chat/completions", json=body))
            if answer.status_code != 200:
                return answer_for(answer)
            return JSONResponse(ChatAnswer.model_validate_json(answer.content).model_dump())
        except ValidationError:
            return answer_for(BadAnswer())
        except Exception as error:
            return answer_for(error)

    return app


class Delta(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str = ""


class ChunkChoice(BaseModel):
    index: int = 0
    delta: Delta
    finish_reason: str | None = None


class ChatChunk(BaseModel):
    """One event of a stream; what else the upstream sends is dropped. The last one may have no choices, only usage."""

    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    choices: list[ChunkChoice]
    usage: Usage | None = None


class EventStream(StreamingResponse):
    """Sends `events`, and closes them and `upstream` when it is over: finished, broken off, or never begun.

    When the server is told to end, the last event says so (`Farewell`, in section 10).
    """

    media_type = "text/event-stream"

    def __init__(self, events: Any, upstream: AsyncExitStack) -> None:
        super().__init__(events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._events, self._upstream = events, upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._until_the_end = scope.get("state", {}).get("until_the_end", CancelScope)
        async with self._upstream, aclosing(self._events):
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with self._until_the_end() as running:
            async for event in self._events:
                piece = event if isinstance(event, bytes) else event.encode()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        last = b""
        if running.cancelled_caught:
            error = PublicError(503, "shutting_down", secrets.token_hex(8))
            last = f"event: error\ndata: {json.dumps(body_of(error))}\n\n".encode()
        await send({"type": "http.response.body", "body": last})


async def stream_answer(
    request: Request, opening: AbstractAsyncContextManager[httpx2.Response], settings: Settings
) -> Response:
    """The upstream's stream as ours, or a JSON error if it does not begin. Raises nothing."""

    async def next_event(source: AsyncIterator[httpx2.ServerSentEvent]) -> httpx2.ServerSentEvent | None:
        return await anext(source, None)

    async def relayed(source: AsyncIterator[httpx2.ServerSentEvent]) -> AsyncIterator[str]:
        silent_seconds, waiting = 0.0, asyncio.create_task(next_event(source))
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=settings.keep_alive_seconds)
                if not done:
                    silent_seconds += settings.keep_alive_seconds
                    if silent_seconds >= settings.idle_seconds:
                        raise TimeoutError
                    yield ": keep-alive\n\n"
                    continue
                event = waiting.result()
                if event is None:
                    raise BadAnswer
                if event.data == "[DONE]":
                    yield "data: [DONE]\n\n"
                    return
                yield f"data: {ChatChunk.model_validate_json(event.data).model_dump_json(exclude_none=True)}\n\n"
                silent_seconds, waiting = 0.0, asyncio.create_task(next_event(source))
        finally:
            waiting.cancel()

    async def events(source: AsyncIterator[httpx2.ServerSentEvent]) -> AsyncIterator[str]:
        try:
            async for text in relayed(source):
                yield text
        except Exception as error:
            outcome = BadAnswer() if isinstance(error, ValidationError) else error
            yield f"event: error\ndata: {bytes(answer_for(outcome).body).decode()}\n\n"
        else:
            with suppress(Exception):  # read to the very end: only then is the connection free for the next call
                async with asyncio.timeout(1):
                    await anext(source, None)

    try:
        async with AsyncExitStack() as upstream:
            answer = await while_connected(request, upstream.enter_async_context(opening))
            if answer.status_code != 200:
                return answer_for(answer)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                return answer_for(BadAnswer())
            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
    except Exception as error:
        return answer_for(error)


class RateLimiter:
    """How often each client may call, and how many at once. Of one process: two workers count apart."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._now = settings, now
        self._calls_left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # and when that was, oldest first
        self._open = 0

    def client_of(self, peer: str, forwarded_for: str = "") -> str:
        trusted = self._settings.trusted_proxies
        entries = [entry.strip() for entry in forwarded_for.split(",")]
        return entries[-trusted] if 0 < trusted <= len(entries) and entries[-trusted] else peer

    def admit(self, client: str) -> None:
        limit, now = self._settings.requests_per_minute, self._now()
        left, since = self._calls_left.pop(client, (float(limit), now))
        left = min(limit, left + (now - since) * limit / 60)
        admitted = left > 1 - 1e-9  # what floats lose on the way
        self._calls_left[client] = (left - 1 if admitted else left, now)
        if len(self._calls_left) > self._settings.max_clients:
            self._calls_left.popitem(last=False)
        if not admitted:
            raise TurnedAway(429, max(1, math.ceil((1 - left) * 60 / limit - 1e-9)))

    @contextmanager
    def slot(self) -> Iterator[None]:
        if self._open >= self._settings.max_concurrent:
            raise TurnedAway(503, 1)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


class Limiter(Protocol):
    """The three methods of RateLimiter. One that asks another machine is awaited (section 11)."""

    def client_of(self, peer: str, forwarded_for: str = "") -> str: ...

    def admit(self, client: str) -> Awaitable[None] | None: ...

    def slot(self) -> AbstractContextManager[None]: ...


def hang_up(status: int, code: str) -> JSONResponse:
    """A refusal after which the connection is closed: nobody waits for what may still come on it."""
    return JSONResponse(body_of(PublicError(status, code, secrets.token_hex(8))), status, {"Connection": "close"})


class Limited:
    """Asks `limiter` before each POST passes; a stream keeps its slot until its end. The client has to be quick."""

    def __init__(self, app: ASGIApp, limiter: Limiter, client_seconds: float = 10) -> None:
        self._app, self._limiter, self._client_seconds = app, limiter, client_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if {"content-length", "transfer-encoding"} <= set(request.headers):
            await hang_up(400, "bad_request")(scope, receive, send)
        elif request.method == "POST":
            await self._limited(request, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _limited(self, request: Request, receive: Receive, send: Send) -> None:
        peer = request.client.host if request.client else "unknown"
        client = self._limiter.client_of(peer, ",".join(request.headers.getlist("x-forwarded-for")))
        try:
            admitted = self._limiter.admit(client)
            if isawaitable(admitted):
                await admitted
            try:
                async with asyncio.timeout(self._client_seconds):
                    first = [await self._whole(receive)]
            except TimeoutError:
                await hang_up(408, "too_slow")(request.scope, receive, send)
                return

            async def receive_again() -> AsgiMessage:
                return first.pop() if first else await receive()

            async def send_in_time(message: AsgiMessage) -> None:
                async with asyncio.timeout(self._client_seconds):
                    await send(message)

            with self._limiter.slot():
                await self._app(request.scope, receive_again, send_in_time)
        except TurnedAway as refusal:
            await answer_for(refusal)(request.scope, receive, send)

    async def _whole(self, receive: Receive) -> AsgiMessage:
        """The body as one message, or the one that says that the client has left."""
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                return {"type": "http.request", "body": bytes(body)}
        return message


SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def harden(app: FastAPI, settings: Settings) -> None:
    """CORS, body limit, health, request id, security headers and a log line, around everything that `app` does."""

    class Hull:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await self._app(scope, receive, send)
                return
            request_id, started, status = secrets.token_hex(8), time.perf_counter(), 0

            async def with_headers(message: AsgiMessage) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    MutableHeaders(scope=message).update(SECURITY_HEADERS | {"X-Request-ID": request_id})
                await send(message)

            try:
                await self._app(scope, receive, with_headers)
            except Exception as error:
                if status:
                    raise
                await answer_for(error)(scope, receive, with_headers)
            finally:
                line = {"request_id": request_id, "method": scope["method"], "path": scope["path"], "status": status}
                logger.info(json.dumps(line | {"ms": round(1000 * (time.perf_counter() - started))}))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", responses={503: {}})
    async def readyz(request: Request) -> Response:
        client = getattr(request.app.state, "client", None)
        ready = client is not None and not client.is_closed
        return JSONResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)

    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(Hull)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        expose_headers=["Retry-After", "X-Request-ID"],
    )


class Engine(Protocol):
    """A loaded model. pieces: the answer, piece by piece; blocks while it computes."""

    def pieces(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]: ...


class LocalModel(httpx2.AsyncBaseTransport):
    """A model of this process, in the place of the upstream. load: runs once, when the app starts."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._load = load

    async def __aenter__(self) -> "LocalModel":
        self._engine, self._free = await asyncio.to_thread(self._load), asyncio.Lock()
        return self

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(await request.aread())
        if asked["stream"]:
            return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, content=self._events(asked))
        text = "".join([piece async for piece in self._pieces(asked)])
        choice = Choice(message=Message(role="assistant", content=text), finish_reason="stop")
        return httpx2.Response(200, json=ChatAnswer(choices=[choice]).model_dump())

    async def _events(self, asked: dict[str, Any]) -> AsyncIterator[bytes]:
        async with aclosing(self._pieces(asked)) as pieces:
            async for piece in pieces:
                yield self._event(ChunkChoice(delta=Delta(content=piece)))
        yield self._event(ChunkChoice(delta=Delta(), finish_reason="stop")) + b"data: [DONE]\n\n"

    async def _pieces(self, asked: dict[str, Any]) -> Any:
        async with self._free:
            async for piece in iterate_in_threadpool(self._engine.pieces(asked["messages"], asked["max_tokens"])):
                yield piece

    @staticmethod
    def _event(choice: ChunkChoice) -> bytes:
        return f"data: {ChatChunk(choices=[choice]).model_dump_json()}\n\n".encode()


class Farewell:
    """Ends in good order. When the server is told to end (SIGTERM, Ctrl+C), it goes about it as ever; besides, /readyz says 503
    at once, and each stream that is not over after `drain_seconds` ends with an event that says why."""

    def __init__(self, app: ASGIApp, drain_seconds: float) -> None:
        self._app, self._drain_seconds = app, drain_seconds
        self._deadline, self._streams = math.inf, set[CancelScope]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            with self._listening():
                await self._app(scope, receive, send)
        elif self._deadline < math.inf and scope.get("path") == "/readyz":
            await JSONResponse({"status": "shutting down"}, 503)(scope, receive, send)
        else:
            scope.setdefault("state", {})["until_the_end"] = self._until_the_end
            await self._app(scope, receive, send)

    @contextmanager
    def _until_the_end(self) -> Iterator[CancelScope]:
        with CancelScope(deadline=self._deadline) as running:
            self._streams.add(running)
            try:
                yield running
            finally:
                self._streams.discard(running)

    def _told(self) -> None:
        self._deadline = asyncio.get_running_loop().time() + self._drain_seconds
        for running in self._streams:
            running.deadline = self._deadline

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Put ourselves before the handlers that the server has set. Signals reach only the main thread of a process."""
        loop, kept = asyncio.get_running_loop(), {}
        for number in (signal.SIGINT, signal.SIGTERM):
            theirs = signal.getsignal(number)
            if callable(theirs) and threading.current_thread() is threading.main_thread():

                def ours(number: int, frame: FrameType | None, theirs: Callable[..., Any] = theirs) -> None:
                    loop.call_soon_threadsafe(self._told)
                    theirs(number, frame)

                signal.signal(number, ours)
                kept[number] = (ours, theirs)
        try:
            yield
        finally:
            for number, (ours, theirs) in kept.items():
                if signal.getsignal(number) is ours:
                    signal.signal(number, theirs)


def create_app(
    settings: Settings,
    local: Callable[[], Engine] | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
    now: Callable[[], float] = time.monotonic,
    limiter: Limiter | None = None,
) -> FastAPI:
    """The whole proxy, ready to be served. local: loads a model to ask instead of the upstream. transport, now: for tests.

    limiter: None means one of this process alone.
    """
    app = chat_app(settings, LocalModel(local) if local else transport)
    app.add_middleware(Farewell, drain_seconds=settings.drain_seconds)
    app.add_middleware(Limited, limiter=limiter or RateLimiter(settings, now), client_seconds=settings.client_seconds)
    harden(app, settings)
    for chatty in ("httpx2", "httpcore2"):  # their lines quote the upstream's headers, and it may repeat ours there
        logging.getLogger(chatty).setLevel(logging.WARNING)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:  # 404 and 405 in the shape of all other errors
        reason = HTTPStatus(error.status_code)
        told = {"error": {"code": reason.name.lower(), "message": reason.phrase}}
        return JSONResponse(told, error.status_code, error.headers)

    if settings.static_dir:
        app.mount("/", StaticFiles(directory=settings.static_dir, html=True))
    return app


SECRETS = Path("/run/secrets")  # compose and Kubernetes put secrets there, each as a file


class ServerSettings(Settings):
    """What a server is told where it is one of several processes. A field may also be a file of its name in SECRETS."""

    model_config = SettingsConfigDict(secrets_dir=SECRETS if SECRETS.is_dir() else None)

    redis_url: SecretStr | None = None  # a secret, because it may hold a password


def app() -> FastAPI:
    """The proxy, for `uvicorn --factory proxy:app`. Bad settings end the process with one line and no value."""
    try:
        settings = ServerSettings.load()
    except (BadSettings, OSError) as bad:  # OSError: a secret that this user may not read
        raise SystemExit(f"The proxy does not start. {bad}") from None
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)
    if settings.redis_url is None:
        return create_app(settings)
    from shared_limit import RedisRateLimiter  # beside the file of this module; only here is the package redis needed

    alone = RateLimiter(settings)
    return create_app(settings, limiter=RedisRateLimiter(settings.redis_url, settings.requests_per_minute, alone))
