"""A program on trial: run as real code, in this process, against a sandbox of its own."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType
from typing import Any, TypeVar

from course import sandbox
from course.isolation import no_input, unpatched
from course.limit import TimeLimit, limited
from course.masking import mask
from course.sandbox.answers import Script
from course.sandbox.permissions import CALL_INFERENCE
from course.sandbox.repositories import File, Repository
from course.sandbox.tokens import Role, Scope
from course.traffic import Exchange

CHAT = "/v1/chat/completions"
PATIENCE_SECONDS = 2.5  # how long a program may be silent, a little more than the doors say; then the sandbox hangs up
T = TypeVar("T")
_PORT = re.compile(r"(127\.0\.0\.1|localhost)(:\d+|', port=\d+)")


class Closed(Exception):
    """The door stays shut. seen, due: what the program did, and what it should have done."""

    def __init__(self, seen: str, due: str) -> None:
        super().__init__(f"Seen:  {seen}\nDue:   {due}")


def require(so: bool, seen: str, due: str) -> None:
    """Raises Closed, unless `so`."""
    if not so:
        raise Closed(seen, due)


@dataclass(frozen=True)
class Place:
    """What `main` of a program is given. hub, router, next_door: addresses; token, tokens: values; folder: files."""

    hub: str
    router: str
    next_door: str
    folder: Path
    token: str = field(default="", repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Run:
    """How one run of a program ended. late: the sandbox had to hang up on it."""

    result: Any
    error: Exception | None
    requests: list[Exchange]
    late: bool

    def clients(self) -> list[str]:
        """The names of the tokens that were sent, each once, in order."""
        return list(dict.fromkeys(exchange.client for exchange in self.requests if exchange.client))

    def told(self) -> str:
        """The end of the run in words, without tokens, ports and passing things."""
        if self.error is not None:
            return f"main stopped with {type(self.error).__name__}: {short(str(self.error))}"
        return f"main returned {short(repr(self.result))}"


class Trial:
    """One knock at a door: the program, the room's names, and a sandbox that the door's judge prepares."""

    def __init__(self, code: CodeType, names: Mapping[str, str], hub: sandbox.Sandbox, folder: Path) -> None:
        self.names, self.hub, self.folder = names, hub, folder
        self._main = _load(code)
        self.issued: list[str] = []

    def issue(self, name: str, role: Role, *on: tuple[str, str], may: tuple[str, ...] = ()) -> str:
        """A new token of this name: its value. on: entity types and names; may: its permissions on each."""
        scopes = tuple(Scope(*entity, may) for entity in on)
        value = self.hub.token_store.issue(name, role, scopes=scopes).value
        self.issued.append(value)
        return value

    def issue_caller(self, name: str) -> str:
        """A new token that may call the router for its user, and nothing else: its value."""
        return self.issue(name, "fineGrained", ("user", self.names["owner"]), may=(CALL_INFERENCE,))

    def add_repository(self, **files: str) -> Repository:
        """A private model of the owner's, with one text file for each keyword, such as notes="...": notes.txt."""
        name = "{owner}/{shelf}".format(**self.names)
        content = {f"{stem}.txt": File(f"{stem}.txt", text.encode()) for stem, text in files.items()}
        self.hub.repositories[name] = Repository(name, content, private=True)
        return self.hub.repositories[name]

    def go(self, token: str = "", tokens: Mapping[str, str] | None = None) -> Run:
        """Run `main` once; only its own requests are on record."""
        self.hub.forget()
        place = Place(self.hub.url, self.hub.router, self.hub.elsewhere_url, self.folder, token, tokens or {})
        result, error, late = self.call(lambda: self._main(place))
        return Run(result, error, self.seen(), late)

    def seen(self) -> list[Exchange]:
        """The requests since the last run began. Nobody outside a sandbox is told the name of what went wrong."""
        return [replace(exchange, fault=None) for exchange in self.hub.requests]

    def call(self, function: Callable[[], T]) -> tuple[T | None, Exception | None, bool]:
        """The result or the error of somebody's code, and whether its patience was over."""
        late = threading.Event()

        def hang_up() -> None:
            late.set()
            self.hub.stop()  # ends a connection that is waited for; a loop is ended below

        timer = threading.Timer(PATIENCE_SECONDS, hang_up)
        timer.start()
        try:
            return limited(function, PATIENCE_SECONDS + 1), None, late.is_set()
        except Exception as error:
            return None, error, late.is_set() or isinstance(error, TimeLimit)
        finally:
            timer.cancel()

    def was_answered(self, run: Run) -> bool:
        """Whether the result is what the router says to QUESTION, and was asked of it now."""
        asked = any(exchange.path == CHAT and exchange.status == 200 for exchange in run.requests)
        return asked and run.result == scripted_answer(self.names["question"])

    def must_finish(self, job: str, token: str = "", tokens: Mapping[str, str] | None = None, on_what: str = "") -> Run:
        """Run `main`, which must return something. on_what: the conditions, if they matter. Raises Closed."""
        run = self.go(token, tokens)
        if run.late:
            raise Closed(f"after {PATIENCE_SECONDS:g} s main had not returned: {_silent(run)}", job)
        if run.error is not None or run.result is None:
            raise Closed(f"{on_what}: {run.told()}".removeprefix(": "), job)
        return run


@contextmanager
def on_trial(code: CodeType, names: Mapping[str, str]) -> Iterator[Trial]:
    """A trial of `code`. Whatever the program changes is gone afterwards."""
    with TemporaryDirectory() as folder, sandbox.start() as hub, no_input(), unpatched():
        hub.account.name, hub.account.organisation.name = names["owner"], names["organisation"]
        yield Trial(code, names, hub, Path(folder))


def scripted_answer(question: str) -> str:
    """What the router answers."""
    return "".join(Script().answer([{"role": "user", "content": question}], max_tokens=None, stops=[]))


def short(text: str) -> str:
    """`text` on one line, masked, without ports, cut to what people read."""
    line = _PORT.sub(r"\1", mask(" ".join(text.split())))
    return line if len(line) <= 300 else f"{line[:300]} ..."


def _load(code: CodeType) -> Callable[[Place], Any]:
    namespace: dict[str, Any] = {"__name__": "program"}

    def run() -> None:
        exec(code, namespace)  # noqa: S102 - running the learner's program is what a door is for

    try:
        limited(run)
    except Exception as error:
        raise Closed(
            f"the program could not be loaded: {type(error).__name__}: {short(str(error))}", "a file that runs"
        ) from None
    main = namespace.get("main")
    if not callable(main):
        raise Closed("the program has no function called main", "main(place), as it was") from None
    return main  # type: ignore[no-any-return]


def _silent(run: Run) -> str:
    open_ones = sum(exchange.status is None for exchange in run.requests)
    return f"requests that had arrived: {len(run.requests)}, of them without an answer: {open_ones}"
