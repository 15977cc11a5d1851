"""The gate where connections are held that are silent on purpose."""

import asyncio


class Gate:
    """Holds connections until their client leaves or somebody opens. Costs no thread; lives in the server's loop."""

    def __init__(self) -> None:
        self._held: set[asyncio.Future[None]] = set()
        self._arrived = asyncio.Event()

    async def hold(self, gone: asyncio.Task[None]) -> bool:
        """Wait. True if the gate was opened, False if the client left first, which ends the task `gone`."""
        opened = asyncio.get_running_loop().create_future()
        self._held.add(opened)
        self._arrived.set()
        try:
            await asyncio.wait({opened, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._held.discard(opened)
        return opened.done()

    async def open(self, within_seconds: float) -> int:
        """Let all go that are held, and say how many. If none is, wait for the first, `within_seconds` at most."""
        if not self._held:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), within_seconds)
            except TimeoutError:
                return 0
        held, self._held = self._held, set()
        for opened in held:
            opened.set_result(None)
        return len(held)
