"""HTTP exchanges as people want to see them: what was sent, what came back, how long the wait was."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from course.masking import mask, mask_headers


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. Credentials are masked on the way in, so no copy of them is kept.

    path: path and query, without the host. status: None while no answer was sent.
    at: seconds on the clock of whoever recorded it, or None where time does not matter.
    client: a name for who asked. fault: what went wrong on purpose, "Reset()". None where nobody knows, or nothing did.
    """

    method: str
    path: str
    status: int | None = None
    request_headers: Mapping[str, str] = field(default_factory=dict)
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    at: float | None = None
    client: str | None = None
    fault: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", mask(self.path))
        object.__setattr__(self, "request_headers", mask_headers(self.request_headers))
        object.__setattr__(self, "answer_headers", mask_headers(self.answer_headers))


def story(exchanges: Iterable[Exchange]) -> str:
    """Tell `exchanges` in one line each; a wait gets a line when the server asked for one.

    >>> print(story([Exchange("GET", "/a", 429, answer_headers={"Retry-After": "2"}, at=0.0),
    ...              Exchange("GET", "/a", 200, at=0.5)]))
    request 1: GET /a, no Authorization -> 429, Retry-After 2
               you waited 0.5 s, 2 s were asked for
    request 2: GET /a, no Authorization -> 200
    """
    lines: list[str] = []
    before: Exchange | None = None
    for number, exchange in enumerate(exchanges, start=1):
        if before is not None:
            lines += _wait(before, exchange)
        lines.append(f"request {number}: {_one_line(exchange)}")
        before = exchange
    return "\n".join(lines)


def _one_line(exchange: Exchange) -> str:
    sent = _header(exchange.request_headers, "authorization")
    credentials = f"Authorization: {sent}" if sent else "no Authorization"
    answer = "no answer" if exchange.status is None else str(exchange.status)
    asked = _header(exchange.answer_headers, "retry-after")
    more = [f"Retry-After {asked}"] if asked else []
    more += [f"fault {exchange.fault}"] if exchange.fault else []
    return f"{exchange.method} {exchange.path}, {credentials} -> " + ", ".join([answer, *more])


def _wait(before: Exchange, after: Exchange) -> list[str]:
    asked = _header(before.answer_headers, "retry-after")
    if asked is None or before.at is None or after.at is None:
        return []
    return [f"           you waited {after.at - before.at:g} s, {asked} s were asked for"]


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)
