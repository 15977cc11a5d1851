"""What the proxy of lesson 05 says of itself in /openapi.json is true, whatever it is asked and its upstream does."""

from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from tests.course import proxies
from tests.course.proxies import PLAIN, QUESTION, TOKEN
from tests.course.upstreams import CHUNK, STREAM, UPSTREAMS

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def good(request: httpx2.Request) -> httpx2.Response:
    if b'"stream":true' in request.content:
        return httpx2.Response(200, headers=STREAM, text=f"{CHUNK}data: [DONE]\n\n")
    return httpx2.Response(200, json=PLAIN)


class Upstream(httpx2.MockTransport):
    """Behaves as it is told; well at first."""

    def behave(self, behaviour: Any) -> None:
        self.handler = behaviour


@pytest.fixture
def upstream() -> Upstream:
    return Upstream(good)


def described(upstream: Upstream, **given: Any) -> Any:
    """Asked in this process: no port."""
    app = proxies.solution().create_app(proxies.settings(**given), transport=upstream)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", MODES, ids=["as described", "not as described"])
def test_each_request_gets_an_answer_as_described(mode: GenerationMode, upstream: Upstream) -> None:
    """By all checks of Schemathesis. Which models there are the description leaves open, so we name one."""
    app = described(upstream, requests_per_minute=1000)
    operations = app if mode is GenerationMode.POSITIVE else app.include(method="POST")  # a GET here cannot be wrong

    @settings(max_examples=60, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
    @given(case=operations.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is GenerationMode.POSITIVE and case.method == "POST":
            case.body["model"] = QUESTION["model"]
        answer = case.call()
        case.validate_response(answer)
        assert TOKEN not in f"{answer.headers}{answer.text}"

    ask()


def test_each_failure_of_the_upstream_gets_an_answer_as_described(upstream: Upstream) -> None:
    operation = described(upstream, requests_per_minute=1000)["/api/chat"]["POST"]
    seen = set()

    for behaviour in UPSTREAMS.values():
        upstream.behave(behaviour)
        for stream in (False, True):
            case = operation.Case(body=QUESTION | {"stream": stream}, media_type="application/json")
            answer = case.call()
            case.validate_response(answer, excluded_checks=[not_a_server_error])
            seen.add(answer.status_code)

    assert seen == {200, 400, 404, 429, 500, 502, 503, 504}


def test_our_own_refusals_are_as_described(upstream: Upstream) -> None:
    operation = described(upstream, requests_per_minute=2, max_body_bytes=200)["/api/chat"]["POST"]
    seen = []

    for body in (QUESTION, QUESTION | {"model": 200 * "x"}, QUESTION):
        case = operation.Case(body=body, media_type="application/json")
        answer = case.call()
        case.validate_response(answer)
        seen.append(answer.status_code)

    assert seen == [200, 413, 429]
