"""What a rotation of tokens is tried on: a page of tokens, and where a program reads its own."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import requests

from course.sandbox import Sandbox
from course.sandbox.tokens import Token

Entry = TypeVar("Entry")


class Revealing(Protocol):
    """A value in a box."""

    def reveal(self) -> str: ...


class SandboxPage(Generic[Entry]):
    """The tokens that a program makes, watches and deletes in a sandbox. Times are seconds on the sandbox's clock.

    entry: makes what `create` returns from the name and the value of a token. The tokens are app-1, app-2 and so
    on. forgotten: a value that some program still calls with.
    The sandbox's own: at Hugging Face people click, and no documented call tells when a token was last used.
    """

    forgotten: Revealing | None = None

    def __init__(self, hub: Sandbox, entry: Callable[[str, str], Entry]) -> None:
        self._hub, self._entry, self._count = hub, entry, 0

    def create(self) -> Entry:
        self._count += 1
        made = self._hub.token_store.issue(f"app_{self._count}", "read", display_name=f"app-{self._count}")
        return self._entry(made.display_name, made.value)

    def whoami(self, value: Revealing) -> str:
        """The user's name; raises requests.HTTPError if the value is refused."""
        asked = {"Authorization": f"Bearer {value.reveal()}"}
        answer = requests.get(f"{self._hub.url}/api/whoami-v2", headers=asked, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["name"])

    def last_used(self, name: str) -> float | None:
        return self._find(name).last_used_at

    def delete(self, name: str) -> None:
        self._hub.token_store.delete(self._find(name).id)

    def now(self) -> float:
        return float(int(self._hub.clock.now()))  # whole seconds, as the sandbox notes them

    def wait(self, seconds: float) -> None:
        """Move the clock; nobody has to wait. Then the forgotten program, if there is one, calls."""
        self._hub.clock.advance(seconds)
        if self.forgotten:
            self.whoami(self.forgotten)

    def _find(self, name: str) -> Token:
        return next(token for token in self._hub.token_store.all() if token.display_name == name)


class Shelf(Generic[Entry]):
    """Where a program reads its token: in memory."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def read(self) -> Entry:
        return self._entry

    def write(self, entry: Entry) -> None:
        self._entry = entry
