"""Run somebody's code for a limited time, and say which of their lines it hung on."""

import ctypes
import linecache
import re
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TypeVar

SECONDS = 5.0
T = TypeVar("T")

# How cells are named: by us when we read a notebook, by IPython inside a kernel.
_CELL = re.compile(r"\.ipynb, cell \d+$|[/\\]ipykernel_\d+[/\\]|^<ipython-input-")


class TimeLimit(Exception):
    """The code was still running when its time was over. where: its line, in words."""

    def __init__(self, seconds: float, where: str) -> None:
        super().__init__(f"still running after {seconds:g} s, at {where}")
        self.seconds = seconds
        self.where = where


class Stop(BaseException):
    """Ends the worker. Not an Exception, so that a learner's `except Exception` does not swallow it."""


def limited(function: Callable[[], T], seconds: float | None = None, name: str = "limited") -> T:
    """Return `function()`, or raise what it raised, or TimeLimit after `seconds` (SECONDS if not given).

    Runs in a thread, which works on every platform and inside a kernel. A thread that sits in C code (a long
    sleep, a socket) cannot be ended; it is a daemon and is left behind.
    """
    seconds = SECONDS if seconds is None else seconds
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except Exception as error:
            errors.append(error)
        except BaseException as error:  # exit() in somebody's function must end neither a kernel nor other checks
            name = "exit()" if isinstance(error, SystemExit) else type(error).__name__
            errors.append(RuntimeError(f"{name} was called").with_traceback(error.__traceback__))

    worker = threading.Thread(target=work, daemon=True, name=name)
    worker.start()
    try:
        worker.join(seconds)
    except BaseException:  # somebody pressed Ctrl+C
        _end(worker)
        raise
    if worker.is_alive():
        where = _where(worker)
        _end(worker)
        raise TimeLimit(seconds, where)
    if errors:
        raise errors[0]
    return results[0]


def learners_line(traceback: TracebackType | None, cell: str | None = None) -> str | None:
    """The innermost line of a learner's cell in `traceback`, in words, or None. cell: if given, in that file alone."""
    found = None
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if is_cell(filename) and filename == (cell or filename):
            found = _describe(traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def is_cell(filename: str) -> bool:
    """Whether code of this file name comes from a notebook's cell."""
    return _CELL.search(filename) is not None


def _where(worker: threading.Thread) -> str:
    frame = sys._current_frames().get(worker.ident or 0)
    while frame is not None:
        if is_cell(frame.f_code.co_filename):
            return _describe(frame, frame.f_lineno)
        frame = frame.f_back
    return "a line outside your notebook"


def _describe(frame: FrameType, line: int) -> str:
    filename = frame.f_code.co_filename
    cell = re.search(r"cell \d+$", filename)
    place = f"line {line} of {cell.group() if cell else 'its cell'}"
    code = linecache.getline(filename, line).strip()
    return f"{place}: {code}" if code else place


def _end(worker: threading.Thread) -> None:
    # Again and again: a bare `except: continue` catches those that arrive inside its `try`. One that catches them all
    # is left behind, as a daemon.
    for _ in range(100):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident or 0), ctypes.py_object(Stop))
        worker.join(0.01)
        if not worker.is_alive():
            return
