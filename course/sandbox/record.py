"""The traffic a sandbox saw, in order of arrival, without credentials."""

from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.sandbox.clock import Clock
from course.traffic import Exchange


@dataclass
class _Entry:
    exchange: Exchange

    def note(self, **changes: Any) -> None:
        """Add what has become known about the exchange: values of its fields by name."""
        self.exchange = replace(self.exchange, **changes)


class Recorder:
    """Keeps one `Exchange` a request; `at` counts seconds since the sandbox started.

    Applications find in scope["state"] the request's "number", from 1, and a function "note" with which they can tell
    more, such as the client's name.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[_Entry] = []

    @property
    def exchanges(self) -> list[Exchange]:
        return [entry.exchange for entry in self._entries]

    def forget(self) -> None:
        self._entries.clear()

    def around(self, app: ASGIApp) -> ASGIApp:
        """Wrap `app` so that its requests are recorded. An answer is on record before the client can read it."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            entry = self._arrival(scope)
            scope["state"] |= {"note": entry.note, "number": len(self._entries)}

            async def watched_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    entry.note(status=message["status"], answer_headers=Headers(raw=message.get("headers", [])))
                await send(message)

            await app(scope, receive, watched_send)

        return recorded

    def _arrival(self, scope: Scope) -> _Entry:
        query = scope["query_string"].decode("latin-1")
        entry = _Entry(
            Exchange(
                method=scope["method"],
                path=scope["path"] + (f"?{query}" if query else ""),
                request_headers=Headers(scope=scope),
                # Hundredths are enough to see a wait and keep stored outputs free of noise.
                at=round(self._clock.now() - self._clock.start, 2),
            )
        )
        self._entries.append(entry)
        return entry
