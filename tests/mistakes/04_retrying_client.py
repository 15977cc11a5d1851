# Answers to the exercises of 04_retrying_client. Each block takes the place of the exercise's own cell:
#     # %% 04-2 wrong: name of the mistake that the check must find
#     # %% 04-2 right: another correct way
# A block is the whole answer, or the one slip that turns our solution into it: lines `# -` are replaced by the
# lines `# +` below them. The matrix in tests/course/test_exercises.py runs them all.

# %% 04-1 wrong: retries-401
# -outcome.status in (408, 429, 503)
# +outcome.status in (401, 408, 429, 503)

# %% 04-1 wrong: retries-402
# -outcome.status in (408, 429, 503)
# +outcome.status in (402, 408, 429, 503)

# %% 04-1 wrong: retries-what-ends-the-same
# -    return may_have_begun and
# +    may_have_begun = may_have_begun or (outcome.status or 0) >= 400 and outcome.status not in (401, 402)
# +    return may_have_begun and

# %% 04-1 wrong: retries-what-ends-the-same
# -        or outcome.error_type not in (None, "validation")
# +        or outcome.error_type is not None

# %% 04-1 wrong: retries-what-ends-the-same
# -outcome.trouble in ("read timeout", "lost")
# +outcome.trouble is not None

# %% 04-1 wrong: retries-what-ends-the-same
# -        outcome.status in (500, 502, 504)
# +        (outcome.status or 0) >= 500

# %% 04-1 wrong: retries-what-ends-the-same
# -outcome.status in (408, 429, 503)
# +outcome.status in (408, 425, 429, 503)

# %% 04-1 wrong: gives-up-too-early
# -outcome.status in (408, 429, 503)
# +outcome.status in (429, 503)

# %% 04-1 wrong: gives-up-too-early
def is_retryable(outcome, method):
    if outcome.text_seen or method not in IDEMPOTENT and not outcome.repeatable and outcome.trouble != "connect":
        return False
    if outcome.trouble in ("connect", "read timeout", "lost") or outcome.error_type not in (None, "validation"):
        return True
    return outcome.status in (408, 429, 500, 502, 503, 504)


# %% 04-1 wrong: connect-error-is-final
# -    if outcome.trouble == "connect" or outcome.status
# +    if outcome.status

# %% 04-1 wrong: repeats-post-blindly
# -    return may_have_begun and (outcome.repeatable or method in IDEMPOTENT)
# +    return may_have_begun

# %% 04-1 wrong: refuses-what-was-accepted
# -(outcome.repeatable or method in IDEMPOTENT)
# +(method in IDEMPOTENT)

# %% 04-1 wrong: idempotent-not-repeated
# -method in IDEMPOTENT
# +method in ("GET", "HEAD")

# %% 04-1 wrong: repeats-after-text
# -    if outcome.text_seen:
# -        return False

# %% 04-1 right: match on the outcome
def is_retryable(outcome, method):
    twice_is_fine = method in IDEMPOTENT or outcome.repeatable
    match outcome:
        case Outcome(text_seen=True):
            return False
        case Outcome(trouble="connect") | Outcome(status=408 | 429 | 503) | Outcome(error_type="overloaded"):
            return True
        case Outcome(error_type="validation") | Outcome(trouble="other"):
            return False
        case Outcome(status=500 | 502 | 504) | Outcome(trouble="read timeout" | "lost") | Outcome(error_type=str()):
            return twice_is_fine
    return False


# %% 04-2 wrong: ignores-retry-after
# -for asked_for in (seconds, max(resets, default=0.0)):
# +for asked_for in (max(resets, default=0.0),):

# %% 04-2 wrong: whole-seconds-only
# -seconds = float(asked)
# +seconds = float(int(asked))

# %% 04-2 wrong: shortens-the-servers-wait
# -            return asked_for
# +            return min(asked_for, CAP_SECONDS) if asked_for > 1000 else asked_for

# %% 04-2 wrong: ignores-dates
# -            date = parsedate_to_datetime(asked)
# -            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
# +            raise ValueError

# %% 04-2 wrong: ignores-zones
# -(date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
# +date.replace(tzinfo=UTC).timestamp()

# %% 04-2 wrong: local-time
# -(date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
# +date.timestamp()

# %% 04-2 wrong: ignores-ratelimit
# -headers.get("RateLimit", "")
# +headers.get("X-RateLimit-Reset", "")

# %% 04-2 wrong: waits-for-a-quota-that-is-left
# - if re.fullmatch("0+", quota.get("r", ""))]
# +]

# %% 04-2 wrong: takes-05-for-0
# -re.fullmatch("0+", quota.get("r", ""))
# +quota.get("r", "").startswith("0")

# %% 04-2 wrong: first-window-only
# -max(resets, default=0.0)
# +resets[0] if resets else 0.0

# %% 04-2 wrong: wrong-window
# -    quotas = [dict
# +    empty = "r=0" in headers.get("RateLimit", "")
# +    quotas = [dict
# - if re.fullmatch("0+", quota.get("r", ""))]
# + if empty]

# %% 04-2 wrong: strict-ratelimit
# -headers.get("RateLimit", "").split(",")]
# +(quota if re.search(r"\b[rt]=\d+;[rt]=", quota) else "" for quota in headers.get("RateLimit", "").split(","))]

# %% 04-2 wrong: fixed-order-of-r-and-t
# -    quotas = [dict(re.findall(r"\b([rt])=(\d+)", quota)) for quota in headers.get("RateLimit", "").split(",")]
# -    resets = [float(quota.get("t", 0)) for quota in quotas if re.fullmatch("0+", quota.get("r", ""))]
# +    resets = [float(t) for t in re.findall(r"\br=0+\s*;\s*t=(\d+)", headers.get("RateLimit", ""))]

# %% 04-2 wrong: wrong-order
# -    for asked_for in (seconds, max(resets, default=0.0)):
# +    for asked_for in (max(resets, default=0.0), seconds):

# %% 04-2 wrong: stops-at-garbage
# -    for asked_for in (seconds, max(resets, default=0.0)):
# +    for asked_for in (seconds,) if "Retry-After" in headers else (max(resets, default=0.0),):

# %% 04-2 wrong: too-long-for-a-float
# -    resets = [float(quota
# +    resets = [int(quota

# %% 04-2 wrong: crashes-on-garbage
# -headers.get("Retry-After", "")
# +headers.get("Retry-After", "0")
# -(ValueError, TypeError, OverflowError)
# +TypeError

# %% 04-2 wrong: crashes-on-garbage
# -        if 0 < asked_for < math.inf:
# +        if int(asked_for) > 0:

# %% 04-2 wrong: believes-garbage
# -        if 0 < asked_for < math.inf:
# +        if asked_for and asked_for < math.inf:

# %% 04-2 wrong: believes-garbage
# -        if 0 < asked_for < math.inf:
# +        if 0 < asked_for:

# %% 04-2 wrong: wrong-base
# -min(attempt - 1, 10)
# +min(attempt, 10)

# %% 04-2 wrong: no-cap
# -min(CAP_SECONDS, BASE_SECONDS * 2**doublings)
# +BASE_SECONDS * 2**doublings

# %% 04-2 wrong: wrong-growth
# -BASE_SECONDS * 2**doublings
# +BASE_SECONDS * (doublings * 3 + 1)

# %% 04-2 wrong: no-jitter
# -rng.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**doublings))
# +min(CAP_SECONDS, BASE_SECONDS * 2**doublings)

# %% 04-2 wrong: jitter-after-cap
# -rng.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**doublings))
# +min(CAP_SECONDS, BASE_SECONDS * 2**doublings + rng.uniform(0, 1))

# %% 04-2 wrong: jitter-before-cap
# -rng.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**doublings))
# +min(CAP_SECONDS, rng.uniform(0, BASE_SECONDS * 2**doublings))

# %% 04-2 wrong: not-full-jitter
# -rng.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**doublings))
# +min(CAP_SECONDS, BASE_SECONDS * 2**doublings) * (0.5 + rng.random() / 2)

# %% 04-2 wrong: overflow
# -    doublings = min(attempt - 1, 10)
# +    doublings = attempt - 1

# %% 04-2 right: a helper for each source
def _seconds(text):
    try:
        return float(text)
    except ValueError:
        return 0.0
def _date(text, now):
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return date.timestamp() - now
def _window(text):
    rows = [dict(part.strip().split("=", 1) for part in row.split(";") if "=" in part) for row in text.split(",")]
    return max((_seconds(row["t"]) for row in rows if row.get("r") == "0" and "t" in row), default=0.0)
def wait_seconds(headers, attempt, now, rng):
    asked = headers.get("Retry-After") or ""
    sources = (_seconds(asked), _date(asked, now), _window(headers.get("RateLimit") or ""))
    told = [seconds for seconds in sources if math.isfinite(seconds) and seconds > 0]
    if told:
        return told[0]
    bound = BASE_SECONDS
    for _ in range(attempt - 1):
        if bound >= CAP_SECONDS:
            break
        bound *= 2
    return rng.random() * min(bound, CAP_SECONDS)


# %% 04-3 wrong: no-session
# -    return session
# +    return session.get_adapter("http://")

# %% 04-3 wrong: no-auth
# -    session.auth = auth

# %% 04-3 wrong: netrc-wins
# -    session.auth = auth
# +    session.headers["Authorization"] = f"Bearer {auth._token}"

# %% 04-3 wrong: follows-redirects
# -    session.max_redirects = 0

# %% 04-3 wrong: no-retries
# -        status_forcelist={408, 429, 500, 502, 503, 504},

# %% 04-3 wrong: no-backoff
# -        backoff_factor=0.5,
# -        backoff_jitter=0.5,

# %% 04-3 wrong: waits-do-not-grow
# -        backoff_factor=0.5,

# %% 04-3 wrong: no-spread
# -        backoff_jitter=0.5,

# %% 04-3 wrong: waits-too-long
# -        backoff_max=8,

# %% 04-3 wrong: repeats-post
# -        allowed_methods={"GET", "HEAD"},
# +        allowed_methods=None,

# %% 04-3 wrong: loses-the-answer
# -        raise_on_status=False,

# %% 04-3 wrong: wrong-count
# -        total=retries,
# +        total=retries - 1 if retries < 3 else retries,

# %% 04-3 wrong: waits-an-hour
# -        retry_after_max=MAX_WAIT_SECONDS,

# %% 04-3 wrong: not-as-told
# -        retry_after_max=MAX_WAIT_SECONDS,
# +        respect_retry_after_header=False,

# %% 04-3 wrong: small-pool
# -, pool_maxsize=CONNECTIONS

# %% 04-3 wrong: https-forgotten
# -("http://", "https://")
# +("http://",)

# %% 04-3 wrong: retries-not-mounted
# -HTTPAdapter(max_retries=policy, pool_maxsize=CONNECTIONS)
# +HTTPAdapter(max_retries=policy if scheme == "http://" else 0, pool_maxsize=CONNECTIONS)

# %% 04-3 right: a subclass of Retry that jitters the first wait, too, and reads RateLimit
class PoliteRetry(Retry):
    def get_backoff_time(self):
        return random.uniform(0.01, min(CAP_SECONDS, BASE_SECONDS * 2 ** len(self.history)))
    def get_retry_after(self, response):
        told = super().get_retry_after(response)
        return told if told is None else min(told, MAX_WAIT_SECONDS)
class StayingSession(requests.Session):
    def get_redirect_target(self, resp):
        return None
def build_session(auth, retries):
    policy = PoliteRetry(retries, allowed_methods=["HEAD", "GET", "OPTIONS"], raise_on_status=False,
                         status_forcelist=[408, 429, *range(500, 505)])
    session = StayingSession()
    session.auth = auth
    adapter = HTTPAdapter(max_retries=policy, pool_connections=8, pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


# %% 04-4 wrong: wrong-address
# -f"{self.base_url}/chat/completions"
# +f"{self.base_url}/v1/chat/completions"

# %% 04-4 wrong: wrong-body
# -{"model": self.model, "messages": messages}, call
# +{"inputs": messages}, call

# %% 04-4 wrong: wrong-answer
# -        request_id = response.headers.get("X-Request-Id")
# +        request_id = None

# %% 04-4 wrong: swallows-errors
# -            self._wait_or_raise(result, call)
# +            try:
# +                self._wait_or_raise(result, call)
# +            except ChatError as error:
# +                return {"error": str(error)}

# %% 04-4 wrong: wrong-error
# -                    return refused(response, call)
# +                    return Failure(ServiceUnavailable("no"), Outcome(response.status_code), response.headers)

# %% 04-4 wrong: one-error-shape
# -                    return refused(response, call)
# +                    content = b"".join(chunks(response, call, 5.0))
# +                    code = json.loads(content)["error"]["code"] if b"code" in content else json.loads(content)["error"]
# +                    return replace(refused(response, call), error=(ModelNotServed if code == "model_not_supported" else
# +                        BY_STATUS.get(response.status_code, BadAnswer if response.status_code < 400 else BadRequest))("no"))

# %% 04-4 wrong: repeats-what-is-final
# -        if is_retryable(replace(failure.outcome, repeatable=self.repeatable), "POST"):
# +        if True:

# %% 04-4 wrong: follows-redirect
# -, allow_redirects=False

# %% 04-4 wrong: redirect-accepted
# -                    return refused(response, call)
# +                    if response.status_code >= 400 or response.status_code == 302:
# +                        return refused(response, call)
# +                    return Answer("", None, {}, None, 1, 0.0)

# %% 04-4 wrong: not-streamed
# -, stream=True)
# +)

# %% 04-4 wrong: sends-too-late
# -        if left <= 0:
# -            raise requests.ConnectTimeout("no time left")
# -        connect, read = (min(seconds, left) for seconds in self.timeouts)
# +        connect, read = (max(0.001, min(seconds, left)) for seconds in self.timeouts)

# %% 04-4 wrong: no-time-left
# -        if left <= 0:
# -            raise requests.ConnectTimeout("no time left")

# %% 04-4 wrong: no-timeout
# -timeout=(connect, read), allow
# +allow

# %% 04-4 wrong: timeout-beyond-deadline
# -(min(seconds, left) for seconds in self.timeouts)
# +self.timeouts

# %% 04-4 wrong: other-timeouts
# -timeout=(connect, read)
# +timeout=min(10, call.left())

# %% 04-4 wrong: network-error-escapes
# -(requests.RequestException, ValueError) as error
# +requests.Timeout as error

# %% 04-4 wrong: gives-up
# -            if call.attempts < self.max_attempts and wait < left and self.budget.take():
# +            if call.attempts < self.max_attempts and 1 < wait < left and self.budget.take():

# %% 04-4 wrong: attempts-not-counted
# -request_id, call.attempts, call.elapsed()
# +request_id, 1, call.elapsed()

# %% 04-4 wrong: wrong-waits
# -                self.clock.sleep(wait)
# +                self.clock.sleep(2**call.attempts)

# %% 04-4 wrong: retry-after-ignored
# -wait_seconds(failure.headers, call
# +wait_seconds({}, call

# %% 04-4 wrong: retry-after-ignored
# -self.clock.time(), self.rng
# +self.clock.monotonic(), self.rng

# %% 04-4 wrong: waits-beyond-deadline
# - and wait < left and
# + and

# %% 04-4 wrong: waits-beyond-deadline
# -wait < left
# +wait <= left

# %% 04-4 wrong: limit-not-told
# -            error.retry_after_seconds = wait
# +            if wait >= left:
# +                error = DeadlineExceeded("no time to wait")
# +            error.retry_after_seconds = wait

# %% 04-4 wrong: no-retry-after
# -            error.retry_after_seconds = wait

# %% 04-4 wrong: past-the-deadline
# -content = b"".join(chunks(response, call, self.timeouts[1]))
# +content = response.content

# %% 04-4 wrong: past-the-deadline
# -        self.clock, self.rng = clock
# +        self.deadline_seconds = deadline_seconds * (2 if deadline_seconds == 12 else 1)
# +        self.clock, self.rng = clock

# %% 04-4 wrong: deadline-not-named
# -        if left <= 0 and isinstance(error, ServiceUnavailable):
# -            error = DeadlineExceeded("the time is used up", error.status, error.request_id, error.partial_text)

# %% 04-4 wrong: deadline-forgets
# -error.request_id, error.partial_text)
# +error.request_id)

# %% 04-4 wrong: retry-after-in-vain
# -        error.attempts, error.elapsed_seconds = call.attempts, call.elapsed()
# +        error.attempts, error.elapsed_seconds = call.attempts, call.elapsed()
# +        if error.retry_after_seconds is None and "Retry-After" in failure.headers:
# +            error.retry_after_seconds = wait_seconds(failure.headers, 1, self.clock.time(), self.rng)

# %% 04-4 wrong: wrong-read-time-out
# -chunks(response, call, self.timeouts[1])
# +chunks(response, call, self.timeouts[0])

# %% 04-4 wrong: wrong-read-time-out
# -chunks(response, call, self.timeouts[1])
# +chunks(response, call, 1e9)

# %% 04-4 wrong: too-many-attempts
# -call.attempts < self.max_attempts
# +call.attempts <= self.max_attempts

# %% 04-4 wrong: empty-error
# -        error.attempts, error.elapsed_seconds = call.attempts, call.elapsed()

# %% 04-4 wrong: repeatable-ignored
# -repeatable=self.repeatable)
# +repeatable=True)

# %% 04-4 wrong: budget-not-asked
# - and self.budget.take()

# %% 04-4 wrong: budget-asked-in-vain
# -call.attempts < self.max_attempts and wait < left and self.budget.take()
# +self.budget.take() and call.attempts < self.max_attempts and wait < left

# %% 04-4 wrong: bad-answer-escapes
# -        except (ValueError, LookupError, TypeError):
# +        except ValueError:

# %% 04-4 wrong: bad-answer-escapes
# -        if not isinstance(text, str):
# +        if not isinstance(text, str) and not (isinstance(body, dict) and (body.get("choices") or [{}])[0].get("message")):

# %% 04-4 wrong: demands-the-optional
# -            text = choice["message"]["content"]
# +            text = choice["message"]["content"]
# +            body["usage"].get, choice["finish_reason"]
# -LookupError, TypeError)
# +LookupError, TypeError, AttributeError)

# %% 04-4 wrong: bad-answer-repeated
# -"this is no chat completion", 200, request_id), Outcome(200)
# +"this is no chat completion", 200, request_id), Outcome(200, trouble="lost")

# %% 04-4 wrong: prints-token
# -            return unreachable(error)
# +            print("failed:", error, error.request.headers if getattr(error, "request", None) else "")
# +            return unreachable(error)

# %% 04-4 wrong: broken-token-shown
# -(requests.RequestException, ValueError) as error
# +requests.RequestException as error

# %% 04-4 wrong: secret-in-error
# -            return unreachable(error)
# +            return Failure(ServiceUnavailable(f"no answer: {error}"), unreachable(error).outcome)

# %% 04-4 wrong: secret-in-error
# -            return unreachable(error)
# +            failure = unreachable(error)
# +            failure.error.__cause__ = error
# +            return failure

# %% 04-4 wrong: secret-in-error
# -                    return refused(response, call)
# +                    failure = refused(response, call)
# +                    failure.error.response = response
# +                    return failure

# %% 04-4 wrong: connection-kept
# -            with self._send({"model": self.model, "messages": messages}, call) as response:
# -                if response
# +            response = self._send({"model": self.model, "messages": messages}, call)
# +            if True:
# +                if response

# %% 04-4 right: an attempt in small steps, and one reason to give up after the other
class ChatClient:
    def __init__(self, session, base_url, model, *, deadline_seconds=60.0, timeouts=(5.0, 30.0), max_attempts=4,
                 repeatable=True, budget=None, clock=time, rng=None):
        self.session, self.base_url, self.model = session, base_url, model
        self.deadline_seconds, self.timeouts, self.max_attempts = deadline_seconds, timeouts, max_attempts
        self.repeatable, self.budget = repeatable, budget or NoBudget()
        self.clock, self.rng = clock, rng or random.Random()
    def complete(self, messages):
        call, result = Call(self.clock, self.deadline_seconds), None
        while not isinstance(result, Answer):
            if result:
                self._wait_or_raise(result, call)
            call.attempts += 1
            result = self._once(messages, call)
        self.budget.success()
        return result
    def _send(self, body, call):
        left = call.left()
        if not left > 0:
            raise requests.ConnectTimeout()
        limits = tuple(min(most, left) for most in self.timeouts)
        return self.session.request("POST", self.base_url + "/chat/completions", json=body, timeout=limits,
                                    stream=True, allow_redirects=False)
    def _once(self, messages, call):
        response = None
        try:
            response = self._send(dict(messages=messages, model=self.model), call)
            if response.status_code != 200:
                return refused(response, call)
            content = bytearray().join(chunks(response, call, self.timeouts[1]))
        except (requests.RequestException, ValueError) as error:
            return unreachable(error)
        finally:
            if response is not None:
                response.close()
        request_id = response.headers.get("x-request-id")
        try:
            match json.loads(content):
                case {"choices": [{"message": {"content": str(text)}, **choice}, *_], **rest}:
                    told = choice.get("finish_reason"), rest.get("usage") or {}
                    return Answer(text, *told, request_id, call.attempts, call.elapsed())
        except ValueError:
            pass
        return Failure(BadAnswer("odd", 200, request_id), Outcome(200))
    def _wait_or_raise(self, failure, call):
        error = failure.error
        if call.left() <= 0 and type(error) is ServiceUnavailable:
            error = DeadlineExceeded("late", error.status, error.request_id, error.partial_text)
        error.attempts, error.elapsed_seconds = call.attempts, call.elapsed()
        if not is_retryable(replace(failure.outcome, repeatable=self.repeatable), "POST"):
            raise error
        error.retry_after_seconds = wait_seconds(failure.headers, call.attempts, self.clock.time(), self.rng)
        for no in (
            lambda: call.attempts >= self.max_attempts,
            lambda: error.retry_after_seconds >= call.left(),
            lambda: not self.budget.take(),
        ):
            if no():
                raise error
        self.clock.sleep(error.retry_after_seconds)


# %% 04-4 right: tenacity decides
# -        if is_retryable(replace(failure.outcome, repeatable=self.repeatable), "POST"):
# -            wait = wait_seconds(failure.headers, call.attempts, self.clock.time(), self.rng)
# -            if call.attempts < self.max_attempts and wait < left and self.budget.take():
# -                self.clock.sleep(wait)
# -                return
# -            error.retry_after_seconds = wait
# -        error.attempts, error.elapsed_seconds = call.attempts, call.elapsed()
# -        raise error
# +        import tenacity
# +        again = is_retryable(replace(failure.outcome, repeatable=self.repeatable), "POST")
# +        if again:
# +            error.retry_after_seconds = wait_seconds(failure.headers, call.attempts, self.clock.time(), self.rng)
# +        error.attempts, error.elapsed_seconds = call.attempts, call.elapsed()
# +        retrying = tenacity.Retrying(
# +            retry=tenacity.retry_if_exception(lambda _: again),
# +            wait=tenacity.wait_fixed(error.retry_after_seconds or 0),
# +            stop=lambda state: call.attempts >= self.max_attempts or state.upcoming_sleep >= left or not self.budget.take(),
# +            reraise=True,
# +        )
# +        retrying.begin()
# +        state = tenacity.RetryCallState(retrying, None, (), {})
# +        state.set_exception((type(error), error, None))
# +        self.clock.sleep(retrying.iter(state))

# %% 04-5 wrong: wrong-capacity
# -            if self._left < 1:
# +            if self._left < 0:

# %% 04-5 wrong: never-refilled
# -            self._left = min(self._capacity, self._left + self._per_success)
# +            pass

# %% 04-5 wrong: refills-too-fast
# -            if self._left < 1:
# +            if self._left <= 0:

# %% 04-5 wrong: refills-too-fast
# -self._left + self._per_success
# +self._left + 1

# %% 04-5 wrong: no-ceiling
# -            self._left = min(self._capacity, self._left + self._per_success)
# +            self._left += self._per_success

# %% 04-5 wrong: shared-by-all
# -        self._left = capacity
# +        RetryBudget._left = capacity
# -            self._left -= 1
# +            RetryBudget._left -= 1

# %% 04-5 wrong: race
# -        with self._lock:
# -            if self._left < 1:
# +        if True:
# +            if self._left < 1:

# %% 04-5 wrong: race-in-success
# -        with self._lock:
# -            self._left = min
# +        if True:
# +            self._left = min

# %% 04-5 right: a bounded semaphore of parts, and a condition
class RetryBudget:
    def __init__(self, capacity=10.0, per_success=0.1):
        self.capacity, self.per_success, self.used, self.guard = capacity, per_success, 0.0, threading.RLock()
    def take(self):
        self.guard.acquire()
        try:
            allowed = self.capacity >= self.used + 1
            self.used += allowed
            return allowed
        finally:
            self.guard.release()
    def success(self):
        with self.guard:
            self.used = max(0.0, self.used - self.per_success)


# %% 04-6 wrong: rule-misses-events
# -        for following in others:
# +        for following in others[:2]:

# %% 04-6 wrong: rule-cr-is-no-line-end
# -rb"\r\n|\r|\n", chunk
# +rb"\r?\n", chunk

# %% 04-6 wrong: rule-other-line-ends
class SSEDecoder:
    def __init__(self, limit_bytes=1_000_000):
        self.retry_milliseconds, self.rest, self.data = None, "", []
    def feed(self, chunk):
        events, self.rest = [], self.rest + chunk.decode()
        lines = self.rest.replace("\r\n", "\n").replace("\r", "\n").splitlines(keepends=True)
        self.rest = ""
        for line in lines:
            if not line.strip("\n") and self.data:
                events.append(Event("\n".join(self.data)))
                self.data = []
            elif line.startswith("data: "):
                self.data.append(line[6:].rstrip("\n\u2028\u2029\x85\x0b\x0c"))
        return events


# %% 04-6 wrong: rule-space-after-colon
# -        name, _, value = line.decode("utf-8", "replace").partition(":")
# -        value = value.removeprefix(" ")
# +        name, _, value = line.decode("utf-8", "replace").partition(": ")

# %% 04-6 wrong: rule-space-after-colon
# -value = value.removeprefix(" ")
# +value = value.strip(" ")

# %% 04-6 wrong: rule-colon-in-value
# -        name, _, value = line.decode("utf-8", "replace").partition(":")
# +        name, _, value = line.decode("utf-8", "replace").rpartition(":")

# %% 04-6 wrong: rule-several-data-lines
# -"\n".join(data)
# +"".join(data)

# %% 04-6 wrong: rule-empty-data
# -kind, self._id)] if data else []
# +kind, self._id)] if "".join(data) else []

# %% 04-6 wrong: rule-comment
# -        name, _, value = line.decode("utf-8", "replace").partition(":")
# +        name, _, value = line.decode("utf-8", "replace").lstrip(":").partition(":")

# %% 04-6 wrong: rule-event-without-data
# -kind, self._id)] if data else []
# +kind, self._id)]

# %% 04-6 wrong: rule-event-without-data
# -        self._data, self._gathered, self._type = [], 0, ""
# +        self._data, self._gathered, self._type = [], 0, "" if data else self._type

# %% 04-6 wrong: rule-type
# -        self._data, self._gathered, self._type = [], 0, ""
# +        self._data, self._gathered, self._type = [], 0, self._type if data else ""

# %% 04-6 wrong: rule-names-are-exact
# -        if name == "data":
# +        if name.strip().lower() == "data":

# %% 04-6 wrong: rule-id
# -kind, self._id)] if data else []
# +kind, self.__dict__.pop("_id", ""))] if data else []
# -        elif name == "id" and
# +        elif name == "id" and self.__dict__.setdefault("_id", "") is not None and

# %% 04-6 wrong: rule-id-with-nul
# - and "\0" not in value:
# +:

# %% 04-6 wrong: rule-unfinished
# -        if len(self._line) + self._gathered > self.limit_bytes:
# +        if self._data and not events[1:] and not chunk.endswith(b"\n\n") and events:
# +            events += self._end_of_event()
# +        if len(self._line) + self._gathered > self.limit_bytes:

# %% 04-6 wrong: rule-bom
# -line.removeprefix(b"\xef\xbb\xbf"), False
# +line, False

# %% 04-6 wrong: rule-bom
# -        name, _, value = line.decode("utf-8", "replace").partition(":")
# +        name, _, value = line.decode("utf-8", "replace").replace("\ufeff", "").partition(":")

# %% 04-6 wrong: rule-bom
# -        if self._at_start:
# -            line, self._at_start = line.removeprefix(b"\xef\xbb\xbf"), False
# +        if self._at_start or not line.startswith(b"\xef\xbb\xbf" * 2):
# +            line, self._at_start = line.removeprefix(b"\xef\xbb\xbf"), False

# %% 04-6 wrong: rule-bad-bytes
# -line.decode("utf-8", "replace")
# +line.decode("utf-8", "ignore")

# %% 04-6 wrong: rule-letters
# -line.decode("utf-8", "replace")
# +line.decode("latin-1" if line.isascii() or b"\xf0" in line else "utf-8", "replace")

# %% 04-6 wrong: decodes-by-chunk
# -            return []
# -        if self._after_cr:
# +            return []
# +        chunk = chunk.decode("utf-8", "replace").encode()
# +        if self._after_cr:

# %% 04-6 wrong: depends-on-cuts
# -        if self._after_cr:
# -            chunk = chunk.removeprefix(b"\n")

# %% 04-6 wrong: event-held-back
# -        if self._after_cr:
# -            chunk = chunk.removeprefix(b"\n")
# -        self._after_cr = chunk.endswith(b"\r")
# +        chunk = self.__dict__.pop("_held", b"") + chunk
# +        if chunk.endswith(b"\r"):
# +            chunk, self._held = chunk[:-1], b"\r"

# %% 04-6 wrong: retry
# - and value.isascii() and value.isdigit():
# + and value:

# %% 04-6 wrong: wrong-limit
# -self._gathered > self.limit_bytes
# +self._gathered >= self.limit_bytes

# %% 04-6 wrong: wrong-limit
# -            self._gathered += len(line)
# +            self._gathered += len(value)

# %% 04-6 wrong: unbounded
# -        if len(self._line) + self._gathered > self.limit_bytes:
# -            raise StreamTooLong(f"an event is longer than {self.limit_bytes} bytes")

# %% 04-6 wrong: unbounded
# -len(self._line) + self._gathered > self
# +len(self._line) > self

# %% 04-6 wrong: bound-too-tight
# -len(self._line) + self._gathered > self
# +len(chunk) + len(self._line) + self._gathered > self

# %% 04-6 wrong: bound-too-tight
# -        self._line += first
# +        self.total = getattr(self, "total", 0) + len(chunk)
# +        if self.total > self.limit_bytes and chunk.startswith(b":"):
# +            raise StreamTooLong("too much")
# +        self._line += first

# %% 04-6 right: one character at a time, decoded step by step
import codecs
class SSEDecoder:
    def __init__(self, limit_bytes=1_000_000):
        self.retry_milliseconds, self.limit = None, limit_bytes
        self.letters = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self.line, self.lines, self.kind, self.id, self.cr, self.kept = [], [], "", "", False, 0
    def feed(self, chunk):
        events = []
        for letter in self.letters.decode(chunk):
            if letter == "\n" and self.cr:
                self.cr = False
                continue
            self.cr = letter == "\r"
            if letter not in "\r\n":
                self.line.append(letter)
                continue
            event = self.ended("".join(self.line))
            self.line = []
            if event:
                events.append(event)
        if len("".join(self.line).encode()) + self.kept > self.limit:
            raise StreamTooLong("too long")
        return events
    def ended(self, line):
        if line == "":
            event = Event("\n".join(self.lines), self.kind or "message", self.id) if self.lines else None
            self.lines, self.kind, self.kept = [], "", 0
            return event
        field, colon, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        match field:
            case "data":
                self.lines.append(value)
                self.kept += len(line.encode())
            case "event":
                self.kind = value
            case "id" if "\x00" not in value:
                self.id = value
            case "retry" if re.fullmatch("[0-9]{1,4300}", value):
                self.retry_milliseconds = int(value)


# %% 04-7 wrong: no-stream-asked
# -, "stream_options": {"include_usage": True}}
# +}

# %% 04-7 wrong: indexes-blindly
# -    try:
# -        choice = payload["choices"][0]
# -        return choice["delta"].get("content") or "", choice.get("finish_reason")
# -    except (LookupError, TypeError, AttributeError):
# -        return "", None
# +    choice = payload["choices"][0]
# +    return choice["delta"].get("content") or "", choice.get("finish_reason")

# %% 04-7 wrong: indexes-blindly
# -    except (LookupError, TypeError, AttributeError):
# +    except LookupError:

# %% 04-7 wrong: wrong-pieces
# -                    if piece:
# +                    if True:

# %% 04-7 wrong: usage-lost
# -payload.get("usage") or usage
# +payload.get("usage") or {}
# -                        return Answer(text, finish_reason, usage, request_id, call.attempts, call.elapsed())
# -                    payload
# +                        return Answer(text, finish_reason, {}, request_id, call.attempts, call.elapsed())
# +                    payload

# %% 04-7 wrong: usage-lost
# -        text, finish_reason, usage = "", None, dict[str, int]()
# +        text, finish_reason, usage = "", None, dict[str, int]()
# -                        hang_up(response, call)
# +                        usage = {"total_tokens": len(text)}
# +                        hang_up(response, call)

# %% 04-7 wrong: wrong-end
# -                        hang_up(response, call)
# +                        request_id = None
# +                        hang_up(response, call)

# %% 04-7 wrong: bare-done
# -                        hang_up(response, call)
# +                        finish_reason = finish_reason or "stop"
# +                        hang_up(response, call)

# %% 04-7 wrong: no-hang-up
# -                        hang_up(response, call)

# %% 04-7 wrong: waits-for-the-end
# -                for event in self._events(response, call):
# +                for event in list(self._events(response, call)):

# %% 04-7 wrong: status-ignored
# -                if response.status_code != 200:
# -                    return refused(response, call)

# %% 04-7 wrong: page-taken-for-a-stream
# -                if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
# -                    return Failure(broken, Outcome(200))

# %% 04-7 wrong: gives-up-before-text
# -        return after(text, Failure(cut, Outcome(200, trouble="lost")))
# +        return Failure(cut, Outcome(200, trouble="lost", text_seen=True))

# %% 04-7 wrong: error-event-ignored
# -                    if "error" in payload:
# -                        return after(text, failed_event(payload, request_id))
# +                    if "error" in payload and not text:
# +                        return after(text, failed_event(payload, request_id))

# %% 04-7 wrong: truncation-unnoticed
# -        if finish_reason:
# +        if finish_reason or text:

# %% 04-7 wrong: stream-error-escapes
# -        except StreamTooLong:
# -            return after(text, Failure(broken, Outcome(200)))

# %% 04-7 wrong: repeats-after-text
# -            return after(text, unreachable(error))
# +            return unreachable(error)

# %% 04-7 wrong: partial-text-lost
# -            return after(text, unreachable(error))
# +            return replace(after(text, unreachable(error)), error=ServiceUnavailable("the stream broke"))

# %% 04-7 wrong: loses-whole-chunks
# -            yield from decoder.feed(chunk)
# +            events = decoder.feed(chunk)
# +            if any(event.data[:1] not in "[{" for event in events):
# +                events = events[-1:]
# +            yield from events

# %% 04-7 wrong: done-demanded
# -        if finish_reason:
# +        if False:

# %% 04-7 wrong: reads-after-done
# -                    if event.data == "[DONE]":
# -                        hang_up(response, call)
# -                        return Answer(text, finish_reason, usage, request_id, call.attempts, call.elapsed())
# +                    if event.data == "[DONE]":
# +                        continue

# %% 04-7 wrong: endless-stream
# -        for chunk in chunks(response, call, self.timeouts[1]):
# +        for chunk in chunks(response, Call(self.clock, 1e9), self.timeouts[1]):

# %% 04-7 wrong: connection-kept
# -            with self._send(body, call) as response:
# -                request_id
# +            response = self._send(body, call)
# +            if True:
# +                request_id

# %% 04-7 wrong: secret-in-error
# -            return after(text, unreachable(error))
# +            failure = after(text, unreachable(error))
# +            failure.error.__cause__ = error
# +            return failure

# %% 04-7 right: written as one loop, with the failure decided at the end
class StreamingChatClient(ChatClient):
    def stream(self, messages):
        return TextStream(self._pieces(messages))
    def _pieces(self, messages):
        call, result = Call(self.clock, self.deadline_seconds), None
        while not isinstance(result, Answer):
            if result is not None:
                self._wait_or_raise(result, call)
            call.attempts += 1
            result = yield from self._stream_once(messages, call)
        self.budget.success()
        return result
    def _stream_once(self, messages, call):
        asked = dict(model=self.model, messages=messages, stream=True, stream_options=dict(include_usage=True))
        got, end, usage, response = [], None, {}, None
        def failed(kind, what, **outcome):
            return after("".join(got), Failure(kind(what, 200), Outcome(200, **outcome)))
        def answered():
            return Answer("".join(got), end, usage, response.headers.get("X-Request-Id"), call.attempts, call.elapsed())
        try:
            response = self._send(asked, call)
            if response.status_code != 200:
                return refused(response, call)
            if response.headers.get("content-type", "").split(";")[0] != "text/event-stream":
                return failed(BadAnswer, "no stream")
            decoder = SSEDecoder(100_000)
            for data in (event.data for chunk in chunks(response, call, self.timeouts[1]) for event in decoder.feed(chunk)):
                if data == "[DONE]":
                    hang_up(response, call)
                    return answered()
                try:
                    said = json.loads(data)
                except json.JSONDecodeError:
                    said = None
                if type(said) is not dict:
                    return failed(BadAnswer, "no object")
                if "error" in said:
                    return after("".join(got), failed_event(said, None))
                usage = said.get("usage") or usage
                for choice in said.get("choices", [])[:1]:
                    end = choice.get("finish_reason", end) or end
                    text = (choice.get("delta") or {}).get("content")
                    if text:
                        got.append(text)
                        yield text
            return answered() if end else failed(ServiceUnavailable, "cut", trouble="lost")
        except StreamTooLong:
            return failed(BadAnswer, "too long")
        except (requests.RequestException, ValueError) as error:
            return after("".join(got), unreachable(error))
        finally:
            if response is not None:
                response.close()
