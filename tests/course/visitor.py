"""Somebody who opens the sandbox's pages and sends their forms, without a browser."""

import re
from collections.abc import Mapping, Sequence

import requests

from course.sandbox import Sandbox

TOKENS = "/settings/tokens"
NEW = "/settings/tokens/new"
ORGANISATION = "/organizations/workshop/settings/tokens"
VALUE = re.compile(r"hf_\w{34}")
Fields = Mapping[str, str | Sequence[str]]


class Visitor:
    """One browser's cookies, and what its person does."""

    def __init__(self, hub: Sandbox, *, signed_in: bool = True) -> None:
        self.hub = hub
        self.cookies = requests.Session()
        if signed_in:
            self.send("/login")

    def open(self, path: str, **headers: str) -> requests.Response:
        return self.cookies.get(self.hub.url + path, headers=headers, allow_redirects=False, timeout=5)

    def hidden(self, path: str) -> dict[str, str]:
        """The fields that the first form of a page carries unseen."""
        shown = self.open(path).text
        return dict(re.findall(r'type="hidden" name="(form_key|once)" value="([^"]+)"', shown)[:2])

    def post(self, path: str, fields: Fields, **headers: str) -> requests.Response:
        return self.cookies.post(self.hub.url + path, data=fields, headers=headers, allow_redirects=False, timeout=5)

    def send(self, path: str, *, page: str | None = None, **fields: str | Sequence[str]) -> requests.Response:
        """Open a page, fill its form and send it to `path`, as a browser would."""
        return self.post(path, self.hidden(page or path) | fields, Origin=self.hub.url)

    def make(self, name: str = "chat proxy", kind: str = "fineGrained", **fields: str | Sequence[str]) -> str:
        """Make a token and copy its value."""
        answer = self.post(NEW, self.hidden(NEW) | {"displayName": name, "tokenType": kind} | fields)
        assert answer.status_code == 200, answer.text
        return copied(answer)

    def id_of(self, name: str) -> str:
        return next(token.id for token in self.hub.token_store.all() if token.display_name == name)


def copied(answer: requests.Response) -> str:
    found = VALUE.search(answer.text)
    assert found, "the page shows no value"
    return found.group()


def whoami(hub: Sandbox, value: str) -> requests.Response:
    return requests.get(f"{hub.url}/api/whoami-v2", headers={"Authorization": f"Bearer {value}"}, timeout=5)
