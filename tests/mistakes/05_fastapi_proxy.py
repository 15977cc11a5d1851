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

# %% 05-1 wrong: takes-a-damaged-token
# -        value = token.get_secret_value()
# +        value = token.get_secret_value().strip()

# %% 05-1 wrong: takes-a-damaged-token
# -character.isspace() or not character.isascii()
# +character in " \t\n" or not character.isascii()

# %% 05-1 wrong: takes-a-placeholder
# -len(set(value[3:])) <= 1
# +not value[3:].strip("xX")

# %% 05-1 wrong: refuses-a-good-token
# -len(set(value[3:])) <= 1
# +(value == "hf_" or "xxx" in value)

# %% 05-1 wrong: file-wins
# -            return cls(_env_file=env_file)  # type: ignore[call-arg]
# +            from dotenv import dotenv_values
# +
# +            held = {name.lower(): value for name, value in dotenv_values(env_file).items()} if env_file else {}
# +            return cls(_env_file=None, **held)

# %% 05-1 wrong: any-origin
# -or "*" in rest or
# +or

# %% 05-1 wrong: no-origin
# - or "/" in rest:
# +:

# %% 05-1 wrong: no-origin
# -            if scheme not in ("http", "https") or
# +            if

# %% 05-1 wrong: no-origin
# - or not rest or
# + or

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

# %% 05-1 wrong: quotes-a-value
# -            problems = [f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
# +            raise BadSettings("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors()))

# %% 05-1 wrong: quotes-a-value
# -            problems = [f"{error}: a list is written as JSON"]
# +            raise BadSettings(str(error)) from error

# %% 05-1 wrong: prints-a-value
# -            problems = [f"{'.'.join(
# +            print(error.errors())
# +            problems = [f"{'.'.join(

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


# %% 05-1 right: regular expressions, and errors gathered in a dict
# -        value = token.get_secret_value()
# -        if not value:
# -            raise ValueError("is empty: put your token there")
# -        if any(character.isspace() or not character.isascii() for character in value):
# -            raise ValueError("holds white space or a character that no token has: copy it again")
# -        one_character = value.startswith("hf_") and len(set(value[3:])) <= 1
# -        if one_character or any(sign in value for sign in ("...", "<", "your_")):
# -            raise ValueError("is a placeholder: put your own token there")
# -        return token
# +        import re
# +
# +        if not re.fullmatch(r"\S+", token.get_secret_value(), re.ASCII) or not token.get_secret_value().isascii():
# +            raise ValueError("damaged")
# +        assert not re.search(r"\.\.\.|<|your_|^hf_(.?)\1*$", token.get_secret_value()), "a placeholder"
# +        return SecretStr(token.get_secret_value())
# -        for origin in origins:
# -            scheme, _, rest = origin.partition("://")
# -            if scheme not in ("http", "https") or not rest or "*" in rest or "/" in rest:
# -                raise ValueError("each is scheme://host or scheme://host:port, without * and without a path")
# -        return origins
# +        from urllib.parse import urlsplit
# +
# +        for origin in origins:
# +            parts = urlsplit(origin)
# +            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or "*" in origin:
# +                raise ValueError("not the origin of a page")
# +        return tuple(origins)
# -            problems = [f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
# +            bad = {each["loc"][0].upper(): each["msg"] for each in error.errors(include_input=False)}
# +            problems = [f"{name} {why}" for name, why in bad.items()]
# -            problems = [f"{error}: a list is written as JSON"]
# +            problems = [name.upper() + " is no JSON" for name in cls.model_fields if f'"{name}"' in str(error)]


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

# %% 05-2 wrong: counts-bytes
# -len(message.content) for
# +len(message.content.encode()) for

# %% 05-2 wrong: any-model
# -            if name not in settings.allowed_models:
# +            if not name:

# %% 05-2 wrong: nearly-a-model
# -            if name not in settings.allowed_models:
# +            if not name.startswith(settings.allowed_models):

# %% 05-2 wrong: nearly-a-model
# -            if name not in settings.allowed_models:
# +            if name.lower() not in settings.allowed_models:

# %% 05-2 wrong: nearly-a-model
# -            if name not in settings.allowed_models:
# +            if name.strip() not in settings.allowed_models:

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

# %% 05-2 wrong: counts-one-role
# -for message in messages) >
# +for message in messages if message.role == "user") >

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

# %% 05-2 wrong: echoes
# -        @field_validator("messages")
# +        @field_validator("max_tokens", mode="before")
# +        @classmethod
# +        def few(cls, number):
# +            if number > settings.max_tokens:
# +                raise ValueError(f"{number} is more than {settings.max_tokens}")
# +            return number
# +
# +        @field_validator("messages")

# %% 05-2 wrong: last-settings-win
# -    class BoundedRequest(ChatRequest):
# +    LATEST.append(settings)
# +
# +    class BoundedRequest(ChatRequest):
# -Annotated[int, Field(ge=1, le=settings.max_tokens)]
# +Annotated[int, Field(ge=1)]
# -        @field_validator("model")
# +        @field_validator("max_tokens")
# +        @classmethod
# +        def few(cls, number):
# +            if number > LATEST[-1].max_tokens:
# +                raise ValueError("too many")
# +            return number
# +
# +        @field_validator("model")
# -def bounded_request(
# +LATEST = []
# +
# +
# +def bounded_request(

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


# %% 05-2 right: Literal, and a validator in the annotation
def bounded_request(settings):
    from pydantic import AfterValidator

    def short(messages):
        letters = 0
        for message in messages:
            letters += len(message.content)
        assert letters <= settings.max_characters, "too many characters"
        return messages

    Many = Annotated[list[Message], Field(min_length=1, max_length=settings.max_messages), AfterValidator(short)]

    class Bounded(ChatRequest, extra="forbid"):
        model: Literal[settings.allowed_models]
        messages: Many
        max_tokens: int = Field(default_factory=lambda: min(256, settings.max_tokens), gt=0, le=settings.max_tokens)

    return Bounded


# %% 05-3 wrong: wrong-callers-fault
# -status_code=400 | 413 | 422
# +status_code=400

# %% 05-3 wrong: wrong-rate-limit
# -            return PublicError(429, "rate_limited", error_id, seconds if 1 <= seconds <= 3600 else 10)
# +            return PublicError(503, "unavailable", error_id, seconds if 1 <= seconds <= 3600 else 10)

# %% 05-3 wrong: wrong-tells-about-us
# -        case httpx2.Response() | httpx2.RequestError() | BadAnswer():
# +        case httpx2.Response(status_code=401 | 403 as status):
# +            return PublicError(status, "bad_gateway", error_id)
# +        case httpx2.Response() | httpx2.RequestError() | BadAnswer():

# %% 05-3 wrong: wrong-upstream-broken
# -        case httpx2.Response() | httpx2.RequestError() | BadAnswer():
# +        case httpx2.Response(status_code=status) if status > 403:
# +            return PublicError(status, "bad_gateway", error_id)
# +        case httpx2.Response() | httpx2.RequestError() | BadAnswer():

# %% 05-3 wrong: wrong-upstream-broken
# -        case httpx2.Response(status_code=402):
# +        case httpx2.Response(status_code=408 | 504):
# +            return PublicError(504, "timeout", error_id)
# +        case httpx2.Response(status_code=402):

# %% 05-3 wrong: wrong-own-exception
# -        case ClientLeft():
# -            return PublicError(499, "client_left", error_id)

# %% 05-3 wrong: wrong-timeout
# -        case httpx2.TimeoutException() | TimeoutError():
# +        case httpx2.ReadTimeout() | TimeoutError():

# %% 05-3 wrong: wrong-timeout
# -        case httpx2.PoolTimeout():
# -            return PublicError(503, "unavailable", error_id, 1)

# %% 05-3 wrong: wrong-connection
# -httpx2.Response() | httpx2.RequestError() | BadAnswer()
# +httpx2.Response() | httpx2.ConnectError()

# %% 05-3 wrong: wrong-connection
# -httpx2.Response() | httpx2.RequestError() | BadAnswer()
# +httpx2.Response() | httpx2.ConnectError() | httpx2.RemoteProtocolError() | BadAnswer()

# %% 05-3 wrong: wrong-connection
# -httpx2.Response() | httpx2.RequestError() | BadAnswer()
# +httpx2.Response() | httpx2.TransportError() | BadAnswer()

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

# %% 05-3 wrong: any-retry-after
# -            seconds = int(told) if told.isascii() and told.isdigit() and len(told) < 5 else 0
# +            try:
# +                seconds = int(float(told or 0))
# +            except ValueError:
# +                seconds = 0

# %% 05-3 wrong: any-retry-after
# -            seconds = int(told) if told.isascii() and told.isdigit() and len(told) < 5 else 0
# +            try:
# +                seconds = int(told[:5])
# +            except ValueError:
# +                seconds = 0

# %% 05-3 wrong: any-retry-after
# -told.isascii() and told.isdigit()
# +told.isdecimal()

# %% 05-3 wrong: wrong-wait
# -            return PublicError(504, "timeout", error_id)
# +            return PublicError(504, "timeout", error_id, 1)

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

# %% 05-3 wrong: same-id
# -    error_id = secrets.token_hex(8)
# +    error_id = f"{id(outcome):016x}"

# %% 05-3 right: two tables
BY_STATUS = {400: (400, "bad_request"), 413: (400, "bad_request"), 422: (400, "bad_request"), 404: (404, "not_found"),
             429: (429, "rate_limited"), 402: (503, "unavailable")}  # fmt: skip
BY_CLASS = [
    (ClientLeft, 499, "client_left"),
    (httpx2.PoolTimeout, 503, "unavailable"),
    ((httpx2.TimeoutException, TimeoutError), 504, "timeout"),
    ((httpx2.RequestError, BadAnswer), 502, "bad_gateway"),
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


# %% 05-3 right: if and elif, and a try around int
def public_error(outcome):
    def public(status, code, wait=None):
        return PublicError(status=status, code=code, id=secrets.token_urlsafe(12), retry_after_seconds=wait)

    if isinstance(outcome, TurnedAway):
        return public(outcome.status, "unavailable" if outcome.status == 503 else "rate_limited", outcome.retry_after_seconds)
    if isinstance(outcome, ClientLeft):
        return public(499, "client_left")
    if isinstance(outcome, httpx2.PoolTimeout):
        return public(503, "unavailable", 1)
    if isinstance(outcome, (httpx2.TimeoutException, TimeoutError)):
        return public(504, "timeout")
    if isinstance(outcome, (httpx2.RequestError, BadAnswer)):
        return public(502, "bad_gateway")
    if not isinstance(outcome, httpx2.Response):
        return public(500, "internal")
    if outcome.status_code == 429:
        wait = 10
        told = outcome.headers.get("Retry-After") or ""
        if told in {str(n) for n in range(1, 3601)}:
            wait = int(told)
        return public(429, "rate_limited", wait)
    by_status = {402: (503, "unavailable"), 404: (404, "not_found")} | dict.fromkeys((400, 413, 422), (400, "bad_request"))
    return public(*by_status.get(outcome.status_code, (502, "bad_gateway")))


# %% 05-4 wrong: no-answer
# -    @app.post("/v1/chat/completions", responses=ANSWERS)
# -    async
# +    async

# %% 05-4 wrong: no-answer
# -            answer = await while_connected(request, client.post("/chat/completions", json=body))
# +            answer = await while_connected(request, client.post("/chat/completions", json=body["all"]))

# %% 05-4 wrong: passes-by-the-transport
# -            transport=transport,
# -

# %% 05-4 wrong: passes-by-the-transport
# -        client: httpx2.AsyncClient = request.app.state.client
# -        body = ChatRequest.model_dump(asked)
# +        client = httpx2.AsyncClient(base_url=settings.upstream_url)
# +        body = ChatRequest.model_dump(asked)
# -        except Exception as error:
# -            return answer_for(error)

# %% 05-4 wrong: another-answer
# -            return JSONResponse(ChatAnswer.model_validate_json(answer.content).model_dump())
# +            return JSONResponse({"text": ChatAnswer.model_validate_json(answer.content).choices[0].message.content})

# %% 05-4 wrong: shows-the-token
# -.model_dump())
# +.model_dump(), headers=answer.request.headers)

# %% 05-4 wrong: asks-again
# -            answer = await while_connected(request, client.post("/chat/completions", json=body))
# +            for _ in range(3):
# +                answer = await while_connected(request, client.post("/chat/completions", json=body))
# +                if answer.status_code < 500:
# +                    break

# %% 05-4 wrong: no-token
# -f"Bearer {settings.hf_token.get_secret_value()}"
# +f"Bearer {settings.hf_token}"

# %% 05-4 wrong: another-address
# -client.post("/chat/completions", json=body)
# +client.post("/api/chat", json=body)

# %% 05-4 wrong: another-body
# -client.post("/chat/completions", json=body)
# +client.post("/chat/completions", json={"inputs": body["messages"][-1]["content"]})

# %% 05-4 wrong: another-body
# -ChatRequest.model_dump(asked)
# +ChatRequest.model_dump(asked, exclude_unset=True) | {"stream": asked.stream}

# %% 05-4 wrong: client-headers-travel
# -client.post("/chat/completions", json=body)
# +client.post("/chat/completions", json=body, headers={k: v for k, v in request.headers.items() if k not in ("host", "content-length", "authorization")})

# %% 05-4 wrong: query-travels
# -client.post("/chat/completions", json=body)
# +client.post("/chat/completions", json=body, params=request.query_params)

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

# %% 05-4 wrong: error-with-200
# -            if answer.status_code != 200:
# +            if not answer.is_success:

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

# %% 05-4 wrong: tells-the-exception
# -        except Exception as error:
# -            return answer_for(error)
# +        except Exception as error:
# +            public = public_error(error)
# +            return JSONResponse(body_of(public) | {"detail": str(error)}, public.status)

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

# %% 05-4 wrong: endless-wait
# -, pool=1)
# +, pool=None)

# %% 05-4 wrong: no-limit
# -            limits=httpx2.Limits(max_connections=settings.max_concurrent),
# -

# %% 05-4 wrong: bad-body-passes
# -asked: asked_type)
# +asked: ChatRequest)

# %% 05-4 wrong: bad-body-passes
# -    async def chat(request: Request, asked: asked_type) -> Response:  # type: ignore[valid-type]
# +    async def chat(request: Request) -> Response:
# +        try:
# +            asked = asked_type.model_validate(await request.json())
# +        except ValidationError as error:
# +            return JSONResponse({"error": {"code": "invalid", "problems": problems_of(error.errors())}}, 422)
# +        except ValueError:
# +            return JSONResponse({"error": {"code": "invalid", "problems": [{"where": "body"}]}}, 400)

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

# %% 05-4 wrong: swallows-the-end
# -        except Exception as error:
# -            return answer_for(error)
# +        except:
# +            import sys
# +
# +            error = sys.exception()
# +            return answer_for(error if isinstance(error, Exception) else ClientLeft())

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


# %% 05-4 right: the client in the state of the lifespan, and a stack
class Unexpected(Exception):
    def __init__(self, outcome):
        self.outcome = outcome


def chat_app(settings, transport=None):
    @asynccontextmanager
    async def lifespan(app):
        async with AsyncExitStack() as stack:
            headers = {"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"}
            waits = httpx2.Timeout(settings.idle_seconds, connect=settings.connect_seconds)
            limits = httpx2.Limits(max_connections=settings.max_concurrent)
            app.state.client = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=settings.upstream_url, headers=headers, timeout=waits, limits=limits, transport=transport)
            )
            yield {"client": app.state.client}
        del app.state.client

    app = FastAPI(lifespan=lifespan)
    Asked = bounded_request(settings)

    @app.exception_handler(RequestValidationError)
    def invalid(request, error):
        return JSONResponse(status_code=422, content={"error": {"code": "invalid", "problems": problems_of(error.errors())}})

    async def whole(request, sent):
        answer = await while_connected(request, request.state.client.post("/chat/completions", json=sent))
        if answer.status_code != 200:
            return answer_for(answer)
        try:
            return ChatAnswer.model_validate(answer.json())
        except ValueError:
            raise BadAnswer from None

    @app.post("/v1/chat/completions", response_model=None)
    @app.post("/api/chat", response_model=None)
    async def chat(request: Request, asked: Asked):
        sent = {name: getattr(asked, name) for name in ("model", "max_tokens", "stream")}
        sent["messages"] = [{"role": m.role, "content": m.content} for m in asked.messages]
        if asked.stream:
            opening = request.state.client.stream("POST", "/chat/completions", json=sent)
            return await stream_answer(request, opening, settings)
        try:
            found = await whole(request, sent)
        except Exception as error:
            return answer_for(error)
        return found if isinstance(found, Response) else JSONResponse(found.model_dump())

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
# -                async with asyncio.timeout(1):
# -                    await anext(source, None)
# +                pass

# %% 05-5 wrong: held-back
# -            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
# +            async def whole():
# +                yield "".join([text async for text in events(aiter(httpx2.EventSource(answer)))])
# +            return EventStream(whole(), upstream.pop_all())

# %% 05-5 wrong: unchosen-fields
# -                yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"
# +                yield f"data: {event.data}\n\n"

# %% 05-5 wrong: one-spelling
# -            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
# +            if answer.headers.get("content-type") != "text/event-stream":

# %% 05-5 wrong: one-spelling
# -    async def relayed(
# +    class Line:
# +        def __init__(self, line):
# +            self.data = line.removeprefix("data: ")
# +
# +    async def by_line(answer):
# +        async for line in answer.aiter_lines():
# +            if line.startswith("data: "):
# +                yield Line(line)
# +
# +    async def relayed(
# -aiter(httpx2.EventSource(answer))
# +by_line(answer)

# %% 05-5 wrong: event-dropped
# -                yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"
# +                if chunk.choices and chunk.choices[0].delta.content:
# +                    yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"

# %% 05-5 wrong: event-dropped
# -                yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"
# +                if chunk.choices[0].finish_reason != "error":
# +                    yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"

# %% 05-5 wrong: text-lost
# -                if event is None or event.data == "[DONE]":
# +                if event is None or "[DONE]" in event.data:

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

# %% 05-5 wrong: done-demanded
# -                if event is None and not finished:
# +                if event is None:

# %% 05-5 wrong: upstream-words
# -{bytes(answer_for(outcome).body).decode()}
# +{json.dumps(dict(error=str(error)))}

# %% 05-5 wrong: another-error-event
# -            outcome = BadAnswer() if isinstance(error, ValidationError) else error
# +            outcome = error

# %% 05-5 wrong: another-error-event
# -{bytes(answer_for(outcome).body).decode()}
# +{json.dumps(json.loads(answer_for(outcome).body), indent=2)}

# %% 05-5 wrong: unlogged
# -{bytes(answer_for(outcome).body).decode()}
# +{json.dumps(body_of(public_error(outcome)))}

# %% 05-5 wrong: silent
# -                    yield ": keep-alive\n\n"
# -

# %% 05-5 wrong: waits-for-ever
# -                    if silent_seconds >= settings.idle_seconds:
# -                        raise TimeoutError

# %% 05-5 wrong: gives-up-early
# -                silent_seconds, waiting = 0.0, asyncio.create_task(next_event(source))
# -        finally:
# +                waiting = asyncio.create_task(next_event(source))
# +        finally:

# %% 05-5 wrong: gives-up-early
# -                    silent_seconds += settings.keep_alive_seconds
# -                    if silent_seconds >= settings.idle_seconds:
# +                    if silent_seconds:
# -                    yield ": keep-alive\n\n"
# +                    silent_seconds = settings.idle_seconds
# +                    yield ": keep-alive\n\n"

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
            yield f"event: error\ndata: {answer_for(outcome).body.decode()}\n\n"

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

# %% 05-5 wrong: task-left
# -        finally:
# -            waiting.cancel()
# +        finally:
# +            pass

# %% 05-5 wrong: never-begun
# -            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
# +            kept = upstream.pop_all()
# +
# +            async def closing():
# +                try:
# +                    async for text in events(aiter(httpx2.EventSource(answer))):
# +                        yield text
# +                finally:
# +                    await kept.aclose()
# +
# +            return StreamingResponse(closing(), media_type="text/event-stream")

# %% 05-5 wrong: no-event-stream
# -            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
# +            class Closing(StreamingResponse):
# +                async def __call__(self, scope, receive, send):
# +                    async with kept:
# +                        await super().__call__(scope, receive, send)
# +
# +            kept = upstream.pop_all()
# +            return Closing(events(aiter(httpx2.EventSource(answer))), media_type="text/event-stream")

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
        return b"event: error\ndata: " + answer_for(error).body + b"\n\n"

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


# %% 05-5 right: time.monotonic and a shield
from time import monotonic
from types import SimpleNamespace
async def stream_answer(request, opening, settings):
    async def events(answer):
        source = aiter(httpx2.EventSource(answer))
        async def one():
            try:
                return await anext(source)
            except StopAsyncIteration:
                if reasons - {None}:
                    return SimpleNamespace(data="[DONE]")
                raise BadAnswer
        reasons = set()
        last = monotonic()
        reading = None
        try:
            while True:
                reading = reading or asyncio.ensure_future(one())
                try:
                    event = await asyncio.wait_for(asyncio.shield(reading), settings.keep_alive_seconds)
                except TimeoutError:
                    if reading.done():
                        raise
                    if monotonic() - last >= settings.idle_seconds:
                        raise TimeoutError("idle")
                    yield ": keep-alive\n\n"
                    continue
                reading, last = None, monotonic()
                if event.data.strip() == "[DONE]":
                    yield "data: [DONE]\n\n"
                    break
                try:
                    part = ChatChunk.model_validate_json(event.data)
                except ValidationError as error:
                    raise BadAnswer from error
                reasons |= {choice.finish_reason for choice in part.choices}
                yield f"data: {part.model_dump_json()}\n\n"
        except Exception as error:
            public = public_error(error)
            logger.warning("stream failed %s %s", public.id, type(error).__name__)
            yield f"event: error\ndata: {json.dumps(body_of(public))}\n\n"
        finally:
            if reading:
                reading.cancel()
    stack = AsyncExitStack()
    try:
        answer = await while_connected(request, stack.enter_async_context(opening))
        outcome = answer if answer.status_code != 200 else None if answer.headers.get("content-type", "").lower().startswith("text/event-stream") else BadAnswer()
    except Exception as error:
        outcome = error
    if outcome is None:
        return EventStream(events(answer), stack)
    await stack.aclose()
    return answer_for(outcome)


# %% 05-6 wrong: refuses-too-early
# -        admitted = left > 1 - 1e-9  # what floats lose on the way
# +        admitted = left > 1

# %% 05-6 wrong: no-limit
# -        if not admitted:
# +        if not admitted and left < 0:

# %% 05-6 wrong: no-limit
# -left > 1 - 1e-9
# +left > 0

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

# %% 05-6 wrong: own-clock
# -self._settings.requests_per_minute, self._now()
# +self._settings.requests_per_minute, time.monotonic()

# %% 05-6 wrong: punishes
# -(left - 1 if admitted else left, now)
# +(left - 1, now)

# %% 05-6 wrong: another-rate
# -(now - since) * limit / 60)
# +(now - since) * limit)

# %% 05-6 wrong: another-rate
# -(now - since) * limit / 60)
# +(now - since) * limit / 59)

# %% 05-6 wrong: another-rate
# -        left, since = self._calls_left.pop(client, (float(limit), now))
# -        left = min(limit, left + (now - since) * limit / 60)
# -        admitted = left > 1 - 1e-9  # what floats lose on the way
# -        self._calls_left[client] = (left - 1 if admitted else left, now)
# +        times = [each for each in self._calls_left.pop(client, []) if each > now - 59]
# +        admitted = len(times) < limit
# +        self._calls_left[client] = [*times, now] if admitted else times
# +        left = 0 if admitted else 1 - (times[0] + 60 - now) * limit / 60

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

# %% 05-6 wrong: forgets-the-newest
# -            self._calls_left.popitem(last=False)
# +            self._calls_left.popitem()

# %% 05-6 wrong: forgets-too-early
# -len(self._calls_left) > self._settings.max_clients
# +len(self._calls_left) >= self._settings.max_clients

# %% 05-6 wrong: endless-history
# -        left, since = self._calls_left.pop(client, (float(limit), now))
# -        left = min(limit, left + (now - since) * limit / 60)
# -        admitted = left > 1 - 1e-9  # what floats lose on the way
# -        self._calls_left[client] = (left - 1 if admitted else left, now)
# +        times = self._calls_left.pop(client, [])
# +        recent = [each for each in times if now - each < 60]
# +        admitted = len(recent) < limit
# +        self._calls_left[client] = [*times, now] if admitted else times
# +        left = 0 if admitted else 1 - (recent[0] + 60 - now) * limit / 60

# %% 05-6 wrong: trusts-anybody
# -        return entries[-trusted] if 0 < trusted <= len(entries) and entries[-trusted] else peer
# +        return entries[-1] or peer

# %% 05-6 wrong: left-most
# -        return entries[-trusted] if 0 < trusted <= len(entries) and entries[-trusted] else peer
# +        return entries[0] if trusted and entries[0] else peer

# %% 05-6 wrong: left-most
# -entries[-trusted] if 0 < trusted
# +entries[trusted - 1] if 0 < trusted

# %% 05-6 wrong: skips-the-empty
# -for entry in forwarded_for.split(",")]
# +for entry in forwarded_for.split(",") if entry.strip()]

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

# %% 05-6 wrong: slot-lost
# -        try:
# -            yield
# -        finally:
# -            self._open -= 1
# +        try:
# +            yield
# +        except Exception:
# +            self._open -= 1
# +            raise
# +        else:
# +            self._open -= 1

# %% 05-6 wrong: slot-lost
# -        if self._open >= self._settings.max_concurrent:
# -            raise TurnedAway(503, 1)
# -        self._open += 1
# +        self._open += 1
# +        if self._open > self._settings.max_concurrent:
# +            raise TurnedAway(503, 1)

# %% 05-6 wrong: no-cap
# -        if self._open >= self._settings.max_concurrent:
# -            raise TurnedAway(503, 1)
# -        self._open += 1
# -        try:
# -            yield
# +        try:
# +            if self._open >= self._settings.max_concurrent:
# +                raise TurnedAway(503, 1)
# +            self._open += 1
# +            yield

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


# %% 05-6 right: a fixed window for each client
class RateLimiter:
    def __init__(self, settings, now=time.monotonic):
        self.settings, self.now, self.windows, self.taken = settings, now, {}, 0

    def client_of(self, peer, forwarded_for=""):
        if self.settings.trusted_proxies == 0:
            return peer
        try:
            return forwarded_for.split(",")[-self.settings.trusted_proxies].strip() or peer
        except IndexError:
            return peer

    def admit(self, client):
        now = self.now()
        began, calls = self.windows.pop(client, (now, 0))
        if now - began >= 60:
            began, calls = now, 0
        allowed = calls < self.settings.requests_per_minute
        self.windows[client] = (began, calls + allowed)
        if len(self.windows) > self.settings.max_clients:
            del self.windows[next(iter(self.windows))]
        if not allowed:
            raise TurnedAway(429, max(1, math.ceil(began + 60 - now)))

    @contextmanager
    def slot(self):
        self.taken += 1
        try:
            if self.taken > self.settings.max_concurrent:
                raise TurnedAway(503, 1)
            yield
        finally:
            self.taken -= 1


# %% 05-7 wrong: any-origin
# -        allow_origins=settings.allowed_origins,
# +        allow_origins=["*"],
# +        allow_credentials=True,

# %% 05-7 wrong: any-origin
# -        allow_origins=settings.allowed_origins,
# +        allow_origin_regex="|".join(f"{origin}.*" for origin in settings.allowed_origins),

# %% 05-7 wrong: any-origin
# -        allow_origins=settings.allowed_origins,
# +        allow_origins=[*settings.allowed_origins, "null"],

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

# %% 05-7 wrong: no-healthz
# -        return {"status": "alive"}
# +        return {"status": "closed" if app.state.client.is_closed else "alive"}

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

# %% 05-7 wrong: health-costs
# -        return {"status": "alive"}
# +        if hasattr(app.state, "client") and not app.state.client.is_closed:
# +            await app.state.client.get("/models")
# +        return {"status": "alive"}

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

# %% 05-7 wrong: no-log-line
# -json.dumps(line | {"ms": round(1000 * (time.perf_counter() - started))})
# +line | {"ms": round(1000 * (time.perf_counter() - started))}

# %% 05-7 wrong: forged-line
# -                logger.info(json.dumps(line | {"ms": round(1000 * (time.perf_counter() - started))}))
# +                shape = '{"request_id": "%s", "method": "%s", "path": "%s", "status": %d, "ms": %d}'
# +                logger.info(shape, *line.values(), round(1000 * (time.perf_counter() - started)))

# %% 05-7 wrong: another-unit
# -round(1000 * (time.perf_counter() - started))
# +time.perf_counter() - started

# %% 05-7 wrong: lifespan-lost
# -            if scope["type"] != "http":
# -                await self._app(scope, receive, send)
# -                return
# -

# %% 05-7 wrong: lifespan-lost
# -                await self._app(scope, receive, send)
# -                return
# +                return

# %% 05-7 wrong: unanswered
# -                await send(message)
# -
# +

# %% 05-7 wrong: held-back
# -                await send(message)
# -
# +                held.append(message)
# +                if not message.get("more_body", message["type"] == "http.response.start"):
# +                    for each in held:
# +                        await send(each)
# +
# -            try:
# -                await self._app(scope, receive, with_headers)
# +            held = []
# +            try:
# +                await self._app(scope, receive, with_headers)

# %% 05-7 wrong: another-task
# -    app.add_middleware(Hull)
# +    @app.middleware("http")
# +    async def hull(request, call_next):
# +        request_id, started = secrets.token_hex(8), time.perf_counter()
# +        try:
# +            answer = await call_next(request)
# +        except Exception as error:
# +            answer = answer_for(error)
# +        answer.headers.update(SECURITY_HEADERS | {"X-Request-ID": request_id})
# +        line = {"request_id": request_id, "method": request.method, "path": request.url.path}
# +        ms = round(1000 * (time.perf_counter() - started))
# +        logger.info(json.dumps(line | {"status": answer.status_code, "ms": ms}))
# +        return answer

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


# %% 05-7 right: one layer for each task
def harden(app, settings):
    from datetime import datetime

    class Layer:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await (self.http if scope["type"] == "http" else self.app)(scope, receive, send)

    class Headers(Layer):
        async def http(self, scope, receive, send):
            scope["request_id"] = secrets.token_urlsafe(9)

            async def sending(message):
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(raw=message.setdefault("headers", []))
                    headers["x-request-id"] = scope["request_id"]
                    for name, value in SECURITY_HEADERS.items():
                        headers[name] = value
                await send(message)

            await self.app(scope, receive, sending)

    class Errors(Layer):
        async def http(self, scope, receive, send):
            begun = []

            async def sending(message):
                begun.append(message)
                await send(message)

            try:
                await self.app(scope, receive, sending)
            except Exception as error:
                if begun:
                    raise
                await answer_for(error)(scope, receive, send)

    class Log(Layer):
        async def http(self, scope, receive, send):
            began, status = datetime.now(), [0]

            async def sending(message):
                status.append(message.get("status", status[-1]))
                await send(message)

            try:
                await self.app(scope, receive, sending)
            finally:
                ms = (datetime.now() - began).total_seconds() * 1000
                logger.info(
                    "%s",
                    json.dumps({"ms": ms, "status": status[-1], "path": scope["path"], "method": scope["method"], "request_id": scope["request_id"]}),
                )

    @app.get("/healthz")
    def healthz():
        return "ok"

    @app.get("/readyz")
    def readyz(request: Request):
        try:
            closed = request.app.state.client.is_closed
        except AttributeError:
            closed = True
        return JSONResponse({"ready": not closed}, 503 if closed else 200)

    for layer in (Errors, Log, Headers):
        if layer is Errors:
            app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
        app.add_middleware(layer)
    app.add_middleware(CORSMiddleware, allow_origins=settings.allowed_origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["Retry-After", "X-Request-ID"])
