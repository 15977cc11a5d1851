"""Keep tokens out of everything that people, logs and files see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

# Wider than any scanner's pattern on purpose: masking a word too many costs nothing. A token begins a word, or follows
# an escape in a repr ("\\nhf_...") or a terminal's colour; what has its whole shape is one anywhere.
_SECRETS = re.compile(
    r"""(?ix)
      (?-i:
        (?: \b | (?<=\\[abfnrtv]) | (?<=[\d;\[]m) | (?=(?:hf|api_org)_[A-Za-z0-9]{34} | hf_(?:oauth|jwt)_[\w.-]{20}) )
        (?: hf_(?!hub_[a-z_]+\b) | api_org_ ) [A-Za-z0-9._-]{6,}  # user, OAuth, CI and old organisation tokens
      )
    | (?<=bearer\ )(?![<*])\S+ | (?<=basic\ )(?![<*])\S+        # whatever an Authorization header carries
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)           # user and password inside a URL
    """
)
_LEAST_PART = 8
_CREDENTIALS = {"authorization", "proxy-authorization"}
_SECRET_WHOLE = {"cookie", "set-cookie", "x-api-key"}


def mask(text: str) -> str:
    """Return `text` with every token, header credential and URL password shown as "***".

    Tokens keep their public prefix ("hf_***"), so that a reader still sees which kind it was.
    """
    return _SECRETS.sub(lambda found: _prefix(found.group()) + "***", text)


def mask_parts(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each run of 8 characters or more that stands in one of `secrets`, too, shown as "***".

    For who knows the values: a part of a token has no shape that `mask` could see.
    """
    values, hidden = tuple(secrets), set[int]()
    for start in range(len(text) - _LEAST_PART + 1):
        part = text[start : start + _LEAST_PART]
        if any(part in value for value in values):
            hidden.update(range(start, start + _LEAST_PART))
    runs = groupby(range(len(text)), key=hidden.__contains__)
    return "".join("***" if is_hidden else "".join(text[place] for place in run) for is_hidden, run in runs)


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of `headers` whose credentials are hidden; the scheme word stays readable."""
    return {name: _mask_header(name.lower(), value) for name, value in headers.items()}


def _mask_header(name: str, value: str) -> str:
    if name in _SECRET_WHOLE:
        return _prefix(value) + "***"
    return _mask_credentials(value) if name in _CREDENTIALS else mask(value)


def _mask_credentials(value: str) -> str:
    scheme, _, credentials = value.partition(" ")
    if not credentials:
        return _prefix(value) + "***"
    return f"{scheme} {_prefix(credentials)}***"


def _prefix(secret: str) -> str:
    return next((p for p in ("hf_oauth_", "hf_jwt_", "hf_", "api_org_") if secret.startswith(p)), "")
