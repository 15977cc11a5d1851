"""The page that shows the traffic of the sandbox, live."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from course.sandbox.pages.session import Session
from course.sandbox.pages.templates import render
from course.sandbox.world import World
from course.traffic import Exchange

MOST = 200
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Row:
    """One request. at: time of day on the sandbox's clock. waited: seconds since the same client's request before."""

    number: int
    at: str
    waited: float | None
    client: str
    program: str
    exchange: Exchange


async def traffic(world: World, request: Request) -> Response:
    """The newest requests first, at most `MOST`. Credentials were masked when the requests were recorded."""
    rows = list(rows_of(world.recorder.exchanges, world.clock.start))
    html = render(
        "traffic.html",
        rows=rows[: -MOST - 1 : -1],
        left_out=max(0, len(rows) - MOST),
        pending=[str(fault) for fault in world.faults.pending],
        account=world.account,
        session=Session(),  # nobody has to be signed in
        notice="",
        errors={},
        now=world.clock.now(),
    )
    return HTMLResponse(html)


def rows_of(exchanges: Iterable[Exchange], start: float) -> Iterable[Row]:
    """One row an exchange, oldest first. start: of the clock to which the times of the exchanges are relative."""
    last_at: dict[tuple[str, str], float] = {}
    for number, exchange in enumerate(exchanges, start=1):
        program = exchange.request_headers.get("user-agent", "").partition(" ")[0]
        client, at = exchange.client or "no token", exchange.at or 0.0
        before = last_at.get((client, program))
        last_at[client, program] = at
        told = f"{datetime.fromtimestamp(start + at, UTC):%H:%M:%S.%f}"[:-4]
        yield Row(number, told, None if before is None else round(at - before, 2), client, program, exchange)


async def news(world: World, request: Request) -> Response:
    """Server-sent events without content: each says that the page has changed."""
    return StreamingResponse(_changes(world), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _changes(world: World) -> AsyncIterator[str]:
    shown: object = None
    # Looking again is simpler than being told: other threads empty the record and plan faults, too.
    while True:
        now = (world.recorder.exchanges, world.faults.pending)
        if now != shown:
            shown = now
            yield "data: changed\n\n"
        await asyncio.sleep(_LOOK_SECONDS)
