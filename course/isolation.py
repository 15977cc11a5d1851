"""Keep a learner's code, while it is checked, from what is not its own: input, output, and `requests` of others."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import requests


@contextmanager
def unpatched() -> Iterator[None]:
    """Take back what somebody's code puts into `requests` (requests.get = ...): the next check needs it whole."""
    owners: tuple[Any, ...] = (requests, requests.api, requests.Session, requests.adapters.HTTPAdapter)
    before = [dict(vars(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, names in zip(owners, before, strict=True):
            for name, value in names.items():
                if vars(owner).get(name) is not value:
                    setattr(owner, name, value)


@contextmanager
def no_input() -> Iterator[None]:
    """Let input() in a learner's code fail at once, instead of waiting for somebody."""
    kept = sys.stdin
    with open(os.devnull, encoding="utf-8") as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = kept


@contextmanager
def own_output() -> Iterator[None]:
    """Send what a learner's code prints, and what its programs print, to standard error: it is no part of the JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()  # what went around the redirection
    finally:
        os.dup2(kept, 1)
        os.close(kept)
