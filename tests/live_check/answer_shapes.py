"""The shape of an HTTP answer: what can be compared with another one, and shown, without a value from an account."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from course.masking import mask

ABSENT = "-"
_BODY = "(body)"
# Headers that clients act on. The others of an answer belong to servers and caches on the way.
_HEADERS = ("content-type", "ratelimit", "ratelimit-policy", "retry-after", "etag", "x-repo-commit")
_SPOKEN_HEADERS = ("x-error-code", "x-error-message")
# What a service says about itself: shown as it is, where all other texts are only called a text.
_SPOKEN = re.compile(r"error(\[\]|\.(message|type|code|param))?|error_type|message|object")
# In an answer of whoami, what names a kind or a right. Any other text there may tell who somebody is.
_IMPERSONAL = {"type", "role", "roleInOrg", "billingMode", "plan", "permissions", "global"}
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}\b", re.IGNORECASE)
_KINDS = {
    "time": re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"),
    "address": re.compile(r"(https?:/)?/\S*"),
}


@dataclass(frozen=True)
class Difference:
    """Where two answers are not alike. ours, theirs: what stands there, ABSENT for nothing."""

    question: str
    field: str
    ours: str
    theirs: str


def personal_texts(whoami: Any) -> set[str]:
    """The texts in an answer of whoami that may tell who somebody is: names, ids, addresses, also of organisations."""
    if isinstance(whoami, dict):
        return set().union(*(personal_texts(value) for key, value in whoami.items() if key not in _IMPERSONAL))
    if isinstance(whoami, list):
        return set().union(*map(personal_texts, whoami))
    return {whoami} - {""} if isinstance(whoami, str) else set()


def shape(answer: httpx2.Response, private: Iterable[str], whole: bool = True) -> dict[str, str]:
    """What can be compared of `answer`: "status", "header etag", "auth.type", "orgs[].name" -> what stands there.

    A text becomes its kind, except what a service says about itself (errors), which stays, without `private`, tokens
    and addresses of machines. Of a list, the kinds of all its elements together: so a field that only some of them
    have counts as there. whole: False for a file, whose content is no matter.
    """
    clean = _cleaner(private)
    fields = {"status": str(answer.status_code)}
    for name in (*_HEADERS, *_SPOKEN_HEADERS):
        if name in answer.headers:
            value = answer.headers[name]
            fields[f"header {name}"] = clean(value) if name in _SPOKEN_HEADERS else _header(name, value)
    if whole:
        for path, kind in _body(answer, clean):
            known = fields.get(clean(path), "")
            kinds = {*known.split(" or "), kind} - {""}
            fields[clean(path)] = " or ".join(sorted(kinds))
    return fields


def differences(question: str, ours: dict[str, str], theirs: dict[str, str]) -> Iterator[Difference]:
    """Every field in which two shapes differ, but none below a field that is missing, or in an empty list."""
    for field in sorted({*ours, *theirs}):
        mine, other = ours.get(field, ABSENT), theirs.get(field, ABSENT)
        if mine != other and _comparable(field, ours) and _comparable(field, theirs):
            yield Difference(question, field, mine, other)


def _comparable(field: str, fields: dict[str, str]) -> bool:
    """False if `field` is missing only because what it is part of is no object, or is an empty list."""
    if field in fields or field.startswith("header "):
        return True
    return not field.endswith("[]") and "object" in fields.get(field.rpartition(".")[0] or _BODY, "")


def _header(name: str, value: str) -> str:
    if name == "content-type":
        return value.partition(";")[0].strip().lower()
    return re.sub(r"\d+", "N", value) if "ratelimit" in name else _kind(value.strip('W/"'))


def _body(answer: httpx2.Response, clean: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        yield _BODY, "no JSON" if answer.content else "empty"
        return
    yield _BODY, _kind(body)
    yield from _walk(body, "", clean)


def _walk(value: Any, path: str, clean: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    if path:
        yield path, clean(value) if isinstance(value, str) and _SPOKEN.fullmatch(path) else _kind(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, f"{path}.{key}".lstrip("."), clean)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, f"{path}[]", clean)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        if re.fullmatch(r"[0-9a-f]{24,}", value):
            return f"{len(value)} hex digits"
        return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(value)), "text")
    names = {bool: "true or false", int: "number", float: "number", type(None): "null", list: "list", dict: "object"}
    return names[type(value)]


def _cleaner(private: Iterable[str]) -> Callable[[str], str]:
    """Hides tokens, addresses of machines, and each of `private` where it stands as a word."""
    words = "|".join(re.escape(text) for text in sorted(private, key=len, reverse=True))
    hidden = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None

    def clean(text: str) -> str:
        text = _ADDRESS.sub("(address)", mask(text))
        return hidden.sub("(account)", text) if hidden else text

    return clean
