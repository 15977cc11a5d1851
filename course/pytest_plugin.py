"""What every exercise check runs with: the time limit, mocked HTTP, and the story of its traffic."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import responses

from course.checks import exercise_id
from course.isolation import unpatched
from course.limit import limited
from course.traffic import Exchange, story


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """The network of `requests`, mocked: nothing leaves this machine, an unplanned request fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def exchanges(mock: responses.RequestsMock) -> list[Exchange]:
    """The traffic that `mock` saw."""
    return [_exchange(call) for call in mock.calls]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an exercise's check under the time limit; on failure attach the traffic to the error."""
    if exercise_id(pyfuncitem.name) is None:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    try:
        with unpatched():
            limited(lambda: pyfuncitem.obj(**arguments))
    except Exception as error:
        mock = pyfuncitem.funcargs.get("http")
        if isinstance(mock, responses.RequestsMock) and mock.calls:
            error.add_note("Traffic:\n  " + story(exchanges(mock)).replace("\n", "\n  "))
        raise
    return True


def _exchange(call: Any) -> Exchange:
    address = urlsplit(call.request.url)
    answer = call.response
    answered = isinstance(answer, Exception) is False and hasattr(answer, "status_code")
    return Exchange(
        method=call.request.method,
        path=address.path + (f"?{address.query}" if address.query else ""),
        status=answer.status_code if answered else None,
        request_headers=dict(call.request.headers),
        answer_headers=dict(answer.headers) if answered else {},
    )
