"""What protects the sandbox's pages: forms, sessions, headers, limits, and what is kept of the traffic."""

import json
import re
from collections.abc import Iterator

import pytest
import requests

from course import sandbox
from tests.course.visitor import NEW, ORGANISATION, TOKENS, Visitor, whoami

PAGES = ["/", "/join", "/login", "/mail", TOKENS, NEW, ORGANISATION, f"{TOKENS}/missing"]


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start(plan="enterprise_plus") as started:
        yield started


@pytest.fixture
def visitor(hub: sandbox.Sandbox) -> Visitor:
    return Visitor(hub)


# --- every page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_it_is_and_allows_nothing_inline_or_foreign(visitor: Visitor, path: str) -> None:
    answer = visitor.open(path)

    policy = answer.headers["Content-Security-Policy"]
    assert "Sandbox - not Hugging Face" in answer.text
    assert re.search(r'<html lang="en">.*<title>.+ \| Sandbox, not Hugging Face</title>', answer.text, re.DOTALL)
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=|(?:src|href)=\"(?:https?:)?//", answer.text)


@pytest.mark.parametrize("name", ["style.css", "copy.js", "icon.svg"])
def test_what_a_page_needs_is_served_here_and_guarded_too(hub: sandbox.Sandbox, name: str) -> None:
    answer = requests.get(f"{hub.url}/static/{name}", timeout=5)

    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_no_page_asks_for_a_password(visitor: Visitor) -> None:
    shown = [Visitor(visitor.hub, signed_in=False).open(path).text for path in ("/join", "/login")]

    assert not any('type="password"' in text for text in shown)
    assert all("real" in text and "password" in text for text in shown)


# --- who asks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/settings", TOKENS, NEW, ORGANISATION, "/mail", f"{TOKENS}/any/delete"])
def test_settings_lead_to_signing_in_first(hub: sandbox.Sandbox, path: str) -> None:
    answer = Visitor(hub, signed_in=False).open(path)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")


def test_signing_in_leads_on_to_the_link_that_was_followed(hub: sandbox.Sandbox) -> None:
    visitor = Visitor(hub, signed_in=False)
    wanted = f"{NEW}?tokenType=read"
    visitor.open(wanted)

    answers = [visitor.send("/login"), visitor.send("/login")]

    assert [answer.headers["Location"] for answer in answers] == [wanted, TOKENS]


def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(hub: sandbox.Sandbox) -> None:
    cookie = Visitor(hub, signed_in=False).open("/").headers["Set-Cookie"]

    assert cookie.startswith(f"sandbox-session-{hub.url.rpartition(':')[2]}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_a_session_known_before_signing_in_is_worth_nothing_afterwards(hub: sandbox.Sandbox) -> None:
    visitor = Visitor(hub, signed_in=False)
    visitor.open("/")
    before = []
    for _ in range(2):
        before.append(dict(visitor.cookies.cookies))
        visitor.send("/login")

    stale = [requests.get(hub.url + TOKENS, cookies=old, allow_redirects=False, timeout=5) for old in before]

    assert visitor.open(TOKENS).status_code == 200
    assert [answer.headers["Location"] for answer in stale] == ["/login", "/login"]


def test_signing_out_ends_the_session_and_no_token(visitor: Visitor) -> None:
    value = visitor.make()
    cookie = dict(visitor.cookies.cookies)

    visitor.send("/logout", page="/")

    again = requests.get(visitor.hub.url + TOKENS, cookies=cookie, allow_redirects=False, timeout=5)
    assert again.headers["Location"] == "/login"
    assert whoami(visitor.hub, value).status_code == 200


def test_two_sandboxes_have_sessions_of_their_own(visitor: Visitor) -> None:
    with sandbox.start() as other:
        answer = visitor.cookies.get(other.url + TOKENS, allow_redirects=False, timeout=5)

    assert answer.headers["Location"] == "/login"


def test_old_sessions_make_room_for_new_ones(hub: sandbox.Sandbox) -> None:
    first = Visitor(hub)
    for _ in range(200):
        Visitor(hub, signed_in=False).open("/")
        hub.clock.advance(300)  # else the limit on pages ends this early

    assert first.open(TOKENS).headers["Location"] == "/login"


# --- forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://attacker.test", "null", "http://127.0.0.1:1", "https://127.0.0.1"], ids=str)
def test_a_form_from_another_origin_is_refused(visitor: Visitor, origin: str) -> None:
    fields = visitor.hidden(NEW) | {"displayName": "stolen", "tokenType": "write"}

    answer = visitor.post(NEW, fields, Origin=origin)

    assert answer.status_code == 403
    assert "Nothing was changed" in answer.text
    assert "stolen" not in visitor.open(TOKENS).text


@pytest.mark.parametrize("path", [NEW, ORGANISATION, f"{ORGANISATION}/decide", "/logout", "/login", "/join"])
@pytest.mark.parametrize("key", ["", "guessed", "gu\u00e9ssed"])
def test_a_form_without_the_key_of_this_session_is_refused(visitor: Visitor, path: str, key: str) -> None:
    answer = visitor.post(path, {"form_key": key, "policy": "approval", "displayName": "stolen"})

    assert answer.status_code == 403
    assert visitor.hub.account.organisation.policy == "allow_all"
    assert visitor.open(TOKENS).status_code == 200, "still signed in"


def test_the_key_of_another_session_is_refused(visitor: Visitor) -> None:
    foreign = Visitor(visitor.hub).hidden(NEW)

    answer = visitor.post(NEW, foreign | {"displayName": "stolen", "tokenType": "read"})

    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/logout", f"{ORGANISATION}/decide"])
def test_following_a_link_changes_nothing(visitor: Visitor, path: str) -> None:
    assert visitor.open(path).status_code == 404
    assert visitor.open(TOKENS).status_code == 200, "still signed in"


def test_a_page_under_another_host_name_is_refused(hub: sandbox.Sandbox) -> None:
    assert Visitor(hub, signed_in=False).open("/login", Host="attacker.test").status_code == 400


def test_a_form_that_is_too_large_is_refused(visitor: Visitor) -> None:
    answer = visitor.post(NEW, {"displayName": "x" * 70_000})

    assert answer.status_code == 413


def test_what_people_enter_is_shown_as_text(visitor: Visitor) -> None:
    name = '"><script>alert(1)</script>'
    made = visitor.send(NEW, displayName=name, tokenType="read")
    token_id = visitor.id_of(name)

    shown = [made.text, *(visitor.open(path).text for path in (TOKENS, f"{TOKENS}/{token_id}", ORGANISATION))]

    assert all("&lt;script&gt;" in text and "<script>" not in text for text in shown)


# --- the value ------------------------------------------------------------------------------------------------


def test_a_value_is_in_one_answer_and_nowhere_else(visitor: Visitor) -> None:
    fields = visitor.hidden(NEW) | {"displayName": "chat proxy", "tokenType": "read"}
    made = visitor.post(NEW, fields)
    value = visitor.hub.token_store[visitor.id_of("chat proxy")].value
    token_page = f"{TOKENS}/{visitor.id_of('chat proxy')}"

    repeated = visitor.post(NEW, fields)
    later = [visitor.open(path) for path in (*PAGES, token_page, f"{token_page}/refresh", f"{token_page}/delete")]

    assert made.text.count(value) == 1
    assert value not in json.dumps([dict(made.headers), made.url])
    assert (repeated.status_code, repeated.headers["Location"]) == (303, TOKENS)
    assert not any(value in answer.text + str(answer.headers) for answer in [repeated, *later])
    assert [token.display_name for token in visitor.hub.token_store.all()].count("chat proxy") == 1
    assert value not in visitor.hub.tokens.values()


def test_a_repeated_refresh_does_nothing(visitor: Visitor) -> None:
    visitor.make()
    path = f"{TOKENS}/{visitor.id_of('chat proxy')}/refresh"
    fields = visitor.hidden(path)
    visitor.post(path, fields)
    value = visitor.hub.token_store[visitor.id_of("chat proxy")].value

    repeated = visitor.post(path, fields)

    assert repeated.headers["Location"] == TOKENS
    assert whoami(visitor.hub, value).status_code == 200


def test_the_traffic_keeps_no_value_cookie_or_form(visitor: Visitor) -> None:
    value = visitor.make("a name of my own")
    cookie = next(iter(visitor.cookies.cookies)).value or ""
    form_key = visitor.hidden(NEW)["form_key"]

    kept = repr(visitor.hub.requests)

    assert f"path='{NEW}'" in kept
    assert not any(secret in kept for secret in (value, cookie, form_key, "a name of my own"))


# --- limits and faults ----------------------------------------------------------------------------------------


def test_pages_have_a_bucket_of_their_own_and_their_style_costs_nothing() -> None:
    with sandbox.start() as hub:
        hub.clock.freeze()
        visitor = Visitor(hub, signed_in=False)
        answers = [visitor.open("/"), visitor.open("/static/style.css"), visitor.open("/login")]
        visitor.send("/login")
        signed_in = visitor.open(TOKENS)

    assert answers[0].headers["RateLimit"] == '"pages";r=99;t=300'
    assert answers[2].headers["RateLimit"] == '"pages";r=98;t=300'
    assert signed_in.headers["RateLimit-Policy"] == '"fixed window";"pages";q=200;w=300'


def test_too_many_pages_are_refused_until_the_window_ends() -> None:
    with sandbox.start() as hub:
        hub.clock.freeze()
        visitor = Visitor(hub, signed_in=False)
        answers = [visitor.open("/") for _ in range(101)]
        hub.clock.advance(300)
        later = visitor.open("/")

    assert [answer.status_code for answer in answers[-2:]] == [200, 429]
    assert "300 s" in answers[-1].text
    assert later.status_code == 200


def test_planned_failures_are_left_to_the_api(visitor: Visitor) -> None:
    visitor.hub.fail_next(500, on="hub")

    page = visitor.open(TOKENS)

    assert page.status_code == 200
    assert whoami(visitor.hub, visitor.hub.tokens["read"]).status_code == 500
