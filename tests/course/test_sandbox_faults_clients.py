"""What the real clients make of every fault: the error they raise, or the answer they take for a good one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
import requests
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from course import sandbox
from course.sandbox import faults

MODEL = "openai/gpt-oss-120b"
QUESTION: Any = [{"role": "user", "content": "What is a read token?"}]
ANSWER = "A read token reads everything you can read"

Ask = Callable[[sandbox.Sandbox, str, bool, float], str]


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


def post(
    hub: sandbox.Sandbox,
    token: str = "read",  # noqa: S107 the name of one
    stream: bool = False,
    timeout: float = 10,
    session: requests.Session | None = None,
) -> requests.Response:
    return (session or requests.Session()).post(
        f"{hub.router}/v1/chat/completions",
        json={"model": MODEL, "messages": QUESTION, "stream": stream},
        headers={"Authorization": f"Bearer {hub.tokens[token]}"},
        timeout=timeout,
        stream=stream,
    )


def with_requests(hub: sandbox.Sandbox, token: str, stream: bool, timeout: float) -> str:
    with post(hub, token, stream, timeout) as answer:
        answer.raise_for_status()
        return b"".join(answer.iter_content(None)).decode()


def with_inference_client(hub: sandbox.Sandbox, token: str, stream: bool, timeout: float) -> str:
    with InferenceClient(base_url=hub.router, api_key=hub.tokens[token], timeout=timeout) as client:
        return text_of(client.chat_completion(QUESTION, model=MODEL, stream=stream), stream)


def with_openai(hub: sandbox.Sandbox, token: str, stream: bool, timeout: float) -> str:
    with openai.OpenAI(
        base_url=f"{hub.router}/v1", api_key=hub.tokens[token], max_retries=0, timeout=timeout
    ) as client:
        return text_of(client.chat.completions.create(model=MODEL, messages=QUESTION, stream=stream), stream)


def text_of(answer: Any, stream: bool) -> str:
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)


CLIENTS: list[Ask] = [with_requests, with_inference_client, with_openai]


def seen_by_all(hub: sandbox.Sandbox, fault: faults.Fault, timeout: float) -> list[str]:
    """The outcome for each client, plain and streamed: the name of an error, or how much of the answer came.

    All ask at once, each with a token and a fault of its own.
    """
    hub.clock.freeze()
    calls = [(ask, f"{ask.__name__}_{stream}", stream) for ask in CLIENTS for stream in (False, True)]

    def outcome(ask: Ask, token: str, stream: bool, whole: str) -> str:
        try:
            text = ask(hub, token, stream, timeout)
        except Exception as error:
            return type(error).__name__
        return "whole" if text == whole else "empty" if not text else "part" if whole.startswith(text) else "other"

    running = []
    with ThreadPoolExecutor() as pool:
        for ask, token, stream in calls:
            hub.token_store.issue(token, "read")
            whole = ask(hub, token, stream, 10)
            hub.fail_next(fault, client=token)
            running.append(pool.submit(outcome, ask, token, stream, whole))
        return [future.result() for future in running]


# One row a fault, two columns a client (plain, streamed): requests, InferenceClient, openai.
SEEN = """
Reset()                    ConnectionError      ConnectionError       ReadError             ReadError           APIConnectionError APIConnectionError
Hang()                     ReadTimeout          ReadTimeout           InferenceTimeoutError InferenceTimeoutError APITimeoutError  APITimeoutError
Drip(interval_seconds=9.0)  ConnectionError      ConnectionError       InferenceTimeoutError ReadTimeout         APITimeoutError    APITimeoutError
Stall()                    ConnectionError      ConnectionError       InferenceTimeoutError ReadTimeout         APITimeoutError    APITimeoutError
ShortBody()                ChunkedEncodingError ChunkedEncodingError  RemoteProtocolError   RemoteProtocolError APIConnectionError APIConnectionError
CutChunk()                 ChunkedEncodingError ChunkedEncodingError  RemoteProtocolError   RemoteProtocolError APIConnectionError APIConnectionError
CutClose()                 part                 part                  JSONDecodeError       part                JSONDecodeError    part
ErrorEvent()               other                other                 TypeError             OverloadedError     TypeError          APIError
ErrorEvent(shape='object') other                other                 TypeError             UnknownError        TypeError          APIError
NoDone()                   whole                part                  whole                 whole               whole              whole
NoDone(after=3)            whole                part                  whole                 part                whole              part
Slices(size_bytes=64)      whole                whole                 whole                 whole               whole              whole
Slices(at=(1, 3))          whole                whole                 whole                 whole               whole              whole
Drip(interval_seconds=0)   whole                whole                 whole                 whole               whole              whole
LoginPage()                other                other                 JSONDecodeError       empty               AttributeError     empty
Redirect(to='same')        whole                whole                 whole                 whole               whole              whole
Redirect(to='port')        HTTPError            HTTPError             HfHubHTTPError        HfHubHTTPError      AuthenticationError AuthenticationError
Redirect(to='host')        HTTPError            HTTPError             HfHubHTTPError        HfHubHTTPError      AuthenticationError AuthenticationError
Status(status=429)         HTTPError            HTTPError             HfHubHTTPError        HfHubHTTPError      RateLimitError     RateLimitError
"""  # noqa: E501
SILENT = {"Hang()", "Stall()", "Drip(interval_seconds=9.0)"}


def rows() -> list[Any]:
    names = {name: getattr(faults, name) for name in faults.KINDS}
    split = [line.rsplit(None, 6) for line in SEEN.strip().splitlines()]
    return [pytest.param(eval(told[0], names), told[1:], id=told[0].strip()) for told in split]  # noqa: S307


@pytest.mark.parametrize(("fault", "due"), rows())
def test_each_client_sees_the_fault_in_its_own_way(hub: sandbox.Sandbox, fault: faults.Fault, due: list[str]) -> None:
    seen = seen_by_all(hub, fault, 1 if str(fault) in SILENT else 10)  # less, and a busy machine times out elsewhere

    assert seen == due
    assert hub.faults.used == [fault] * 6


def test_the_text_that_came_is_a_good_answer_for_the_clients(hub: sandbox.Sandbox) -> None:
    assert all(ANSWER in ask(hub, "read", False, 10) for ask in CLIENTS)


@pytest.mark.parametrize("body", ["object", "string", "list", "html", "empty", "wrong_type", "invalid_json"])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 410, 413, 422, 424, 429, 500, 502, 503, 504])
def test_any_status_comes_with_any_body(hub: sandbox.Sandbox, status: int, body: faults.Body) -> None:
    hub.fail_next(status, body=body)

    answer = post(hub)

    shape: dict[str, Callable[[], bool]] = {
        "object": lambda: isinstance(answer.json()["error"]["message"], str),
        "string": lambda: isinstance(answer.json()["error"], str),
        "list": lambda: isinstance(answer.json()["error"][0], str),
        "html": lambda: answer.headers["content-type"].startswith("text/html") and answer.text.startswith("<html>"),
        "empty": lambda: answer.content == b"" and "content-type" not in answer.headers,
        "wrong_type": lambda: answer.headers["content-type"].startswith("text/plain") and "error" in answer.json(),
        "invalid_json": lambda: _is_no_json(answer),
    }
    assert answer.status_code == status
    assert shape[body]()


def _is_no_json(answer: requests.Response) -> bool:
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    return answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("wait", "sent"),
    [
        (2, "2"),
        (1.5, "1.5"),
        (-5, "-5"),
        (0, "0"),
        (7200, "7200"),
        ("soon", "soon"),
        ("nan", "nan"),
        (faults.DateIn(90), "Mon, 02 Nov 2026 09:01:30 GMT"),
        (faults.DateIn(-60), "Mon, 02 Nov 2026 08:59:00 GMT"),
    ],
)
def test_a_time_to_wait_is_told_in_any_form(hub: sandbox.Sandbox, wait: float | str | faults.DateIn, sent: str) -> None:
    hub.clock.freeze()
    hub.fail_next(503, retry_after=wait)

    assert post(hub).headers["Retry-After"] == sent


def test_a_rate_limit_can_be_told_without_retry_after(hub: sandbox.Sandbox) -> None:
    hub.fail_next(429, rate_limit=(0, 40))

    answer = post(hub)

    assert answer.headers["RateLimit"] == '"api";r=0;t=40'
    assert "Retry-After" not in answer.headers


def test_a_failure_carries_the_number_of_its_request_into_the_errors_of_the_libraries(hub: sandbox.Sandbox) -> None:
    hub.fail_next(503, times=2)

    with pytest.raises(HfHubHTTPError) as first:
        with_inference_client(hub, "read", False, 10)
    with pytest.raises(openai.InternalServerError) as second:
        with_openai(hub, "read", False, 10)

    assert (first.value.request_id, second.value.request_id) == ("sandbox-1", "sandbox-2")


def test_nobody_listens_at_the_refused_address(hub: sandbox.Sandbox) -> None:
    with pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(hub.refused_url, timeout=5)

    assert hub.requests == []


# What requests does once a urllib3 Retry is mounted. Waits are 0: the backoff factor is.
RETRIED: list[tuple[str, faults.Fault, Retry, str, int]] = [
    ("a listed status, used up", faults.Status(503),
     Retry(1, status_forcelist=[503], allowed_methods=None), "RetryError", 2),
    ("a post that may not", faults.Status(503), Retry(1, status_forcelist=[503]), "503", 1),
    ("used up, without raising", faults.Status(503),
     Retry(1, status_forcelist=[503], allowed_methods=None, raise_on_status=False), "503", 2),
    ("413 with a time to wait", faults.Status(413, retry_after=0), Retry(1, allowed_methods=None), "413", 2),
    ("a negative wait", faults.Status(503, retry_after=-5), Retry(1, allowed_methods=None), "InvalidHeader", 1),
    ("a fraction of a second", faults.Status(503, retry_after=1.5), Retry(1, allowed_methods=None), "InvalidHeader", 1),
    ("no number at all", faults.Status(503, retry_after="abc"), Retry(1, allowed_methods=None), "InvalidHeader", 1),
    ("RateLimit is not read", faults.Status(429, rate_limit=(0, 40)), Retry(1, allowed_methods=None), "429", 1),
    ("a read timeout, used up", faults.Hang(), Retry(0, allowed_methods=None), "ConnectionError", 1),
    ("a read timeout, may not", faults.Hang(), Retry(1), "ReadTimeout", 1),
    ("a reset, may not", faults.Reset(), Retry(1), "ConnectionError", 1),
    ("a reset, may", faults.Reset(), Retry(1, allowed_methods=None), "ConnectionError", 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "retry", "due", "calls"), [row[1:] for row in RETRIED], ids=[row[0] for row in RETRIED]
)
def test_requests_retries_as_the_course_says(
    hub: sandbox.Sandbox, fault: faults.Fault, retry: Retry, due: str, calls: int
) -> None:
    hub.fail_next(fault, times=2)
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))

    try:
        seen = str(post(hub, timeout=0.2 if isinstance(fault, faults.Hang) else 10, session=session).status_code)
    except requests.RequestException as error:
        seen = type(error).__name__

    assert (seen, len(hub.requests)) == (due, calls)


def test_a_refused_connection_is_retried_for_post_too(hub: sandbox.Sandbox) -> None:
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(2)))

    with pytest.raises(requests.ConnectionError, match="NewConnectionError") as caught:
        session.post(hub.refused_url, timeout=5)

    assert "Max retries exceeded" in str(caught.value)


def test_custom_headers_follow_a_redirect_to_another_origin_and_the_token_does_not(hub: sandbox.Sandbox) -> None:
    hub.fail_next(faults.Redirect("port"))
    key = hub.tokens["read"]

    requests.get(f"{hub.url}/api/whoami-v2", headers={"Authorization": f"Bearer {key}", "X-Key": "mine"}, timeout=5)

    here, there = hub.requests
    assert (here.status, there.status) == (307, 401)
    assert ("authorization" in here.request_headers, "authorization" in there.request_headers) == (True, False)
    assert there.request_headers["x-key"] == "mine"


def test_a_post_becomes_a_get_after_302(hub: sandbox.Sandbox) -> None:
    hub.fail_next(faults.Redirect("same", status=302))

    post(hub)

    assert [seen.method for seen in hub.requests] == ["POST", "GET"]


def test_too_many_redirects_are_an_error_of_their_own(hub: sandbox.Sandbox) -> None:
    hub.fail_next(faults.Redirect("same"), times=40)

    with pytest.raises(requests.TooManyRedirects) as caught:
        post(hub)

    assert caught.value.response is not None


def test_a_stream_in_single_bytes_is_the_same_stream(hub: sandbox.Sandbox) -> None:
    hub.clock.freeze()
    whole = post(hub, stream=True).content
    hub.fail_next(faults.Slices())

    pieces = list(post(hub, stream=True).iter_content(None))

    assert b"".join(pieces) == whole
    assert {len(piece) for piece in pieces} == {1}


def test_a_body_that_drips_faster_than_the_timeout_passes_it(hub: sandbox.Sandbox) -> None:
    """The timeout of requests is the wait between bytes: the whole may take as long as it likes."""
    hub.fail_next(faults.Drip(interval_seconds=0.02, size_bytes=10))

    answer = post(hub, timeout=0.5)

    assert answer.elapsed.total_seconds() < 0.5
    assert ANSWER in answer.text


@pytest.mark.parametrize("fault", [faults.CutChunk(after=5), faults.ShortBody(after=5), faults.Reset()], ids=str)
def test_a_download_from_the_hub_breaks_in_the_same_way(hub: sandbox.Sandbox, fault: faults.Fault) -> None:
    hub.fail_next(fault, on="hub")

    with pytest.raises(requests.RequestException):
        _ = requests.get(f"{hub.url}/sandbox/haiku/resolve/main/README.md", timeout=5).content

    assert [seen.fault for seen in hub.requests] == [str(fault)]
