"""Checks of the exercises in 01_account_setup. `lesson` holds the learner's names, `http` the mocked network.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("01-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/01_account_setup.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import sys
from collections.abc import Callable
from io import StringIO
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import responses

from course.checks import wrong

HUB = "http://hub.test"
WHOAMI = f"{HUB}/api/whoami-v2"

BODY = "aB3" * 11 + "c"  # 34 characters, put together at run time so that no file holds the shape of a token
FAKE = "hf_" + "FaKe" * 8 + "zz"  # plausible, and as long as a real one
OTHER_BODY = "Zy9" * 11 + "w"
PLAUSIBLE = "hf_" + BODY
DAMAGED = {
    "nothing in it": "",
    "only white space": " \n",
    "a line break after it": PLAUSIBLE + "\n",
    "a space inside": "hf_" + BODY[:17] + " " + BODY[17:],
    "a tab after it": PLAUSIBLE + "\t",
    "straight quotes": f"'{PLAUSIBLE}'",
    "a typographic quote": PLAUSIBLE + "\u201d",
    "a backtick": PLAUSIBLE + "`",
    "a row of x": "hf_" + 34 * "x",
    "a row of zeros": "hf_" + 40 * "0",
    "a placeholder in words": "hf_put_your_own_token_here_and_keep_it_",
    "three dots": "hf_" + BODY + "...",
    "an angle bracket": "<hf_" + BODY,
    "an organisation token": "api_org_" + BODY,
    "another prefix": "sk-" + BODY,
    "its end cut off": "hf_" + BODY[:20],
    "its last character cut off": PLAUSIBLE[:-1],
}

# --- 01-1 token_problem -------------------------------------------------------------------------------------


def test_01_1_a_plausible_token_has_no_problem(lesson: SimpleNamespace) -> None:
    said = lesson.token_problem(PLAUSIBLE)

    assert said is None, wrong(
        "refuses-all",
        seen=f"for a text with the prefix hf_ and 37 characters you returned {_kind(said)}",
        due="None: nothing speaks against it",
        read='the first lines of "Exercise 01-1"',
    )


def test_01_1_no_character_is_refused_for_its_looks(lesson: SimpleNamespace) -> None:
    refused = [sign for sign in "0_-.~ß+/=" if lesson.token_problem("hf_" + sign + BODY[1:]) is not None]

    assert not refused, wrong(
        "alphabet",
        seen=f"a token of the right prefix and length was refused because it holds {' '.join(refused)}",
        due="None: the alphabet of tokens is promised nowhere, so only prefix and length count",
        read='"What you hold now": prefix and length',
    )


def test_01_1_long_tokens_pass(lesson: SimpleNamespace) -> None:
    said = lesson.token_problem("hf_oauth_eyJ" + BODY * 10)

    assert said is None, wrong(
        "fixed-length",
        seen=f"a text that starts with hf_oauth_ and has 352 characters got {_kind(said)}",
        due="None: OAuth tokens are far longer than 37, so 37 is a least length only",
        read='"What you hold now": the table of prefixes',
    )


def test_01_1_every_damage_is_noticed(lesson: SimpleNamespace) -> None:
    for damage, text in DAMAGED.items():
        said = lesson.token_problem(text)

        assert said is not None, wrong(
            f"misses-{damage.replace(' ', '-')}",
            seen=f"for a text with this damage you returned None: {damage}",
            due="one sentence that names the problem",
            read='the seven problems of "Exercise 01-1"',
        )


def test_01_1_the_answer_is_a_sentence(lesson: SimpleNamespace) -> None:
    for damage, text in DAMAGED.items():
        said = lesson.token_problem(text)

        assert isinstance(said, str), wrong(
            "not-a-sentence",
            seen=f"for a text with this damage you returned {_kind(said)}: {damage}",
            due="a str: one sentence a person can act on",
            read='"Exercise 01-1", the line on what it returns',
        )


def test_01_1_the_text_is_never_quoted(lesson: SimpleNamespace) -> None:
    for damage, text in DAMAGED.items():
        other = text.replace(BODY[:17], OTHER_BODY[:17]).replace(BODY[17:], OTHER_BODY[17:])
        said = lesson.token_problem(text)

        assert said == lesson.token_problem(other.replace(BODY[17:20], OTHER_BODY[17:20])), wrong(
            "quotes-the-text",
            seen=f"two texts with the same damage and other letters got different sentences: {damage}",
            due="the same sentence, without a part of the text: even a damaged token is still most of a secret",
            read='"The sentence never quotes the text" in Exercise 01-1',
        )


def test_01_1_different_problems_get_different_sentences(lesson: SimpleNamespace) -> None:
    kinds = (
        "nothing in it",
        "a space inside",
        "straight quotes",
        "a row of x",
        "an organisation token",
        "another prefix",
    )
    for one, other in combinations((*kinds, "its end cut off"), 2):
        assert lesson.token_problem(DAMAGED[one]) != lesson.token_problem(DAMAGED[other]), wrong(
            "one-sentence-for-two",
            seen=f"the same sentence for two problems: {one}, and {other}",
            due="the sentence says which problem it is, so that the reader knows what to do",
            read='the seven problems of "Exercise 01-1"',
        )


def test_01_1_the_first_problem_that_applies_is_named(lesson: SimpleNamespace) -> None:
    for text, first, also in (
        ("'hf_" + BODY[:20] + "'", "straight quotes", "its end cut off"),
        ("hf_" + 10 * "x", "a row of x", "its end cut off"),
        ("'" + PLAUSIBLE + "'\t", "a tab after it", "straight quotes"),
        ("sk-" + BODY[:10], "another prefix", "its end cut off"),
        ("api_org_" + BODY[:10], "an organisation token", "its end cut off"),
    ):
        assert lesson.token_problem(text) == lesson.token_problem(DAMAGED[first]), wrong(
            "wrong-order",
            seen=f"a text with two problems ({first}; {also}) got another sentence than one with the first alone",
            due="the sentence for the first problem of the list that applies",
            read='the seven problems of "Exercise 01-1": their order',
        )


# --- 01-2 BearerAuth ----------------------------------------------------------------------------------------


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc with an entry for the mocked Hub, as git and other tools leave it behind."""
    path = tmp_path / "netrc"
    path.write_text("machine hub.test login somebody password else\n")
    monkeypatch.setenv("NETRC", str(path))


def test_01_2_it_is_an_auth_object_of_requests(lesson: SimpleNamespace) -> None:
    auth = lesson.BearerAuth(FAKE)

    assert isinstance(auth, requests.auth.AuthBase), wrong(
        "no-auth-base",
        seen="BearerAuth is not a subclass of requests.auth.AuthBase",
        due="class BearerAuth(AuthBase): type checkers and readers then know what it is for",
        read='"Exercise 01-2", its first line',
    )


def test_01_2_it_returns_the_request(lesson: SimpleNamespace) -> None:
    request = requests.Request("GET", WHOAMI).prepare()

    returned = lesson.BearerAuth(FAKE)(request)

    assert returned is request, wrong(
        "no-return",
        seen=f"calling the object with a request returned {_kind(returned)}",
        due="the same request: requests sends what the call returns",
        read='the first hint of 01-2: hint("01-2")',
    )


def test_01_2_the_token_travels_as_bearer(lesson: SimpleNamespace, http: Any, netrc: None) -> None:
    http.get(WHOAMI, json={"name": "learner"})

    requests.get(WHOAMI, auth=lesson.BearerAuth(FAKE), timeout=10)

    sent = http.calls[0].request.headers.get("Authorization", "nothing")
    assert sent == f"Bearer {FAKE}", wrong(
        "no-bearer",
        seen=f"the request carried Authorization: {_scheme(sent)}{_other_token(sent)}",
        due="Authorization: Bearer <token>: the word, one space, the token as it is",
        read='"How a token travels"',
    )


def test_01_2_each_object_has_its_own_token_every_time(lesson: SimpleNamespace) -> None:
    first, second = lesson.BearerAuth(FAKE), lesson.BearerAuth(PLAUSIBLE)

    sent = [
        auth(requests.Request("GET", WHOAMI).prepare()).headers.get("Authorization") for auth in (first, second, first)
    ]

    assert sent == [f"Bearer {FAKE}", f"Bearer {PLAUSIBLE}", f"Bearer {FAKE}"], wrong(
        "shared-token",
        seen="two objects with different tokens, or one object used twice, did not send their own token each time",
        due="the token kept in the object: self._token",
        read='"Exercise 01-2", the first rule',
    )


def test_01_2_it_wins_over_a_header_that_is_already_there(lesson: SimpleNamespace, http: Any, netrc: None) -> None:
    http.get(WHOAMI, json={"name": "learner"})

    requests.get(WHOAMI, headers={"Authorization": "Basic c3RhbGU="}, auth=lesson.BearerAuth(FAKE), timeout=10)

    sent = http.calls[0].request.headers.get("Authorization", "nothing")
    assert sent == f"Bearer {FAKE}", wrong(
        "old-header-stays",
        seen=f"a request that already had an Authorization header was sent with {_scheme(sent)}",
        due="the token of BearerAuth, whatever stood there before",
        read='"How a token travels": who has the last word',
    )


def test_01_2_other_headers_stay(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, json={"name": "learner"})

    requests.get(WHOAMI, headers={"X-Asked-By": "course"}, auth=lesson.BearerAuth(FAKE), timeout=10)

    assert http.calls[0].request.headers.get("X-Asked-By") == "course", wrong(
        "drops-headers",
        seen="the header X-Asked-By was set on the request and did not arrive",
        due="set one header and leave the others as they are",
        read='"Exercise 01-2", the first rule',
    )


def test_01_2_printing_it_shows_no_token(lesson: SimpleNamespace) -> None:
    letters = "QxZjVkWqYzXj"  # such as no sentence and no memory address holds
    auth = lesson.BearerAuth("hf_" + letters)

    shown = [name for name, text in {"repr": repr(auth), "str": str(auth)}.items() if _holds_part(text, letters)]

    assert not shown, wrong(
        "shows-token",
        seen=f"{' and '.join(shown)} of the object: the token, or a part of it, shows",
        due="a text without it, such as BearerAuth(hidden)",
        read='"Exercise 01-2", the last rule',
    )


# --- 01-3 who_am_i ------------------------------------------------------------------------------------------

FULL = {
    "type": "user",
    "name": "learner",
    "emailVerified": False,
    "auth": {"type": "access_token", "accessToken": {"displayName": "notebook", "role": "read"}},
}


def test_01_3_it_returns_the_identity(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, json=FULL)

    identity = lesson.who_am_i(FAKE, HUB)

    due = lesson.Identity("learner", "read", "notebook", False)
    assert identity == due, wrong(
        "wrong-identity",
        seen=f"for the answer {FULL} you returned {identity!r}",
        due=f"{due!r}",
        read='"Who am I?": where the role and the name of the token are',
    )


def test_01_3_it_sends_one_request_with_the_token_in_the_header(
    lesson: SimpleNamespace, http: Any, netrc: None
) -> None:
    http.get(WHOAMI, json=FULL)

    lesson.who_am_i(FAKE, HUB)

    sent = [call.request.headers.get("Authorization", "nothing") for call in http.calls]
    assert sent == [f"Bearer {FAKE}"], wrong(
        "token-not-sent",
        seen=f"{len(sent)} request(s), with Authorization: {', '.join(map(_scheme, sent))}",
        due="one request with Authorization: Bearer <token>, also where a .netrc has an entry for the host",
        read='"How a token travels"',
    )


def test_01_3_the_address_holds_no_token(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, json=FULL)

    lesson.who_am_i(FAKE, HUB)

    assert FAKE not in http.calls[0].request.url, wrong(
        "token-in-address",
        seen="the address of the request holds the token",
        due="the token only in the header: addresses are logged everywhere",
        read='"How a token travels", its first paragraph',
    )


def test_01_3_it_asks_the_hub_it_was_given(lesson: SimpleNamespace, http: Any) -> None:
    http.get("http://another.test/api/whoami-v2", json=FULL | {"name": "another"})

    error_or_none = _error(lambda: lesson.who_am_i(FAKE, "http://another.test"))

    asked = [call.request.url for call in http.calls]
    assert asked == ["http://another.test/api/whoami-v2"], wrong(
        "another-address",
        seen=f"for hub_url http://another.test you asked {asked[0] if asked else error_or_none}",
        due="GET {hub_url}/api/whoami-v2: the Hub is given by the caller",
        read='"Exercise 01-3", its first lines',
    )


def test_01_3_it_does_not_wait_for_ever(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, json=FULL)

    lesson.who_am_i(FAKE, HUB)

    assert http.calls[0].request.req_kwargs.get("timeout"), wrong(
        "no-timeout",
        seen="the request was sent without a time-out",
        due="timeout=10 or a pair such as timeout=(5, 10): without it, requests waits for ever",
        read='"Exercise 01-3", the first rule',
    )


def test_01_3_missing_optional_fields_are_no_error(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, json={"type": "user", "name": "learner", "auth": {"type": "oauth"}})

    try:
        identity = lesson.who_am_i(FAKE, HUB)
    except (KeyError, TypeError, AttributeError) as error:
        identity = error

    assert identity == lesson.Identity("learner"), wrong(
        "strict-parser",
        seen=f"an answer without emailVerified and accessToken gave {identity!r}",
        due=f"{lesson.Identity('learner')!r}: these fields are optional",
        read='"Who am I?": read such answers loosely',
    )


def test_01_3_a_refused_token_is_an_invalid_token(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, status=401, json={"error": "Invalid credentials in Authorization header"})

    error = _error(lambda: lesson.who_am_i(FAKE, HUB))

    assert isinstance(error, lesson.InvalidToken), wrong(
        "401-not-told-apart",
        seen=f"on 401 you {_ended(error)}",
        due="raise InvalidToken: the caller needs a new token, not patience",
        read='"Exercise 01-3", the third rule',
    )


@pytest.mark.parametrize("status", [403, 429, 503])
def test_01_3_another_status_is_no_identity(lesson: SimpleNamespace, http: Any, status: int) -> None:
    http.get(WHOAMI, status=status, json={"error": "no"})

    error = _error(lambda: lesson.who_am_i(FAKE, HUB))

    assert isinstance(error, lesson.HubUnreachable), wrong(
        "status-ignored",
        seen=f"on {status} you {_ended(error)}",
        due="raise HubUnreachable: only 200 holds an identity",
        read='"Exercise 01-3", the third rule',
    )


@pytest.mark.parametrize("failure", [requests.ConnectionError, requests.ReadTimeout, requests.exceptions.SSLError])
def test_01_3_a_network_failure_is_hub_unreachable(
    lesson: SimpleNamespace, http: Any, failure: type[requests.RequestException]
) -> None:
    http.get(WHOAMI, body=failure("planned failure"))

    error = _error(lambda: lesson.who_am_i(FAKE, HUB))

    assert isinstance(error, lesson.HubUnreachable), wrong(
        "network-error-escapes",
        seen=f"on a {failure.__name__} you {_ended(error)}",
        due="raise HubUnreachable for every network failure: requests.RequestException is their common ancestor",
        read='the first hint of 01-3: hint("01-3")',
    )


def test_01_3_an_answer_that_is_not_json_is_hub_unreachable(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, body="<h1>Please log in to the wifi</h1>", content_type="text/html")

    error = _error(lambda: lesson.who_am_i(FAKE, HUB))

    assert isinstance(error, lesson.HubUnreachable), wrong(
        "not-json-escapes",
        seen=f"on a 200 with an HTML page (a hotel's login page, say) you {_ended(error)}",
        due="raise HubUnreachable: that was not the Hub. In requests, a failed .json() is a RequestException too",
        read='"Exercise 01-3", the third rule',
    )


def test_01_3_no_redirect_is_followed(lesson: SimpleNamespace, http: Any) -> None:
    http.get(WHOAMI, status=302, headers={"Location": f"{HUB}/elsewhere"})
    http.get(f"{HUB}/elsewhere", json=FULL)

    error = _error(lambda: lesson.who_am_i(FAKE, HUB))

    assert len(http.calls) == 1, wrong(
        "follows-redirect",
        seen=f"the Hub answered 302 and {len(http.calls)} requests were sent",
        due="one: allow_redirects=False. A token goes only where you send it",
        read='"Exercise 01-3", the second rule',
    )
    assert isinstance(error, lesson.HubUnreachable), wrong(
        "redirect-accepted",
        seen=f"on a 302 you {_ended(error)}",
        due="raise HubUnreachable: a redirect is not an identity",
        read='"Exercise 01-3", the third rule',
    )


def _refused_connection(request: requests.PreparedRequest) -> Any:
    raise requests.ConnectionError(f"refused, headers {request.headers}", request=request)


def test_01_3_errors_hold_nothing_secret(lesson: SimpleNamespace, http: Any) -> None:
    http.add_callback(responses.GET, WHOAMI, _refused_connection)

    error = _error(lambda: lesson.who_am_i(FAKE, HUB))

    assert FAKE not in f"{error!r} {error}", wrong(
        "token-in-error",
        seen="the text of your error holds the token",
        due="a sentence of your own: the text of an error of requests may quote headers",
        read='"Exercise 01-3", the last rule',
    )
    assert not _tells(error), wrong(
        "chained-error",
        seen="the error of requests is chained to yours, and its text or its request holds the token",
        due="raise ... from None, so that a traceback or an error collector does not show it",
        read='"Exercise 01-3", the last rule',
    )


@pytest.mark.parametrize("status", [200, 302, 401, 403, 500])
def test_01_3_no_answer_makes_an_error_tell_the_token(lesson: SimpleNamespace, http: Any, status: int) -> None:
    http.get(WHOAMI, status=status, body="<h1>no</h1>")

    error = _error(lambda: lesson.who_am_i(FAKE, HUB))

    assert not _tells(error), wrong(
        "error-tells-token",
        seen=f"on an answer with {status} the text or an attribute of your {type(error).__name__} holds the token",
        due="an error that says what happened and what to do next, without the token",
        read='"Exercise 01-3": nothing secret in the errors',
    )


def test_01_3_nothing_is_printed_of_the_token(
    lesson: SimpleNamespace, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.get(WHOAMI, json=FULL)
    printed = StringIO()
    monkeypatch.setattr(sys, "stdout", printed)

    lesson.who_am_i(FAKE, HUB)

    assert FAKE not in printed.getvalue(), wrong(
        "prints-token",
        seen="your function printed the token",
        due="no output: what a notebook prints is stored in its file",
        read='"What you hold now": a printed token is a leaked token',
    )


def _as_http_client(request: requests.PreparedRequest) -> Any:
    # What Python's http.client does when a header that an auth object has set holds a line break.
    if "\n" in request.headers["Authorization"]:
        raise ValueError(f"Invalid header value {request.headers['Authorization'].encode()!r}")
    return 401, {}, "{}"


def test_01_3_a_broken_token_does_not_show_itself(lesson: SimpleNamespace, http: Any) -> None:
    http.add_callback(responses.GET, WHOAMI, _as_http_client)

    error = _error(lambda: lesson.who_am_i(FAKE + "\nrest", HUB))

    allowed = (lesson.InvalidToken, lesson.HubUnreachable)
    assert isinstance(error, allowed) and not _tells(error), wrong(  # noqa: PT018 - one problem, one message
        "broken-token-shown",
        seen=f"with a line break in the token you {_ended(error, secret=True)}",
        due="InvalidToken (or HubUnreachable) from None: Python raises a ValueError whose text quotes the whole token",
        read='"Exercise 01-3", the last rule: it holds for a broken token too',
    )


# --- 01-4 setup_steps ---------------------------------------------------------------------------------------

GOOD = {"HF_TOKEN": PLAUSIBLE}


@pytest.mark.parametrize(
    ("env", "said"), [({}, "missing"), ({"HF_TOKEN": ""}, "empty"), ({"HF_TOKEN": " \n"}, "blank")]
)
def test_01_4_without_a_token_everything_remains(lesson: SimpleNamespace, env: dict[str, str], said: str) -> None:
    steps = _steps(lesson, None, env)

    assert steps == [lesson.CREATE_TOKEN, lesson.SET_TOKEN, lesson.CALL_WHOAMI], wrong(
        f"{said}-token",
        seen=f"with HF_TOKEN {said} you {_returned(steps)}",
        due="[CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]",
        read='the first row of the table in "Exercise 01-4"',
    )


def test_01_4_a_placeholder_is_no_token(lesson: SimpleNamespace) -> None:
    steps = _steps(lesson, None, {"HF_TOKEN": "hf_" + 34 * "x"})

    assert steps == [lesson.SET_TOKEN, lesson.CALL_WHOAMI], wrong(
        "placeholder-taken",
        seen=f"with a placeholder in HF_TOKEN you {_returned(steps)}",
        due="[SET_TOKEN, CALL_WHOAMI]: token_problem knows a placeholder when it sees one",
        read='the second row of the table in "Exercise 01-4"',
    )


def test_01_4_a_refused_token_needs_a_new_one(lesson: SimpleNamespace) -> None:
    steps = _steps(lesson, lesson.InvalidToken("refused"), GOOD)

    assert steps == [lesson.CREATE_TOKEN, lesson.SET_TOKEN, lesson.CALL_WHOAMI], wrong(
        "refused-token",
        seen=f"after InvalidToken you {_returned(steps)}",
        due="[CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]: asking again with the same token changes nothing",
        read='the third row of the table in "Exercise 01-4"',
    )


@pytest.mark.parametrize("answered", [True, False], ids=["unreachable", "not asked yet"])
def test_01_4_without_an_answer_ask_again(lesson: SimpleNamespace, answered: bool) -> None:
    outcome = lesson.HubUnreachable("no answer") if answered else None

    steps = _steps(lesson, outcome, GOOD)

    assert steps == [lesson.CALL_WHOAMI], wrong(
        "no-answer",
        seen=f"with a plausible token and {'HubUnreachable' if answered else 'None'} you {_returned(steps)}",
        due="[CALL_WHOAMI]: nothing is known yet, least of all that the token is bad",
        read='the fourth row of the table in "Exercise 01-4"',
    )


def test_01_4_an_unverified_address_is_a_step(lesson: SimpleNamespace) -> None:
    steps = _steps(lesson, lesson.Identity("learner", "read", "notebook", False), GOOD)

    assert steps == [lesson.VERIFY_EMAIL], wrong(
        "unverified",
        seen=f"with email_verified False you {_returned(steps)}",
        due="[VERIFY_EMAIL]",
        read='the fifth row of the table in "Exercise 01-4"',
    )


@pytest.mark.parametrize("verified", [True, None])
def test_01_4_ready_is_an_empty_list(lesson: SimpleNamespace, verified: bool | None) -> None:
    steps = _steps(lesson, lesson.Identity("learner", "read", "notebook", verified), GOOD)

    assert steps == [], wrong(
        "unknown-is-no" if verified is None else "never-ready",
        seen=f"with email_verified {verified} you {_returned(steps)}",
        due="[]: everything is done" + ("; None means that the answer does not say" if verified is None else ""),
        read='the last row of the table in "Exercise 01-4"',
    )


def test_01_4_the_variable_is_judged_before_the_answer(lesson: SimpleNamespace) -> None:
    steps = _steps(lesson, lesson.Identity("learner", "read", "notebook", False), {})

    assert steps == [lesson.CREATE_TOKEN, lesson.SET_TOKEN, lesson.CALL_WHOAMI], wrong(
        "answer-first",
        seen=f"with no HF_TOKEN, but an Identity from an earlier call, you {_returned(steps)}",
        due="[CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]: the first row that applies counts",
        read='the line above the table in "Exercise 01-4"',
    )


def test_01_4_only_env_is_read(lesson: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", PLAUSIBLE)

    steps = _steps(lesson, None, {})

    assert steps == [lesson.CREATE_TOKEN, lesson.SET_TOKEN, lesson.CALL_WHOAMI], wrong(
        "reads-os-environ",
        seen="HF_TOKEN was set in os.environ and missing in env, and you took it from os.environ",
        due="look only into env: the caller decides what is read",
        read='the line below the table in "Exercise 01-4"',
    )


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "answered"])
def test_01_4_the_text_is_judged_before_the_answer(lesson: SimpleNamespace, refused: bool) -> None:
    outcome = lesson.InvalidToken("refused") if refused else lesson.Identity("learner", email_verified=False)

    steps = _steps(lesson, outcome, {"HF_TOKEN": PLAUSIBLE + "\n"})

    assert steps == [lesson.SET_TOKEN, lesson.CALL_WHOAMI], wrong(
        "answer-before-text",
        seen=f"with a line break after the token, and {type(outcome).__name__}, you {_returned(steps)}",
        due="[SET_TOKEN, CALL_WHOAMI]: the first row that applies counts; token_problem rejects this text",
        read='the second row of the table in "Exercise 01-4"',
    )


# --- how things are told ------------------------------------------------------------------------------------


def _kind(value: object) -> str:
    return "a sentence" if isinstance(value, str) else repr(value)


def _steps(lesson: SimpleNamespace, outcome: object, env: dict[str, str]) -> Any:
    """What setup_steps returns, or the KeyError it raises; it must leave its mapping as it was."""
    given = dict(env)
    try:
        steps = lesson.setup_steps(outcome, given)
    except KeyError as error:
        return error
    assert given == env, wrong(
        "changes-env",
        seen="after your function, the mapping env was another",
        due="look into env, change nothing: it may be os.environ",
        read='"Exercise 01-4", the line below the table',
    )
    return steps


def _returned(value: object) -> str:
    return f"raised {value!r}" if isinstance(value, Exception) else f"returned {value!r}"


def _tells(error: BaseException | None) -> bool:
    """Whether an error collector would find the token: in a text, an attribute, a request, or a chained error."""
    if error is None:
        return False
    held = [*error.args, *vars(error).values()]
    requests_held = [getattr(item, "request", None) for item in (error, *held)]
    headers = [str(getattr(item, "headers", "")) for item in (*held, *requests_held)]
    chained = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return any(FAKE in text for text in (f"{error!r} {error} {held}", *headers)) or _tells(chained)


def _holds_part(text: str, secret: str) -> bool:
    return any(secret[start : start + 4] in text for start in range(len(secret) - 3))


def _other_token(header: str) -> str:
    return " (not the token given to BearerAuth)" if header.startswith("Bearer ") and FAKE not in header else ""


def _scheme(header: str) -> str:
    return header.replace(FAKE, "<token>")


def _error(call: Callable[[], Any]) -> Exception:
    try:
        returned = call()
    except NotImplementedError:
        raise
    except Exception as error:
        return error
    return _NothingRaised(f"returned {returned!r}")


class _NothingRaised(Exception):
    """Stands for the error that did not come."""


def _ended(error: Exception, secret: bool = False) -> str:
    if isinstance(error, _NothingRaised):
        return str(error)
    text = "a text that shows the token" if secret else str(error)
    return f"raised {type(error).__name__}: {text}"
