"""A server in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp

from course.sandbox.line import Protocol

Result = TypeVar("Result")


class BackgroundServer(uvicorn.Server):
    """A uvicorn server in a thread with a loop of its own, so that it also runs beside a notebook's loop."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=Protocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=False,
                proxy_headers=False,
            )
        )
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, sockets: list[socket.socket]) -> None:
        self._thread = threading.Thread(target=self.run, args=(sockets,), name="sandbox", daemon=True)
        self._thread.start()
        if not self._ready.wait(timeout=10):
            raise RuntimeError("the sandbox did not start within 10 s")

    def stop(self) -> None:
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._ending.set)
        if self._thread is not threading.current_thread():  # the garbage collector may call from any thread
            self._thread.join(timeout=10)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run `coroutine` beside the requests, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Unlike uvicorn's own, this waits for nobody: whoever stops a sandbox has stopped listening to it."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        while self.server_state.tasks:
            await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
            await asyncio.sleep(0)
        for opened in sockets or []:
            opened.close()
