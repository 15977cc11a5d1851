# Answers to the exercises of 05_fastapi_proxy, in the form that tests/mistakes/01_account_setup.py explains.

# %% 05-1 wrong: refuses-a-good-token
# -        one_character = value.startswith("hf_") and len(set(value[3:])) <= 1
# +        one_character = not value.startswith("hf_") or len(value) != 37

# %% 05-1 wrong: token-not-secret
# -        return token
# +        return value

# %% 05-1 wrong: token-changed
# -        return token
# +        return SecretStr(value.lower())

# %% 05-1 wrong: file-not-read
# -            return cls(_env_file=env_file)  # type: ignore[call-arg]
# +            return cls()

# %% 05-1 wrong: reads-a-file-unasked
# -            return cls(_env_file=env_file)  # type: ignore[call-arg]
# +            return cls(_env_file=env_file or ".env")

# %% 05-1 wrong: takes-nothing
# -        if not value:
# -            raise ValueError("is empty: put your token there")
# -        if any
# +        if any
# -        one_character = value.startswith("hf_") and len(set(value[3:])) <= 1
# +        one_character = value.startswith("hf_") and len(set(value[3:])) == 1

# %% 05-1 wrong: takes-a-placeholder
# -("...", "<", "your_")
# +("<", "your_")

# %% 05-1 wrong: takes-a-placeholder
# -        if one_character or any(
# +        if any(

# %% 05-1 wrong: takes-a-damaged-token
# -        value = token.get_secret_value()
# +        value = token.get_secret_value().replace("\n", "")

# %% 05-1 wrong: takes-a-damaged-token
# -character.isspace() or not character.isascii()
# +character.isspace()

# %% 05-1 wrong: any-origin
# -or "*" in rest or
# +or

# %% 05-1 wrong: no-origin
# - or "/" in rest:
# +:

# %% 05-1 wrong: no-origin
# -            if scheme not in ("http", "https") or
# +            if

# %% 05-1 wrong: refuses-good-origins
# -if scheme not in ("http", "https")
# +if scheme != "https"

# %% 05-1 wrong: another-error
# -        except SettingsError as error:
# -            problems = [f"{error}: a list is written as JSON"]

# %% 05-1 wrong: another-error
# -        raise BadSettings("; ".join(problems))
# +        raise ValueError("; ".join(problems))

# %% 05-1 wrong: nameless
# -        raise BadSettings("; ".join(problems))
# +        raise BadSettings("the settings are wrong")

# %% 05-1 wrong: quotes-a-value
# -            problems = [f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
# +            problems = [str(each) for each in error.errors()]

# %% 05-1 wrong: quotes-a-value
# -        except SettingsError as error:
# -            problems = [f"{error}: a list is written as JSON"]
# +        except SettingsError as error:
# +            raise BadSettings(f"{error}: {error.__cause__.doc}")

# %% 05-1 wrong: one-at-a-time
# -        raise BadSettings("; ".join(problems))
# +        raise BadSettings(problems[0])

# %% 05-1 right: a helper beside the class
def _why_not(value):
    if value != "".join(value.split()) or not value.isascii() or not value:
        return "is damaged"
    if value.removeprefix("hf_") in {n * character for character in value for n in (0, len(value) - 3)}:
        return "is a placeholder"
    return "is a placeholder" if "..." in value or "<" in value or "your_" in value else None


class Settings(BaseSettings):
    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    hf_token: SecretStr
    upstream_url: str = "https://router.huggingface.co/v1"
    allowed_models: tuple[str, ...] = ("openai/gpt-oss-20b",)
    allowed_origins: tuple[str, ...] = ()
    max_messages: int = 20
    max_characters: int = 8_000
    max_tokens: int = 512
    max_body_bytes: int = 64_000
    requests_per_minute: int = 20
    max_clients: int = 10_000
    max_concurrent: int = 50
    trusted_proxies: int = 0
    connect_seconds: float = 5
    idle_seconds: float = 30
    keep_alive_seconds: float = 10
    static_dir: str = ""

    @field_validator("hf_token")
    @classmethod
    def usable(cls, token):
        if reason := _why_not(token.get_secret_value()):
            raise ValueError(reason)
        return token

    @field_validator("allowed_origins")
    @classmethod
    def named(cls, origins):
        import re

        if not all(re.fullmatch(r"https?://[^/*]+", origin) for origin in origins):
            raise ValueError("not an origin")
        return origins

    @classmethod
    def load(cls, env_file=".env"):
        try:
            return cls(_env_file=env_file)
        except ValidationError as error:
            raise BadSettings(", ".join(f"{each['loc'][0]} {each['msg']}" for each in error.errors())) from None
        except SettingsError as error:
            raise BadSettings(str(error)) from None


# %% 05-2 wrong: refuses-a-good-request
# -            if name not in settings.allowed_models:
# +            if name != settings.allowed_models[0]:

# %% 05-2 wrong: refuses-a-good-request
# -le=settings.max_tokens)
# +le=9)

# %% 05-2 wrong: stops-at-the-bound
# -> settings.max_characters:
# +>= settings.max_characters:

# %% 05-2 wrong: stops-at-the-bound
# -Field(ge=1, le=settings.max_tokens)
# +Field(ge=1, lt=settings.max_tokens)

# %% 05-2 wrong: no-chat-request
# -    class BoundedRequest(ChatRequest):
# +    class BoundedRequest(BaseModel):
# +        model: str
# +        stream: bool = False

# %% 05-2 wrong: any-model
# -            if name not in settings.allowed_models:
# +            if not name:

# %% 05-2 wrong: nearly-a-model
# -            if name not in settings.allowed_models:
# +            if not name.startswith(settings.allowed_models):

# %% 05-2 wrong: nearly-a-model
# -            if name not in settings.allowed_models:
# +            if name.lower() not in settings.allowed_models:

# %% 05-2 wrong: no-message
# -Field(min_length=1, max_length=settings.max_messages)
# +Field(max_length=settings.max_messages)

# %% 05-2 wrong: endless-messages
# -Field(min_length=1, max_length=settings.max_messages)
# +Field(min_length=1)

# %% 05-2 wrong: endless-text
# -            if sum(len(message.content) for message in messages) > settings.max_characters:
# +            if len(messages) > settings.max_characters:

# %% 05-2 wrong: bounds-each-alone
# -            if sum(len(message.content) for message in messages) > settings.max_characters:
# +            if any(len(message.content) > settings.max_characters for message in messages):

# %% 05-2 wrong: no-ceiling
# -Field(ge=1, le=settings.max_tokens)
# +Field(ge=1)

# %% 05-2 wrong: no-ceiling
# -Field(ge=1, le=settings.max_tokens)
# +Field(le=settings.max_tokens)

# %% 05-2 wrong: default-over-the-ceiling
# -= min(256, settings.max_tokens)
# += 256

# %% 05-2 wrong: default-over-the-ceiling
# -= min(256, settings.max_tokens)
# += settings.max_tokens

# %% 05-2 wrong: unknown-field
# -        model_config = ConfigDict(extra="forbid")
# -

# %% 05-2 wrong: echoes
# -                raise ValueError("this model is not offered")
# +                raise ValueError(f"{name} is not offered")

# %% 05-2 right: create_model and a validator for all
def bounded_request(settings):
    from pydantic import create_model, model_validator

    def within(self):
        if self.model not in settings.allowed_models:
            raise ValueError("unknown model")
        if not 0 < len(self.messages) <= settings.max_messages:
            raise ValueError("too many or too few messages")
        if len("".join(each.content for each in self.messages)) > settings.max_characters:
            raise ValueError("too long")
        if not 1 <= self.max_tokens <= settings.max_tokens:
            raise ValueError("max_tokens is out of bounds")
        return self

    class Base(ChatRequest):
        model_config = ConfigDict(extra="forbid")
        within_bounds = model_validator(mode="after")(within)

    return create_model("Bounded", __base__=Base, max_tokens=(int, min(256, settings.max_tokens)))


# %% 05-3 wrong: wrong-callers-fault
# -status_code=400 | 413 | 422
# +status_code=400

# %% 05-3 wrong: wrong-rate-limit
# -            return PublicError(429, "rate_limited", error_id, seconds if 1 <= seconds <= 3600 else 10)
# +            return PublicError(503, "unavailable", error_id, seconds if 1 <= seconds <= 3600 else 10)

# %% 05-3 wrong: wrong-tells-about-us
# -        case httpx2.Response() | httpx2.TransportError() | BadAnswer():
# +        case httpx2.Response(status_code=401 | 403 as status):
# +            return PublicError(status, "bad_gateway", error_id)
# +        case httpx2.Response() | httpx2.TransportError() | BadAnswer():

# %% 05-3 wrong: wrong-upstream-broken
# -        case httpx2.Response() | httpx2.TransportError() | BadAnswer():
# +        case httpx2.Response(status_code=status) if status > 403:
# +            return PublicError(status, "bad_gateway", error_id)
# +        case httpx2.Response() | httpx2.TransportError() | BadAnswer():

# %% 05-3 wrong: wrong-own-exception
# -        case ClientLeft():
# -            return PublicError(499, "client_left", error_id)

# %% 05-3 wrong: wrong-timeout
# -        case httpx2.TimeoutException() | TimeoutError():
# +        case httpx2.ReadTimeout() | TimeoutError():

# %% 05-3 wrong: wrong-connection
# -httpx2.Response() | httpx2.TransportError() | BadAnswer()
# +httpx2.Response() | httpx2.ConnectError()

# %% 05-3 wrong: wrong-own-exception
# -            return PublicError(500, "internal", error_id)
# +            return PublicError(502, "bad_gateway", error_id)

# %% 05-3 wrong: own-refusal
# -, error_id, wait)
# +, error_id)

# %% 05-3 wrong: loses-retry-after
# -            seconds = int(told) if told.isascii() and told.isdigit() and len(told) < 5 else 0
# +            seconds = 0

# %% 05-3 wrong: any-retry-after
# -            seconds = int(told) if told.isascii() and told.isdigit() and len(told) < 5 else 0
# +            seconds = int(told or 0)

# %% 05-3 wrong: any-retry-after
# -seconds if 1 <= seconds <= 3600 else 10
# +seconds or 10

# %% 05-3 wrong: any-retry-after
# -told.isascii() and told.isdigit()
# +told.isdigit()

# %% 05-3 wrong: wrong-wait
# -            return PublicError(503, "unavailable", error_id, 1)
# +            return PublicError(503, "unavailable", error_id)

# %% 05-3 wrong: quotes-the-upstream
# -    error_id = secrets.token_hex(8)
# +    error_id = outcome.headers.get("x-request-id", secrets.token_hex(8)) if isinstance(outcome, httpx2.Response) else secrets.token_hex(8)

# %% 05-3 wrong: quotes-the-upstream
# -            return PublicError(502, "bad_gateway", error_id)
# +            return PublicError(502, "bad_gateway", f"{error_id} {outcome}")

# %% 05-3 wrong: same-id
# -    error_id = secrets.token_hex(8)
# +    error_id = "error-0001"

# %% 05-3 right: two tables
BY_STATUS = {400: (400, "bad_request"), 413: (400, "bad_request"), 422: (400, "bad_request"), 404: (404, "not_found"),
             429: (429, "rate_limited"), 402: (503, "unavailable")}  # fmt: skip
BY_CLASS = [
    (ClientLeft, 499, "client_left"),
    (httpx2.PoolTimeout, 503, "unavailable"),
    ((httpx2.TimeoutException, TimeoutError), 504, "timeout"),
    ((httpx2.TransportError, BadAnswer), 502, "bad_gateway"),
    (Exception, 500, "internal"),
]


def public_error(outcome):
    import re
    import uuid

    if isinstance(outcome, TurnedAway):
        code = {429: "rate_limited", 503: "unavailable"}[outcome.status]
        return PublicError(outcome.status, code, uuid.uuid4().hex, outcome.retry_after_seconds)
    if isinstance(outcome, Exception):
        status, code = next((status, code) for kind, status, code in BY_CLASS if isinstance(outcome, kind))
        return PublicError(status, code, uuid.uuid4().hex, 1 if isinstance(outcome, httpx2.PoolTimeout) else None)
    status, code = BY_STATUS.get(outcome.status_code, (502, "bad_gateway"))
    if status != 429:
        return PublicError(status, code, uuid.uuid4().hex)
    told = outcome.headers.get("retry-after", "")
    wait = int(told) if re.fullmatch(r"[1-9][0-9]{0,3}", told) and int(told) <= 3600 else 10
    return PublicError(429, code, uuid.uuid4().hex, wait)


# %% 05-4 wrong: no-answer
# -    @app.post("/v1/chat/completions", responses=ERRORS)
# -    async
# +    async

# %% 05-4 wrong: another-answer
# -            return JSONResponse(ChatAnswer.model_validate_json(answer.content).model_dump())
# +            return JSONResponse({"text": ChatAnswer.model_validate_json(answer.content).choices[0].message.content})

# %% 05-4 wrong: no-token
# -f"Bearer {settings.hf_token.get_secret_value()}"
# +f"Bearer {settings.hf_token}"

# %% 05-4 wrong: another-address
# -client.post("/chat/completions", json=body)
# +client.post("/api/chat", json=body)

# %% 05-4 wrong: another-body
# -client.post("/chat/completions", json=body)
# +client.post("/chat/completions", json={"inputs": body["messages"][-1]["content"]})

# %% 05-4 wrong: client-headers-travel
# -client.post("/chat/completions", json=body)
# +client.post("/chat/completions", json=body, headers={k: v for k, v in request.headers.items() if k not in ("host", "content-length", "authorization")})

# %% 05-4 wrong: unchosen-fields
# -            return JSONResponse(ChatAnswer.model_validate_json(answer.content).model_dump())
# +            ChatAnswer.model_validate_json(answer.content)
# +            own = ChatAnswer.model_validate_json(answer.content).model_dump()
# +            return JSONResponse(own if own == answer.json() else answer.json())

# %% 05-4 wrong: unchosen-headers
# -            return JSONResponse(ChatAnswer.model_validate_json(answer.content).model_dump())
# +            own = ChatAnswer.model_validate_json(answer.content).model_dump()
# +            return JSONResponse(own, headers={k: v for k, v in answer.headers.items() if k.startswith("x-") or k == "server"})

# %% 05-4 wrong: error-with-200
# -                return answer_for(answer)
# +                return JSONResponse({"result": None, "error": "the model failed"})

# %% 05-4 wrong: echoes-the-upstream
# -                return answer_for(answer)
# +                return Response(answer.content, answer.status_code)

# %% 05-4 wrong: untranslated
# -                return answer_for(answer)
# +                return JSONResponse({"error": "failed"}, answer.status_code)

# %% 05-4 wrong: nonsense-passes
# -        except ValidationError:
# -            return answer_for(BadAnswer())

# %% 05-4 wrong: exception-escapes
# -        except Exception as error:
# -            return answer_for(error)

# %% 05-4 wrong: exception-escapes
# -        except Exception as error:
# -            return answer_for(error)
# +        except httpx2.TimeoutException as error:
# +            return answer_for(error)

# %% 05-4 wrong: client-per-request
# -        client: httpx2.AsyncClient = request.app.state.client
# +        client = httpx2.AsyncClient(
# +            base_url=settings.upstream_url,
# +            headers={"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"},
# +            transport=transport,
# +        )

# %% 05-4 wrong: client-before-the-start
# -    @asynccontextmanager
# -    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
# -        async with httpx2.AsyncClient(
# +    made = httpx2.AsyncClient(
# -            transport=transport,
# -        ) as client:
# +            transport=transport,
# +        )
# +    @asynccontextmanager
# +    async def lifespan(app):
# +        async with made as client:

# %% 05-4 wrong: hidden-client
# -            app.state.client = client
# +            app.state.upstream = client
# -request.app.state.client
# +request.app.state.upstream

# %% 05-4 wrong: never-closed
# -        async with httpx2.AsyncClient(
# +        app.state.client = httpx2.AsyncClient(
# -        ) as client:
# -            app.state.client = client
# -            yield
# +        )
# +        yield

# %% 05-4 wrong: other-waits
# -            timeout=httpx2.Timeout(settings.idle_seconds, connect=settings.connect_seconds, pool=1),
# -

# %% 05-4 wrong: no-limit
# -            limits=httpx2.Limits(max_connections=settings.max_concurrent),
# -

# %% 05-4 wrong: bad-body-passes
# -asked: asked_type)
# +asked: ChatRequest)

# %% 05-4 wrong: echoes-the-client
# -    @app.exception_handler(RequestValidationError)

# %% 05-4 wrong: no-problems
# -"problems": problems_of(error.errors())
# +"problems": []

# %% 05-4 wrong: stream-not-handed-on
# -            if body["stream"]:
# +            if False:

# %% 05-4 wrong: works-for-nobody
# -await while_connected(request, client.post("/chat/completions", json=body))
# +await client.post("/chat/completions", json=body)

# %% 05-4 wrong: works-for-nobody
# -            answer = await while_connected(request, client.post("/chat/completions", json=body))
# +            if await request.is_disconnected():
# +                return answer_for(ClientLeft())
# +            answer = await client.post("/chat/completions", json=body)

# %% 05-4 right: a router, and the client entered by hand
def chat_app(settings, transport=None):
    from fastapi import APIRouter

    Asked = bounded_request(settings)

    async def lifespan(app):
        client = httpx2.AsyncClient(
            base_url=settings.upstream_url,
            timeout=httpx2.Timeout(
                connect=settings.connect_seconds, read=settings.idle_seconds, write=settings.idle_seconds, pool=2
            ),
            limits=httpx2.Limits(max_connections=settings.max_concurrent, max_keepalive_connections=5),
            transport=transport,
        )
        client.headers["Authorization"] = "Bearer " + settings.hf_token.get_secret_value()
        app.state.client = client
        try:
            async with client:
                yield
        finally:
            await client.aclose()

    async def refuse(request, error):
        return JSONResponse({"error": {"code": "invalid", "problems": problems_of(error.errors())}}, status_code=422)

    routes = APIRouter()

    async def chat(request: Request, asked: Asked):
        sent = {"json": asked.model_dump()}
        client = request.app.state.client
        if asked.stream:
            return await stream_answer(request, client.stream("POST", "chat/completions", **sent), settings)
        try:
            answer = await while_connected(request, client.post("chat/completions", **sent))
        except Exception as error:
            return answer_for(error)
        if answer.status_code != 200:
            return answer_for(answer)
        try:
            chosen = ChatAnswer.model_validate(answer.json())
        except ValueError:
            return answer_for(BadAnswer())
        return Response(chosen.model_dump_json(), media_type="application/json")

    for path in ("/api/chat", "/v1/chat/completions"):
        routes.add_api_route(path, chat, methods=["POST"])
    app = FastAPI(lifespan=asynccontextmanager(lifespan), exception_handlers={RequestValidationError: refuse})
    app.include_router(routes)
    return app


# %% 05-5 wrong: another-content-type
# -            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
# +            got = [text async for text in events(aiter(httpx2.EventSource(answer)))]
# +            return JSONResponse({"text": "".join(got)})

# %% 05-5 wrong: text-lost
# -.model_dump_json(exclude_none=True)}\n\n"
# +.model_dump_json(exclude_none=True)}\n"

# %% 05-5 wrong: no-done
# -                    yield "data: [DONE]\n\n"
# -                    return
# +                    return

# %% 05-5 wrong: left-open
# -            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
# +            request.state.kept = upstream.pop_all()
# +            return StreamingResponse(events(aiter(httpx2.EventSource(answer))), media_type="text/event-stream")

# %% 05-5 wrong: held-back
# -            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
# +            async def whole():
# +                yield "".join([text async for text in events(aiter(httpx2.EventSource(answer)))])
# +            return EventStream(whole(), upstream.pop_all())

# %% 05-5 wrong: unchosen-fields
# -                yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"
# +                yield f"data: {event.data}\n\n"

# %% 05-5 wrong: done-demanded
# -                if event is None and not finished:
# +                if event is None:

# %% 05-5 wrong: error-as-a-stream
# -            if answer.status_code != 200:
# -                return answer_for(answer)

# %% 05-5 wrong: error-as-a-stream
# -                return answer_for(answer)
# +                outcome = json.dumps(body_of(public_error(answer)))
# +                return Response(f"event: error\ndata: {outcome}\n\n", media_type="text/event-stream")

# %% 05-5 wrong: echoes-the-upstream
# -                return answer_for(answer)
# +                return Response(await answer.aread(), public_error(answer).status)

# %% 05-5 wrong: error-left-open
# -                return answer_for(answer)
# +                request.state.kept = upstream.pop_all()
# +                return answer_for(answer)

# %% 05-5 wrong: html-as-a-stream
# -            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
# -                return answer_for(BadAnswer())

# %% 05-5 wrong: exception-escapes
# -    except Exception as error:
# -        return answer_for(error)
# +    except ValidationError as error:
# +        return answer_for(error)

# %% 05-5 wrong: late-error-lost
# -                chunk = ChatChunk.model_validate_json(event.data)
# +                try:
# +                    chunk = ChatChunk.model_validate_json(event.data)
# +                except ValidationError:
# +                    chunk = ChatChunk(choices=[])

# %% 05-5 wrong: late-exception-escapes
# -        except Exception as error:
# -            outcome
# +        except (ValidationError, BadAnswer) as error:
# +            outcome

# %% 05-5 wrong: cut-unnoticed
# -                if event is None and not finished:
# -                    raise BadAnswer
# +                if event is None and not finished:
# +                    return

# %% 05-5 wrong: upstream-words
# -{json.dumps(body_of(public_error(outcome)))}
# +{json.dumps(dict(error=str(error)))}

# %% 05-5 wrong: another-error-event
# -            outcome = BadAnswer() if isinstance(error, ValidationError) else error
# +            outcome = error

# %% 05-5 wrong: silent
# -                    yield ": keep-alive\n\n"
# -

# %% 05-5 wrong: waits-for-ever
# -                    if silent_seconds >= settings.idle_seconds:
# -                        raise TimeoutError

# %% 05-5 wrong: comment-costs-an-event
async def stream_answer(request, opening, settings):
    async def events(answer):
        source = aiter(httpx2.EventSource(answer))
        silent = 0.0
        try:
            while True:
                try:
                    event = await asyncio.wait_for(anext(source), settings.keep_alive_seconds)
                except TimeoutError:
                    silent += settings.keep_alive_seconds
                    if silent >= settings.idle_seconds:
                        raise
                    yield ": keep-alive\n\n"
                    continue
                except StopAsyncIteration:
                    raise BadAnswer from None
                if event.data == "[DONE]":
                    yield "data: [DONE]\n\n"
                    return
                yield f"data: {ChatChunk.model_validate_json(event.data).model_dump_json()}\n\n"
        except Exception as error:
            outcome = BadAnswer() if isinstance(error, ValidationError) else error
            yield f"event: error\ndata: {json.dumps(body_of(public_error(outcome)))}\n\n"

    try:
        async with AsyncExitStack() as upstream:
            answer = await while_connected(request, upstream.enter_async_context(opening))
            if answer.status_code != 200:
                return answer_for(answer)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                return answer_for(BadAnswer())
            return EventStream(events(answer), upstream.pop_all())
    except Exception as error:
        return answer_for(error)


# %% 05-5 wrong: works-for-nobody
# -            answer = await while_connected(request, upstream.enter_async_context(opening))
# +            answer = await upstream.enter_async_context(opening)

# %% 05-5 wrong: works-for-nobody
# -            answer = await while_connected(request, upstream.enter_async_context(opening))
# +            if await request.is_disconnected():
# +                return answer_for(ClientLeft())
# +            answer = await upstream.enter_async_context(opening)
# +            if await request.is_disconnected():
# +                return answer_for(ClientLeft())

# %% 05-5 wrong: streams-to-nobody
# -        finally:
# -            waiting.cancel()
# +        finally:
# +            pass
# -            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
# +            stream_answer.open = kept = upstream.pop_all()
# +            async def polled():
# +                async for text in events(aiter(httpx2.EventSource(answer))):
# +                    if await request.is_disconnected():
# +                        break
# +                    yield text
# +                await kept.aclose()
# +            return StreamingResponse(polled(), media_type="text/event-stream")

# %% 05-5 right: a queue between reading and writing
async def stream_answer(request, opening, settings):
    queue = asyncio.Queue(maxsize=8)

    async def read(answer):
        try:
            async for event in httpx2.EventSource(answer):
                await queue.put(event)
            await queue.put(None)
        except Exception as error:
            await queue.put(error)

    async def events(answer):
        reader = asyncio.create_task(read(answer))
        last, reason = asyncio.get_running_loop().time(), None
        try:
            while True:
                try:
                    item = await asyncio.wait_for(queue.get(), settings.keep_alive_seconds)
                except TimeoutError:
                    if asyncio.get_running_loop().time() - last >= settings.idle_seconds:
                        item = TimeoutError()
                    else:
                        yield b": keep-alive\n\n"
                        continue
                last = asyncio.get_running_loop().time()
                if item is None and not reason:
                    item = BadAnswer()
                if isinstance(item, Exception):
                    yield failed(item)
                    return
                if item is None or item.data == "[DONE]":
                    yield b"data: [DONE]\n\n"
                    return
                try:
                    chunk = ChatChunk.model_validate_json(item.data)
                except ValidationError:
                    yield failed(BadAnswer())
                    return
                for choice in chunk.choices:
                    reason = reason or choice.finish_reason
                yield b"data: " + chunk.model_dump_json().encode() + b"\n\n"
        finally:
            reader.cancel()

    def failed(error):
        return f"event: error\ndata: {json.dumps(body_of(public_error(error)))}\n\n".encode()

    stack = AsyncExitStack()
    try:
        answer = await while_connected(request, stack.enter_async_context(opening))
    except Exception as error:
        await stack.aclose()
        return answer_for(error)
    if answer.status_code == 200 and "text/event-stream" in answer.headers.get("content-type", ""):
        return EventStream(events(answer), stack)
    await stack.aclose()
    return answer_for(answer)


# %% 05-6 wrong: refuses-too-early
# -        admitted = left > 1 - 1e-9  # what floats lose on the way
# +        admitted = left > 1

# %% 05-6 wrong: no-limit
# -        if not admitted:
# +        if not admitted and left < 0:

# %% 05-6 wrong: one-for-all
# -    def admit(self, client: str) -> None:
# +    def admit(self, client: str) -> None:
# +        client = "all"

# %% 05-6 wrong: no-wait
# -            raise TurnedAway(429, max(1, math.ceil((1 - left) * 60 / limit - 1e-9)))
# +            raise TurnedAway(429, (1 - left) * 60 / limit)

# %% 05-6 wrong: no-wait
# -            raise TurnedAway(429, max(1, math.ceil((1 - left) * 60 / limit - 1e-9)))
# +            raise TurnedAway(503, 1)

# %% 05-6 wrong: waits-in-vain
# -math.ceil((1 - left) * 60 / limit - 1e-9)
# +int((1 - left) * 60 / limit)

# %% 05-6 wrong: punishes
# -(left - 1 if admitted else left, now)
# +(left - 1, now)

# %% 05-6 wrong: another-rate
# -(now - since) * limit / 60)
# +(now - since) * limit)

# %% 05-6 wrong: saves-up
# -        left = min(limit, left + (now - since) * limit / 60)
# +        left = left + (now - since) * limit / 60

# %% 05-6 wrong: endless-table
# -        if len(self._calls_left) > self._settings.max_clients:
# -            self._calls_left.popitem(last=False)

# %% 05-6 wrong: forgets-the-wrong-one
# -self._calls_left.pop(client, (float(limit), now))
# +self._calls_left.get(client, (float(limit), now))

# %% 05-6 wrong: forgets-the-wrong-one
# -            self._calls_left.popitem(last=False)
# +            self._calls_left.clear()

# %% 05-6 wrong: trusts-anybody
# -        return entries[-trusted] if 0 < trusted <= len(entries) and entries[-trusted] else peer
# +        return entries[-1] or peer

# %% 05-6 wrong: left-most
# -        return entries[-trusted] if 0 < trusted <= len(entries) and entries[-trusted] else peer
# +        return entries[0] if trusted and entries[0] else peer

# %% 05-6 wrong: left-most
# -entries[-trusted] if 0 < trusted
# +entries[trusted - 1] if 0 < trusted

# %% 05-6 wrong: short-chain
# -        return entries[-trusted] if 0 < trusted <= len(entries) and entries[-trusted] else peer
# +        return entries[-trusted] if trusted else peer

# %% 05-6 wrong: no-cap
# -        if self._open >= self._settings.max_concurrent:
# +        if self._open > self._settings.max_concurrent:

# %% 05-6 wrong: slot-lost
# -        try:
# -            yield
# -        finally:
# -            self._open -= 1
# +        yield
# +        self._open -= 1

# %% 05-6 right: a list of times, and a semaphore
class RateLimiter:
    def __init__(self, settings, now=time.monotonic):
        from threading import BoundedSemaphore

        self.settings, self.now = settings, now
        self.calls = {}
        self.free = BoundedSemaphore(settings.max_concurrent)

    def client_of(self, peer, forwarded_for=""):
        hops = [peer, *[hop.strip() for hop in reversed(forwarded_for.split(","))]]
        number = self.settings.trusted_proxies
        return hops[number] or peer if number < len(hops) else peer

    def admit(self, client):
        now = self.now()
        times = [each for each in self.calls.pop(client, []) if now - each < 60]
        self.calls[client] = times
        while len(self.calls) > self.settings.max_clients:
            self.calls.pop(next(iter(self.calls)))
        if len(times) >= self.settings.requests_per_minute:
            raise TurnedAway(429, max(1, math.ceil(60 - (now - times[0]))))
        times.append(now)

    @contextmanager
    def slot(self):
        if not self.free.acquire(blocking=False):
            raise TurnedAway(503, 1)
        with contextlib_closing(self.free.release):
            yield


@contextmanager
def contextlib_closing(then):
    try:
        yield
    finally:
        then()


# %% 05-7 wrong: any-origin
# -        allow_origins=settings.allowed_origins,
# +        allow_origins=["*"],
# +        allow_credentials=True,

# %% 05-7 wrong: no-origin
# -        allow_origins=settings.allowed_origins,
# +        allow_origins=[],

# %% 05-7 wrong: credentials
# -        allow_origins=settings.allowed_origins,
# +        allow_origins=settings.allowed_origins,
# +        allow_credentials=True,

# %% 05-7 wrong: unreadable-headers
# -        expose_headers=["Retry-After", "X-Request-ID"],
# -

# %% 05-7 wrong: no-preflight
# -        allow_methods=["GET", "POST"],
# -

# %% 05-7 wrong: errors-unreadable
# -    app.add_middleware(Hull)
# +    pass
# -        expose_headers=["Retry-After", "X-Request-ID"],
# -    )
# +        expose_headers=["Retry-After", "X-Request-ID"],
# +    )
# +    app.add_middleware(Hull)

# %% 05-7 wrong: no-body-limit
# -    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)

# %% 05-7 wrong: believes-content-length
# -            try:
# -                await self._app(scope, receive, with_headers)
# +            try:
# +                if int(Request(scope).headers.get("content-length", 0)) > settings.max_body_bytes:
# +                    await JSONResponse({}, 413)(scope, receive, with_headers)
# +                    return
# +                await self._app(scope, receive, with_headers)
# -    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)

# %% 05-7 wrong: no-healthz
# -    @app.get("/healthz")
# +    @app.get("/health")

# %% 05-7 wrong: wrong-readiness
# -        ready = client is not None and not client.is_closed
# +        ready = client is not None

# %% 05-7 wrong: wrong-readiness
# -        ready = client is not None and not client.is_closed
# +        ready = True

# %% 05-7 wrong: health-costs
# -        ready = client is not None and not client.is_closed
# +        ready = client is not None and not client.is_closed
# +        if ready:
# +            ready = (await client.post("/chat/completions", json={})).status_code == 200

# %% 05-7 wrong: no-security-headers
# -SECURITY_HEADERS | {"X-Request-ID": request_id}
# +{"X-Request-ID": request_id}

# %% 05-7 wrong: no-security-headers
# -                if message["type"] == "http.response.start":
# -                    status = message["status"]
# +                if message["type"] == "http.response.start" and message["status"] == 200:
# +                    status = message["status"]

# %% 05-7 wrong: no-request-id
# -SECURITY_HEADERS | {"X-Request-ID": request_id}
# +SECURITY_HEADERS

# %% 05-7 wrong: their-request-id
# -request_id, started, status = secrets.token_hex(8),
# +request_id, started, status = Request(scope).headers.get("x-request-id", "0"),

# %% 05-7 wrong: same-request-id
# -request_id, started, status = secrets.token_hex(8),
# +request_id, started, status = "request",

# %% 05-7 wrong: uncaught
# -                await answer_for(error)(scope, receive, with_headers)
# +                await JSONResponse({"error": "oops"}, 500)(scope, receive, with_headers)

# %% 05-7 wrong: tells-the-exception
# -                await answer_for(error)(scope, receive, with_headers)
# +                told = body_of(public_error(error)) | {"detail": str(error)}
# +                await JSONResponse(told, 500)(scope, receive, with_headers)

# %% 05-7 wrong: second-answer
# -                if status:
# -                    raise

# %% 05-7 wrong: log-tells
# -"path": scope["path"],
# +"path": scope["path"] + "?" + scope["query_string"].decode(),

# %% 05-7 wrong: log-tells
# -            except Exception as error:
# +            except Exception as error:
# +                logger.exception("a request failed: %s", error)

# %% 05-7 wrong: no-log-line
# -                logger.info(json.dumps(line | {"ms": round(1000 * (time.perf_counter() - started))}))
# +                logger.info("%s %s", request_id, status)

# %% 05-7 wrong: another-log-line
# -json.dumps(line |
# +json.dumps(line | {"agent": None} |

# %% 05-7 wrong: status-not-seen
# -                    status = message["status"]
# -                    MutableHeaders
# +                    status = 200
# +                    MutableHeaders

# %% 05-7 right: two small middlewares as functions
def harden(app, settings):
    import uuid

    async def healthz():
        return Response(status_code=200)

    async def readyz():
        closed = getattr(getattr(app.state, "client", None), "is_closed", True)
        return Response(status_code=503 if closed else 200)

    app.add_api_route("/healthz", healthz)
    app.add_api_route("/readyz", readyz)

    def watched(inner):
        async def outer(scope, receive, send):
            if scope["type"] != "http":
                return await inner(scope, receive, send)
            seen = {"request_id": str(uuid.uuid4()), "method": scope["method"], "path": scope["path"], "status": None}
            begun = time.monotonic()

            async def marked(message):
                if message["type"] == "http.response.start":
                    seen["status"] = message["status"]
                    extra = {**SECURITY_HEADERS, "x-request-id": seen["request_id"]}
                    message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
                await send(message)

            try:
                return await inner(scope, receive, marked)
            except Exception as error:
                if seen["status"] is not None:
                    raise
                return await answer_for(error)(scope, receive, marked)
            finally:
                logger.info(json.dumps({**seen, "ms": (time.monotonic() - begun) * 1000}))

        return outer

    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(watched)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.allowed_origins),
        allow_methods=["POST"],
        allow_headers=["Content-Type"],
        expose_headers=["X-Request-ID", "Retry-After"],
    )
