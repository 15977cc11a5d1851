"""Signing up, making and managing tokens on the sandbox's pages; what is made there works on the wire as it says."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import pytest
import requests

from course import sandbox
from course.sandbox.catalogue import permissions
from tests.course.visitor import NEW, ORGANISATION, TOKENS, Visitor, copied, whoami

READ, CALL = "repo.content.read", "inference.serverless.write"


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start(plan="enterprise_plus") as started:
        yield started


@pytest.fixture
def visitor(hub: sandbox.Sandbox) -> Visitor:
    return Visitor(hub)


def model(hub: sandbox.Sandbox, name: str, value: str) -> requests.Response:
    return requests.get(f"{hub.url}/api/models/{name}", headers={"Authorization": f"Bearer {value}"}, timeout=5)


# --- signing up -----------------------------------------------------------------------------------------------


def test_signing_up_and_following_the_link_in_the_mail_confirms_the_address() -> None:
    with sandbox.start(email_verified=False) as hub:
        visitor = Visitor(hub, signed_in=False)
        signed_up = visitor.send("/join", email="someone@example.test")
        mail = visitor.open("/mail").text
        before = whoami(hub, hub.tokens["read"]).json()
        link = mail.partition('href="/verify/')[2].partition('"')[0]
        visitor.open(f"/verify/{link}")
        after = whoami(hub, hub.tokens["read"]).json()

    assert signed_up.headers["Location"] == "/mail"
    assert "someone@example.test" in mail
    assert (before["emailVerified"], after["emailVerified"]) == (False, True)
    assert (after["name"], after["email"]) == ("learner", before["email"]), "what belongs to the user stays in place"


@pytest.mark.parametrize("code", ["guessed", "gu\u00e9ssed"])
def test_a_guessed_link_confirms_nothing(code: str) -> None:
    with sandbox.start(email_verified=False) as hub:
        answer = Visitor(hub).open(f"/verify/{code}")

        assert answer.status_code == 404
        assert not hub.account.email_verified


@pytest.mark.parametrize("email", ["", "no sign", "@host", "name@", "a b@host.test", f"{'x' * 250}@host.test"])
def test_an_address_that_is_none_is_given_back_with_the_reason(hub: sandbox.Sandbox, email: str) -> None:
    answer = Visitor(hub, signed_in=False).send("/join", email=email)

    assert answer.status_code == 422
    assert f'value="{email.strip()}"' in answer.text
    assert 'href="#email"' in answer.text
    assert 'aria-describedby="email-hint email-problem" aria-invalid="true"' in answer.text


# --- making tokens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_classic_token_carries_its_role_and_no_permissions(visitor: Visitor, kind: str) -> None:
    value = visitor.make("my script", kind, ownUserPermissions=READ, canReadGatedRepos="true")

    access = whoami(visitor.hub, value).json()["auth"]["accessToken"]

    assert (access["displayName"], access["role"]) == ("my script", kind)
    assert "fineGrained" not in access


def test_a_fine_grained_token_may_do_what_was_ticked_where_it_was_ticked(visitor: Visitor) -> None:
    value = visitor.make(
        ownUserPermissions=[CALL, "user.billing.read"],
        orgPermissions="org.read",
        repositories=["learner/private-notes", "datasets/learner/private-diary", "spaces/learner/private-demo"],
        repositoryPermissions=READ,
        globalPermissions="discussion.write",
        canReadGatedRepos="true",
    )

    rights = whoami(visitor.hub, value).json()["auth"]["accessToken"]["fineGrained"]

    scoped = {(s["entity"]["type"], s["entity"]["name"]): s["permissions"] for s in rights["scoped"]}
    assert scoped == {
        ("user", "learner"): [CALL, "user.billing.read"],
        ("org", "workshop"): ["org.read"],
        ("model", "learner/private-notes"): [READ],
        ("dataset", "learner/private-diary"): [READ],
        ("space", "learner/private-demo"): [READ],
    }
    assert (rights["global"], rights["canReadGatedRepos"]) == (["discussion.write"], True)


def test_a_token_for_one_repository_opens_no_other(visitor: Visitor) -> None:
    value = visitor.make(repositories="learner/private-notes", repositoryPermissions=READ)

    answers = [model(visitor.hub, name, value) for name in ("learner/private-notes", "workshop/private-model")]

    assert [answer.status_code for answer in answers] == [200, 404]


def test_a_token_with_no_box_ticked_is_legal_and_says_whose_it_is(visitor: Visitor) -> None:
    answer = visitor.send(NEW, displayName="nothing", tokenType="fineGrained")

    assert "It only says whose it is" in answer.text
    assert whoami(visitor.hub, copied(answer)).json()["name"] == "learner"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Enter a name"),
        ("   ", "Enter a name"),
        ("READ-token", "already"),
        ("x" * 65, "This name has 65"),
        ("left\u202eright", "nobody can see"),
    ],
    ids=["empty", "blank", "taken", "long", "invisible"],
)
def test_a_bad_name_is_explained_and_everything_entered_is_kept(visitor: Visitor, name: str, reason: str) -> None:
    answer = visitor.send(
        NEW, displayName=name, tokenType="fineGrained", ownUserPermissions=CALL, canReadGatedRepos="true"
    )

    assert answer.status_code == 422
    assert "<title>Error:" in answer.text
    assert '<a href="#displayName">' in answer.text
    assert answer.text.count(reason) == 2, "in the summary and beside the field"
    assert f'value="{name.strip()}"' in answer.text
    assert f'name="ownUserPermissions" value="{CALL}" checked' in answer.text
    assert 'name="canReadGatedRepos" value="true" checked' in answer.text
    assert len(visitor.hub.token_store.all()) == 7


def test_a_value_pasted_as_the_name_is_not_given_back(visitor: Visitor) -> None:
    pasted = visitor.hub.tokens["read"]

    answer = visitor.send(NEW, displayName=f"my {pasted}", tokenType="read")

    assert answer.status_code == 422
    assert "looks like a token" in answer.text
    assert pasted not in answer.text


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"tokenType": "inference"}, "tokenType", "Choose one of the three kinds"),
        ({"ownUserPermissions": "repo.everything"}, "ownUserPermissions", "repo.everything"),
        ({"ownUserPermissions": "org.write"}, "ownUserPermissions", "no permission that can be given"),
        ({"globalPermissions": READ}, "globalPermissions", "no permission that can be given"),
        ({"repositories": "sandbox/haiku", "repositoryPermissions": READ}, "repositories", "no repository"),
        ({"repositories": "learner/private-notes"}, "repositories", "Tick what the token may do"),
        ({"repositoryPermissions": READ}, "repositories", "Choose at least one repository"),
    ],
    ids=["kind", "unknown", "wrong place", "not global", "foreign repository", "no permission", "no repository"],
)
def test_a_forged_or_half_filled_form_is_explained_beside_the_field(
    visitor: Visitor, fields: dict[str, str | Sequence[str]], field: str, reason: str
) -> None:
    answer = visitor.post(NEW, visitor.hidden(NEW) | {"displayName": "forged", "tokenType": "fineGrained"} | fields)

    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}-problem"' in answer.text
    assert answer.text.count(reason) == 2, "in the summary and beside the field"
    assert f'id="{field}"' in answer.text
    assert len(visitor.hub.token_store.all()) == 7


# --- prefilled links ------------------------------------------------------------------------------------------


def prefilled(visitor: Visitor, *query: tuple[str, str]) -> str:
    return visitor.open(f"{NEW}?{urlencode(query)}").text


def checked(html: str) -> set[str]:
    """The values of the boxes and buttons that are ticked."""
    return {re.search(r'value="([^"]*)"', box)[1] for box in re.findall(r"<input [^>]* checked>", html)}  # type: ignore[index]


def test_a_link_ticks_what_it_asks_for(visitor: Visitor) -> None:
    html = prefilled(
        visitor,
        ("tokenType", "fineGrained"),
        ("ownUserPermissions", CALL),
        ("ownUserPermissions", READ),
        ("canReadGatedRepos", "true"),
    )

    assert checked(html) == {"fineGrained", CALL, READ, "true"}
    assert 'id="notes"' not in html


def test_a_link_can_tick_every_permission_of_the_user(visitor: Visitor) -> None:
    of_user = {one.id for one in permissions().values() if "user" in one.on}

    html = prefilled(visitor, *(("ownUserPermissions", permission) for permission in sorted(of_user)))

    assert checked(html) == {"fineGrained"} | of_user
    assert 'id="notes"' not in html


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_link_chooses_a_classic_kind(visitor: Visitor, kind: str) -> None:
    html = prefilled(visitor, ("tokenType", kind))

    assert 'id="notes"' not in html
    assert checked(html) == {kind}


@pytest.mark.parametrize(
    "strange",
    [
        ("tokenType", "inference"),
        ("ownUserPermissions", "repo.everything"),
        ("ownUserPermissions", "org.write"),
        ("globalPermissions", READ),
        ("canReadGatedRepos", "yes"),
        ("expires", "2027"),
    ],
    ids="=".join,
)
def test_what_a_link_asks_and_nobody_knows_is_told_and_ticks_nothing(
    visitor: Visitor, strange: tuple[str, str]
) -> None:
    html = prefilled(visitor, strange)

    note = html.partition('id="notes"')[2].partition("</div>")[0]
    assert strange[1] in note or strange[0] in note
    assert checked(html) == {"fineGrained"}


def test_permissions_for_a_classic_token_are_told_to_be_useless(visitor: Visitor) -> None:
    html = prefilled(visitor, ("tokenType", "read"), ("ownUserPermissions", CALL))

    assert "A read token has no permissions to choose" in html


def test_a_token_in_a_link_is_not_repeated(visitor: Visitor) -> None:
    value = visitor.hub.tokens["read"]

    assert value not in prefilled(visitor, ("tokenType", value), (value, "x"), ("ownUserPermissions", value))


# --- managing -------------------------------------------------------------------------------------------------


def test_refreshing_shows_a_new_value_and_ends_the_old_one(visitor: Visitor) -> None:
    old = visitor.make(ownUserPermissions=READ)
    token_id = visitor.id_of("chat proxy")

    new = copied(visitor.send(f"{TOKENS}/{token_id}/refresh"))

    assert whoami(visitor.hub, old).status_code == 401
    assert whoami(visitor.hub, new).json()["auth"]["accessToken"]["displayName"] == "chat proxy"
    assert model(visitor.hub, "learner/private-notes", new).status_code == 200


def test_deleting_asks_first(visitor: Visitor) -> None:
    value = visitor.make()
    path = f"{TOKENS}/{visitor.id_of('chat proxy')}/delete"

    visitor.open(path)
    before = whoami(visitor.hub, value)
    visitor.send(path)
    after = whoami(visitor.hub, value)

    assert (before.status_code, after.status_code) == (200, 401)
    assert "chat proxy is deleted" in visitor.open(TOKENS).text
    assert "chat proxy" not in visitor.open(TOKENS).text, "a notice is given once"


def test_a_token_made_in_python_is_managed_on_the_page_too(visitor: Visitor) -> None:
    visitor.send(f"{TOKENS}/{visitor.hub.token_store['write'].id}/delete")

    assert "write" not in visitor.hub.tokens


def test_the_list_says_when_a_token_was_made_and_last_used(visitor: Visitor) -> None:
    visitor.hub.clock.freeze()
    token_page = f"{TOKENS}/{visitor.hub.token_store['write'].id}"
    before = visitor.open(token_page).text
    visitor.hub.clock.advance(3 * 86_400)
    whoami(visitor.hub, visitor.hub.tokens["write"])

    after = visitor.open(token_page).text

    assert "<dd>16 April 2026</dd>" in before
    assert "<dd>never</dd>" in before
    assert "<dd>5 November 2026</dd>" in after


@pytest.mark.parametrize("ending", ["", "/refresh", "/delete"])
def test_a_token_that_is_not_there_has_no_page(visitor: Visitor, ending: str) -> None:
    oauth = visitor.hub.token_store["oauth"].id

    assert [visitor.open(f"{TOKENS}/{missing}{ending}").status_code for missing in ("gone", oauth)] == [404, 404]


# --- the organisation -----------------------------------------------------------------------------------------


def set_policy(visitor: Visitor, policy: str) -> requests.Response:
    return visitor.send(ORGANISATION, policy=policy)


def decide(visitor: Visitor, name: str, decision: str) -> requests.Response:
    return visitor.send(f"{ORGANISATION}/decide", page=ORGANISATION, token=visitor.id_of(name), decision=decision)


def test_an_administrator_approves_and_revokes(visitor: Visitor) -> None:
    set_policy(visitor, "approval")
    made = visitor.send(NEW, displayName="chat proxy", tokenType="fineGrained", orgPermissions=READ)
    value = copied(made)
    seen = [model(visitor.hub, "workshop/private-model", value)]
    for decision in ("denied", "approved", "revoked"):
        decide(visitor, "chat proxy", decision)
        seen.append(model(visitor.hub, "workshop/private-model", value))

    assert "an administrator has to approve it" in made.text
    assert [answer.status_code for answer in seen] == [403, 403, 200, 403]
    assert "needs to be approved" in seen[0].json()["error"]
    assert "has been revoked" in seen[3].json()["error"]
    assert whoami(visitor.hub, value).status_code == 200, "elsewhere it goes on working"


def test_what_was_revoked_or_is_refused_for_its_kind_cannot_be_approved(visitor: Visitor) -> None:
    set_policy(visitor, "approval")
    decide(visitor, "pending-token", "approved")
    decide(visitor, "pending-token", "revoked")

    answers = [decide(visitor, name, "approved") for name in ("pending-token", "read-token", "no-inference-token")]

    assert [answer.status_code for answer in answers] == [409, 409, 409]
    assert visitor.hub.token_store["pending"].approval == "revoked"
    assert visitor.hub.token_store["read"].approval is None


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [("allow_all", [200, 200]), ("only_fine_grained", [403, 200]), ("approval", [403, 403])],
)
def test_the_policy_set_on_the_page_is_the_one_that_the_hub_obeys(
    visitor: Visitor, policy: str, allowed: list[int]
) -> None:
    values = [visitor.make("classic", "read"), visitor.make("narrow", orgPermissions=READ)]

    set_policy(visitor, policy)

    assert [model(visitor.hub, "workshop/private-model", value).status_code for value in values] == allowed
    assert checked(visitor.open(ORGANISATION).text) == {policy}


def test_a_leaked_token_is_no_concern_of_the_organisation_any_more(visitor: Visitor) -> None:
    listed = visitor.open(ORGANISATION).text

    assert "read-token" in listed
    assert "revoked-token" not in listed


def test_an_unknown_policy_or_organisation_is_refused(visitor: Visitor) -> None:
    assert set_policy(visitor, "none").status_code == 422
    assert visitor.open(ORGANISATION.replace("workshop", "other")).status_code == 404
    assert visitor.hub.account.organisation.policy == "allow_all"


def test_a_sandbox_names_the_page_in_python(hub: sandbox.Sandbox) -> None:
    assert hub.settings_url == hub.url + TOKENS
