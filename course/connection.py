"""What uvicorn leaves unbounded about connections: how long a request may take to begin, and how many there are."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class BoundedConnection(H11Protocol):
    """A connection that has `timeout_keep_alive` seconds for the head of each request, counted from its last answer.

    uvicorn has no such clock for the first request, and stops that of the next ones at their first byte. So a
    connection that sends nothing, or a byte now and then, stays for ever; and one that was answered early and goes on
    sending its body. When there are more than `most`, one that waits for a request is closed for the new one: under an
    attack most likely one of the attacker's. (uvicorn's `limit_concurrency` refuses requests, those of others, too.)
    A head has at most 16 KB, by h11. How long a body may take is for the application to say.
    Source: uvicorn 0.54, `protocols/http/h11_impl.py`, read on 2026-11-24. Leaves out HTTP/2 and WebSockets.
    """

    most = 800  # many systems let a process have 1024 open files, and the calls upstream need some

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if len(self.connections) > self.most:
            self._make_room()

    def _unset_keepalive_if_required(self) -> None:
        at_work = self.conn.their_state is not h11.IDLE and self.conn.our_state is h11.SEND_RESPONSE
        if at_work or self.transport.is_closing():
            super()._unset_keepalive_if_required()

    def _make_room(self) -> None:
        others = (each for each in self.connections if isinstance(each, H11Protocol) and each is not self)
        least = next((each for each in others if each.conn.their_state is h11.IDLE), self)
        self.connections.discard(least)
        least.transport.abort()
