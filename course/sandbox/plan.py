"""The plan of what goes wrong next: who gets which fault, what is still to come, what was used."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from pydantic import ValidationError
from starlette.requests import Request

from course.masking import mask
from course.sandbox.faults import KINDS, Fault, Pass, Side, Status

When = Callable[[Request], bool]
_CHOICES = f"a status from 400 to 599, 200 for an ordinary answer, or one of {', '.join(KINDS)}"


@dataclass(frozen=True)
class _Planned:
    fault: Fault
    on: Side | None
    client: str | None
    when: When | None

    def concerns(self, side: Side, client: str | None, request: Request) -> bool:
        fits = self.on in (None, side) and self.client in (None, client)
        return fits and (self.when is None or self.when(request))


class Faults:
    """Planned faults, used up in the order they were planned, one a request. May be planned from any thread.

    A client is known by the name of its token, as at Hugging Face: one token for each program. A fault that names a
    client, a side or a condition lets all other requests pass and waits.
    """

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._used: list[Fault] = []
        self._lock = threading.Lock()

    @property
    def pending(self) -> list[Fault]:
        """What is still to come."""
        with self._lock:
            return [planned.fault for planned in self._planned]

    @property
    def used(self) -> list[Fault]:
        """What requests have got so far, the places in scripts where nothing went wrong among them."""
        with self._lock:
            return list(self._used)

    def plan(
        self, faults: Iterable[Fault], on: Side | None = None, client: str | None = None, when: When | None = None
    ) -> None:
        planned = [_Planned(fault, on, client, when) for fault in faults]
        with self._lock:
            self._planned += planned

    def clear(self) -> None:
        """Forget what is still to come and what was used."""
        with self._lock:
            self._planned.clear()
            self._used.clear()

    def take(self, side: Side, client: str | None, request: Request) -> Fault:
        """What the next request of `client` on this side gets."""
        with self._lock:
            planned = next((planned for planned in self._planned if planned.concerns(side, client, request)), None)
            if planned is None:
                return Pass()
            # By identity: equal faults may be planned for several clients.
            self._planned = [other for other in self._planned if other is not planned]
            self._used.append(planned.fault)
            return planned.fault


def read_script(entries: object) -> list[Fault]:
    """The faults that a list of entries names; see `read_fault`. Raises ValueError with the place of the bad entry."""
    if not isinstance(entries, list | tuple):
        raise ValueError(f"a script is a list with one entry a request, not {type(entries).__name__}: [429, 200]")
    return [_read_entry(place, entry) for place, entry in enumerate(entries, start=1)]


def read_fault(entry: object) -> Fault:
    """One fault: itself, a status such as 503, 200, a name such as "Reset", or {"fault": "Stall", "after": 1}.

    Raises ValueError that says what is allowed.
    """
    match entry:
        case Fault():
            return entry
        case bool():
            pass
        case 200:
            return Pass()
        case int():
            return _build(Status, {"status": entry})
        case str() if entry in KINDS:
            return _build(KINDS[entry], {})
        case {"fault": str(name), **values} if name in KINDS:
            return _build(KINDS[name], {str(field): value for field, value in values.items()})
    raise ValueError(f"{mask(repr(entry))} is no fault; choose {_CHOICES}")


def _read_entry(place: int, entry: object) -> Fault:
    try:
        return read_fault(entry)
    except ValueError as error:
        raise ValueError(f"entry {place}: {error}") from None


def _build(kind: type[Fault], values: dict[str, object]) -> Fault:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        names = ", ".join(field.name for field in fields(kind)) or "nothing"
        place = ".".join(str(part) for part in first["loc"])
        given = "" if first["type"] == "missing" else f", got {first['input']!r}"
        message = f"{kind.__name__}, {place}: {first['msg']}{given}. {kind.__name__} takes {names}."
        raise ValueError(mask(message)) from None
