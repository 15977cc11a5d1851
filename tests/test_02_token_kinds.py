"""Checks of the exercises in 02_token_kinds. `lesson` holds the learner's names.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("02-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/02_token_kinds.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import re
from collections.abc import Iterable
from copy import deepcopy
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from course import table
from course.checks import wrong

READING, WRITING, CALLING = "repo.content.read", "repo.write", "inference.serverless.write"
GATED = "canReadGatedRepos"


def answer_of(role: str | None, fine_grained: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer of whoami, in the shape that the Hub gives to the user `learner`, a member of `workshop`."""
    access: dict[str, Any] = {"displayName": "a token", "role": role, "createdAt": "2026-10-01T09:00:00.000Z"}
    if fine_grained is not None:
        access["fineGrained"] = fine_grained
    auth = {"type": "access_token", "accessToken": access}
    return {"type": "user", "name": "learner", "orgs": [{"type": "org", "name": "workshop"}], "auth": auth}


def scoped(*scopes: tuple[str, str, str], everywhere: Iterable[str] = (), gated: bool = False) -> dict[str, Any]:
    """The answer about a fine-grained token with these (type, name, permission)."""
    rows = [{"entity": {"_id": 24 * "0", "type": t, "name": n}, "permissions": [held]} for t, n, held in scopes]
    return answer_of("fineGrained", {GATED: gated, "global": list(everywhere), "scoped": rows})


# --- 02-1 token_kind ----------------------------------------------------------------------------------------


def test_02_1_the_three_roles_are_told_apart(lesson: SimpleNamespace) -> None:
    for role in ("fineGrained", "read", "write"):
        said = lesson.token_kind(answer_of(role))

        assert said == lesson.TokenKind(role), wrong(
            "wrong-kind",
            seen=f"for the role {role!r} you returned {said!r}",
            due=f"{lesson.TokenKind(role)!r}",
            read='"Which kinds exist": auth.accessToken.role',
        )
        assert isinstance(said, lesson.TokenKind), wrong(
            "not-a-kind",
            seen=f"you returned the {type(said).__name__} {said!r}",
            due=f"the member of the enum, {lesson.TokenKind(role)!r}: it prints and compares as what it is",
            read='"Exercise 02-1", its first line',
        )


def test_02_1_an_oauth_token_is_known_by_its_auth_type(lesson: SimpleNamespace) -> None:
    said = lesson.token_kind({"type": "user", "auth": {"type": "oauth", "expiresAt": "2026-11-02T17:00:00.000Z"}})

    assert said == lesson.TokenKind.OAUTH, wrong(
        "no-oauth",
        seen=f"for an answer without accessToken and with auth.type 'oauth' you returned {said!r}",
        due=f"{lesson.TokenKind.OAUTH!r}",
        read='"Exercise 02-1", its second rule',
    )


def test_02_1_what_it_does_not_know_is_unknown(lesson: SimpleNamespace) -> None:
    strange = {
        "no field at all": {},
        "auth is null": {"auth": None},
        "accessToken is null": {"auth": {"type": "access_token", "accessToken": None}},
        "no role": {"auth": {"type": "access_token", "accessToken": {"displayName": "a token"}}},
        "an app": {"type": "app", "name": "a CI run"},
        "a role of next year": answer_of("admin"),
        "the role is null": answer_of(None),
    }
    for case, body in strange.items():
        try:
            said = lesson.token_kind(body)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = error

        assert not isinstance(said, Exception), wrong(
            "raises-on-the-unknown",
            seen=f"{type(said).__name__} for this answer: {case}",
            due="TokenKind.UNKNOWN: fields may be missing or null, and roles that you do not know may come",
            read='"Exercise 02-1", its last rule',
        )
        assert said == lesson.TokenKind.UNKNOWN, wrong(
            "guesses",
            seen=f"{said!r} for this answer: {case}",
            due="TokenKind.UNKNOWN: nothing in the answer says which kind it is",
            read='"Exercise 02-1", its last rule',
        )


def test_02_1_oauth_is_no_role(lesson: SimpleNamespace) -> None:
    for word in ("oauth", "unknown"):
        said = lesson.token_kind(answer_of(word))
        assert said == lesson.TokenKind.UNKNOWN, wrong(
            "word-as-role",
            seen=f"{said!r} for an accessToken whose role is {word!r}",
            due="TokenKind.UNKNOWN: the enum also has words that are no roles; three roles exist",
            read='"Exercise 02-1", its first rule',
        )
    said = lesson.token_kind({"auth": {"type": "oauth", "accessToken": None}})
    assert said == lesson.TokenKind.OAUTH, wrong(
        "null-is-not-missing",
        seen=f"{said!r} for auth.type 'oauth' with an accessToken that is null",
        due=f"{lesson.TokenKind.OAUTH!r}: null counts as missing",
        read='"Exercise 02-1", its second rule',
    )


# --- 02-2 can -----------------------------------------------------------------------------------------------


def test_02_2_a_permission_on_this_very_entity(lesson: SimpleNamespace) -> None:
    notes = lesson.Entity("model", "learner/notes")
    body = scoped(("model", "learner/notes", READING))

    assert lesson.can(body, READING, notes) is True, wrong(
        "misses-the-entity",
        seen="repo.content.read is scoped to model learner/notes, and you said it may not read it",
        due="True: type and name are equal",
        read='"Exercise 02-2", the rules for fine-grained',
    )
    assert lesson.can(body, CALLING, notes) is False, wrong(
        "any-permission",
        seen="a token that may only read got True for inference.serverless.write",
        due="False: another permission on the same entity says nothing",
        read='"Exercise 02-2", the rules for fine-grained',
    )


def test_02_2_names_and_types_are_compared_whole(lesson: SimpleNamespace) -> None:
    cases = [
        ("model", "learner/notes", "model", "learner/notes-2"),
        ("model", "learner/notes-2", "model", "learner/notes"),
        ("user", "learn", "model", "learner/notes"),
        ("user", "learner", "user", "learner2"),
    ]
    for held_type, held_name, asked_type, asked_name in cases:
        said = lesson.can(scoped((held_type, held_name, READING)), READING, lesson.Entity(asked_type, asked_name))
        assert said is False, wrong(
            "part-of-a-name",
            seen=f"a permission on {held_type} {held_name} gave {said} for {asked_type} {asked_name}",
            due="False: they are two different names, though one begins with the other",
            read='"Exercise 02-2": type and name are equal',
        )
    said = lesson.can(scoped(("model", "learner/notes", READING)), READING, lesson.Entity("dataset", "learner/notes"))
    assert said is False, wrong(
        "forgets-the-type",
        seen=f"a permission on the model learner/notes gave {said} for the dataset learner/notes",
        due="False: a model and a dataset may share a name, and are two repositories",
        read='"Exercise 02-2": type and name are equal',
    )


def test_02_2_what_the_owner_has_its_repositories_have(lesson: SimpleNamespace) -> None:
    for owner_type, owner in (("user", "learner"), ("org", "workshop")):
        body = scoped((owner_type, owner, READING))
        for kind in ("model", "dataset", "space"):
            said = lesson.can(body, READING, lesson.Entity(kind, f"{owner}/notes"))
            assert said is True, wrong(
                "forgets-the-owner",
                seen=f"a permission on the {owner_type} {owner} gave {said} for the {kind} {owner}/notes",
                due="True: what is ticked for an owner holds for all of its repositories",
                read='"What a fine-grained token may do": scoped',
            )
    said = lesson.can(scoped(("org", "learner", READING)), READING, lesson.Entity("user", "learner"))
    assert said is False, wrong(
        "owner-of-an-owner",
        seen=f"a permission on the organisation learner gave {said} for the user learner",
        due="False: only repositories have an owner; for users and organisations kind and name must be equal",
        read='"Exercise 02-2", the first two of the rules for fine-grained',
    )
    said = lesson.can(scoped(("model", "learner/notes", READING)), READING, lesson.Entity("user", "learner"))
    assert said is False, wrong(
        "upwards",
        seen=f"a permission on one repository gave {said} for its owner",
        due="False: it holds downwards only, from the owner to the repository",
        read='"Exercise 02-2", the third of the rules for fine-grained',
    )


def test_02_2_global_permissions_reach_what_they_are_for(lesson: SimpleNamespace) -> None:
    theirs, mine = lesson.Entity("model", "other/model"), lesson.Entity("model", "learner/notes")
    body = scoped(everywhere=["discussion.write", CALLING])

    said = lesson.can(body, "discussion.write", theirs)
    assert said is True, wrong(
        "forgets-global",
        seen=f"discussion.write is in global, and for somebody else's model you returned {said}",
        due="True: there it means the repositories of others",
        read='"Exercise 02-2", the third of the rules for fine-grained',
    )
    said = lesson.can(body, "discussion.write", mine)
    assert said is False, wrong(
        "global-is-everything",
        seen=f"discussion.write is in global alone, and for the user's own model you returned {said}",
        due="False: in global it means what is not yours",
        read='"Exercise 02-2", the third of the rules for fine-grained',
    )
    for entity, due in ((lesson.Entity("user", "learner"), True), (lesson.Entity("user", "other"), False)):
        said = lesson.can(body, CALLING, entity)
        assert said is due, wrong(
            "global-of-others",
            seen=f"{CALLING} is in global, and for the user {entity.name} you returned {said}",
            due=f"{due}: apart from discussions, global means what is yours",
            read='"Exercise 02-2", the third of the rules for fine-grained',
        )


def test_02_2_who_may_write_may_read(lesson: SimpleNamespace) -> None:
    notes = lesson.Entity("model", "learner/notes")
    for body in (
        scoped(("model", "learner/notes", WRITING)),
        scoped(("user", "learner", WRITING)),
        scoped(everywhere=[WRITING]),
    ):
        said = lesson.can(body, READING, notes)
        assert said is True, wrong(
            "write-without-read",
            seen=f"a token with repo.write on it got {said} for repo.content.read",
            due="True: repo.write includes reading, in each of the three places",
            read='"Exercise 02-2", its second rule',
        )
    said = lesson.can(scoped(("model", "learner/notes", READING)), WRITING, notes)
    assert said is False, wrong(
        "read-means-write",
        seen=f"a token with repo.content.read alone got {said} for repo.write",
        due="False: it holds in one direction only",
        read='"Exercise 02-2", its second rule',
    )


def test_02_2_the_switch_decides_about_gates(lesson: SimpleNamespace) -> None:
    gate = lesson.Entity("model", "sandbox/gated-model")
    for on in (True, False):
        said = lesson.can(scoped(("user", "learner", READING), gated=on), GATED, gate)
        assert said is on, wrong(
            "gate-not-by-the-switch",
            seen=f"canReadGatedRepos is {str(on).lower()}, and you returned {said}",
            due=f"{on}: the switch alone decides, whatever the entity",
            read='"Exercise 02-2", the rule for GATED',
        )
    for role in ("read", "write"):
        said = lesson.can(answer_of(role), GATED, gate)
        assert said is True, wrong(
            "classic-has-no-gate",
            seen=f"for a {role} token at a gate you returned {said}",
            due="True: it opens what you can open, and the owner of a gated model is somebody else",
            read='"Exercise 02-2", the rules for Read and Write',
        )


def test_02_2_classic_kinds_open_what_is_yours(lesson: SimpleNamespace) -> None:
    theirs, ours = lesson.Entity("model", "other/secret"), lesson.Entity("model", "workshop/private-model")
    mine = lesson.Entity("model", "learner/notes")
    cases = [
        ("read", READING, mine, True),
        ("read", READING, ours, True),
        ("read", WRITING, mine, False),
        ("read", CALLING, lesson.Entity("user", "learner"), True),
        ("write", WRITING, ours, True),
        ("write", "repo.of.next.year", mine, False),
        ("read", "discussion.write", theirs, False),
        ("write", "discussion.write", theirs, True),
    ]
    for role, permission, entity, due in cases:
        said = lesson.can(answer_of(role), permission, entity)
        assert said is due, wrong(
            "classic-rights",
            seen=f"for a {role} token, {permission} on {entity.kind} {entity.name}, you returned {said}",
            due=f"{due}: CLASSIC says what the kind holds, on what is yours; discussions need no ownership",
            read='"Exercise 02-2", the rule for Read and Write',
        )
    said = lesson.can(answer_of("read"), READING, theirs)
    assert said is False, wrong(
        "opens-everything",
        seen=f"for a read token and a model of somebody else you returned {said}",
        due="False: the owner is neither the user nor one of the user's organisations",
        read='"Exercise 02-2", the rule for Read and Write',
    )


def test_02_2_silence_is_no(lesson: SimpleNamespace) -> None:
    silent = {
        "an OAuth token": {"type": "user", "name": "learner", "auth": {"type": "oauth"}},
        "no field at all": {},
        "a role of next year": answer_of("admin"),
        "a fine-grained token without `fineGrained`": answer_of("fineGrained"),
    }
    for case, body in silent.items():
        for permission in (READING, GATED):
            said = lesson.can(deepcopy(body), permission, lesson.Entity("model", "learner/notes"))
            assert said is False, wrong(
                "silence-is-not-no",
                seen=f"{said!r} for this answer: {case}",
                due="False: what the answer does not say is not held",
                read='"Exercise 02-2", the rule for OAuth and unknown',
            )


# --- 02-3 smallest_token ------------------------------------------------------------------------------------


def test_02_3_the_jobs_of_the_table(lesson: SimpleNamespace) -> None:
    for row in table("token_needs")["jobs"]:
        wanted = [lesson.as_need(each) for each in row["needs"]]
        said = lesson.smallest_token(lesson.as_job(row))

        assert said.kind == row["due"], wrong(
            f"wrong-kind-{row['due'].replace(' ', '-')}",
            seen=f"for the job {row['name']!r} you chose {said.kind!r}",
            due=f"{row['due']!r}: {row['why']}",
            read='"Exercise 02-3", its second table',
        )
        kept = frozenset(wanted[position] for position in row["grants"])
        assert not said.grants - kept, wrong(
            "too-much",
            seen=f"for the job {row['name']!r} you granted {_listed(said.grants - kept)}, which it can do without",
            due=f"{_listed(kept)}: {row['why']}",
            read='"Exercise 02-3", the three things that need no permission',
        )
        assert said.grants == kept, wrong(
            "too-little",
            seen=f"for the job {row['name']!r} you did not grant {_listed(kept - said.grants)}",
            due=f"{_listed(kept)}: {row['why']}",
            read='"Exercise 02-3", the last row of its table',
        )


def test_02_3_the_switch_only_where_there_is_a_gate(lesson: SimpleNamespace) -> None:
    for access in ("gated", "private"):
        job = _job(lesson, [(READING, "model", "learner/notes", access)])
        said = lesson.smallest_token(job)
        assert said.can_read_gated is (access == "gated"), wrong(
            "switch",
            seen=f"for reading a {access} model can_read_gated was {said.can_read_gated!r}",
            due=f"{access == 'gated'}: the switch is for gates",
            read='"Exercise 02-3", its second rule',
        )


def test_02_3_writing_includes_reading_of_the_same_entity_only(lesson: SimpleNamespace) -> None:
    job = _job(lesson, [(WRITING, "model", "learner/a", "private"), (READING, "model", "learner/b", "private")])
    said = lesson.smallest_token(job)

    assert {need.entity.name for need in said.grants} == {"learner/a", "learner/b"}, wrong(
        "drops-other-reads",
        seen=f"a job that writes one model and reads another got {_listed(said.grants)}",
        due="both: writing a model says nothing about reading another one",
        read='"Exercise 02-3", its third rule',
    )


def test_02_3_a_gate_asks_for_the_switch_even_of_a_writer(lesson: SimpleNamespace) -> None:
    rows = [(WRITING, "model", "learner/a", "public"), (READING, "model", "learner/a", "gated")]
    said = lesson.smallest_token(_job(lesson, rows))
    assert said.can_read_gated is True, wrong(
        "writer-skips-the-gate",
        seen="a job that writes a gated model and reads it got no switch",
        due="can_read_gated=True: the read is included in the write, the gate is not",
        read='"Exercise 02-3", its third rule',
    )
    assert {need.permission for need in said.grants} == {WRITING}, wrong(
        "write-by-its-access",
        seen=f"a job that writes a public model and reads it got {_listed(said.grants)}",
        due="repo.write alone: reading is included in it, however the repository is kept",
        read='"Exercise 02-3", its third rule',
    )


def test_02_3_a_ci_token_is_for_one_repository(lesson: SimpleNamespace) -> None:
    one, two = (WRITING, "model", "learner/a", "private"), (WRITING, "dataset", "learner/b", "private")
    cases = {
        "writes two repositories": [one, two],
        "writes one and calls Inference Providers": [one, (CALLING, "user", "learner", "private")],
        "writes all repositories of the user": [(WRITING, "user", "learner", "private")],
        "writes one and reads a gated one": [one, (READING, "model", "sandbox/gated-model", "gated")],
        "reads a private one": [(READING, "model", "learner/a", "private")],
    }
    for case, rows in cases.items():
        said = lesson.smallest_token(_job(lesson, rows, runs_in="ci"))
        assert said.kind == "fine-grained", wrong(
            "ci-does-all",
            seen=f"for a CI job that {case} you chose {said.kind!r}",
            due="'fine-grained': the token of a Trusted Publisher writes one repository, and that is all it does",
            read='"Exercise 02-3", the third row of its table',
        )
    for kind in ("model", "dataset", "space"):
        said = lesson.smallest_token(_job(lesson, [(WRITING, kind, "learner/a", "private")], runs_in="ci"))
        assert said.kind == "trusted publisher", wrong(
            "ci-models-only",
            seen=f"for a CI job that writes one {kind} you chose {said.kind!r}",
            due="'trusted publisher': models, datasets and Spaces are repositories alike",
            read='"Exercise 02-3", the third row of its table',
        )


def test_02_3_a_token_has_the_name_of_its_program(lesson: SimpleNamespace) -> None:
    said = lesson.smallest_token(_job(lesson, [(CALLING, "user", "learner", "private")]))
    assert said.name == "a-job", wrong(
        "no-name",
        seen=f"the token for the job 'a-job' is named {said.name!r}",
        due="'a-job': one token for each program, so that one can be deleted alone",
        read='"The smallest token that does the job"',
    )
    for runs_in, rows in (("visitors", [(CALLING, "user", "learner", "private")]), ("server", [])):
        said = lesson.smallest_token(_job(lesson, rows, runs_in=runs_in))
        assert (said.name, said.grants, said.can_read_gated) == ("", frozenset(), False), wrong(
            "not-at-the-defaults",
            seen=f"the kind {said.kind!r} came with a name, with grants or with the switch on",
            due="nothing but the kind: no token of yours is made",
            read='"Exercise 02-3", the line under its table',
        )


def test_02_3_visitors_of_public_things_need_nothing(lesson: SimpleNamespace) -> None:
    said = lesson.smallest_token(_job(lesson, [(READING, "model", "sandbox/haiku", "public")], runs_in="visitors"))

    assert said.kind == "none", wrong(
        "wrong-order",
        seen=f"for visitors who read what is public you chose {said.kind!r}",
        due="'none': the first row that applies decides",
        read='"Exercise 02-3", its table from the top',
    )


def _job(lesson: SimpleNamespace, rows: list[tuple[str, str, str, str]], runs_in: str = "server") -> Any:
    needs = frozenset(lesson.Need(held, lesson.Entity(kind, name), access) for held, kind, name, access in rows)
    return lesson.Job("a-job", needs, runs_in)


def _listed(needs: Iterable[Any]) -> str:
    told = sorted(f"{need.permission} on {need.entity.kind} {need.entity.name}" for need in needs)
    return ", ".join(told) or "nothing"


# --- 02-4 new_token_url -------------------------------------------------------------------------------------


def _request(lesson: SimpleNamespace, *grants: tuple[str, str, str], gated: bool = False) -> Any:
    needs = frozenset(lesson.Need(held, lesson.Entity(kind, name)) for held, kind, name in grants)
    return lesson.TokenRequest("fine-grained", "a-job", needs, gated)


def test_02_4_the_link_of_the_documentation(lesson: SimpleNamespace) -> None:
    url = lesson.new_token_url(_request(lesson, (CALLING, "user", "learner")), "http://hub.test")
    parts = urlsplit(url)

    assert (parts.scheme, parts.netloc, parts.path) == ("http", "hub.test", "/settings/tokens/new"), wrong(
        "wrong-page",
        seen=f"the address begins with {url.partition('?')[0]!r}",
        due="'http://hub.test/settings/tokens/new': hub_url, then the path of the page",
        read='"A link with the boxes ticked"',
    )
    assert parse_qsl(parts.query) == [("tokenType", "fineGrained"), ("ownUserPermissions", CALLING)], wrong(
        "wrong-parameters",
        seen=f"the part after the question mark is {parts.query!r}",
        due=f"'tokenType=fineGrained&ownUserPermissions={CALLING}'",
        read='"Exercise 02-4", its list of parameters',
    )


def test_02_4_each_permission_once_and_sorted(lesson: SimpleNamespace) -> None:
    held = ["user.billing.read", CALLING, "repo.content.read", "collection.read"]
    url = lesson.new_token_url(_request(lesson, *((one, "user", "learner") for one in held)), "http://hub.test")
    said = [value for name, value in parse_qsl(urlsplit(url).query) if name == "ownUserPermissions"]

    assert sorted(said) == sorted(held), wrong(
        "loses-permissions",
        seen=f"of four permissions on the user the address holds {said}",
        due="ownUserPermissions once for each of them: a dict keeps only one value for a name",
        read='"Exercise 02-4", its second parameter',
    )
    assert said == sorted(held), wrong(
        "not-sorted",
        seen=f"the permissions stand in the order {said}",
        due="sorted by id: grants are a set, so without sorting the same request gives another address each time",
        read='"Exercise 02-4", its second parameter',
    )


def test_02_4_the_switch_is_a_parameter(lesson: SimpleNamespace) -> None:
    for gated in (True, False):
        url = lesson.new_token_url(_request(lesson, gated=gated), "http://hub.test")
        said = dict(parse_qsl(urlsplit(url).query)).get(GATED)
        due = "true" if gated else None
        assert said == due, wrong(
            "switch-parameter",
            seen=f"with can_read_gated={gated} the parameter canReadGatedRepos was {said!r}",
            due=f"{due!r}: the word true in small letters, or no such parameter",
            read='"Exercise 02-4", its last parameter',
        )


def test_02_4_only_what_the_address_can_say(lesson: SimpleNamespace) -> None:
    url = lesson.new_token_url(
        _request(lesson, ("repo.write", "org", "workshop"), ("discussion.write", "global", "everybody")),
        "http://hub.test",
    )

    assert not [held for held in ("repo.write", "discussion.write") if held in url], wrong(
        "ticks-elsewhere",
        seen="a grant on an organisation, or a global one, became a box for the user",
        due="left out: ownUserPermissions would tick it for all of the user's own repositories",
        read='"Exercise 02-4", the sentence on what has no parameter',
    )


def test_02_4_no_double_slash(lesson: SimpleNamespace) -> None:
    url = lesson.new_token_url(_request(lesson), "http://hub.test/")

    assert urlsplit(url).path == "/settings/tokens/new", wrong(
        "double-slash",
        seen=f"for a hub_url that ends with a slash the path was {urlsplit(url).path!r}",
        due="'/settings/tokens/new'",
        read='"Exercise 02-4": a hub_url may end with /',
    )


def test_02_4_other_kinds_are_refused(lesson: SimpleNamespace) -> None:
    for kind in ("none", "trusted publisher", "sign in"):
        try:
            said = lesson.new_token_url(lesson.TokenRequest(kind), "http://hub.test")
        except ValueError:
            continue
        raise AssertionError(
            wrong(
                "makes-a-token-anyway",
                seen=f"for the kind {kind!r} you returned {said!r}",
                due="ValueError: there is no token to create, and a link would invite to make one",
                read='"Exercise 02-4", the sentence before its example',
            )
        )


# --- 02-5 audit ---------------------------------------------------------------------------------------------

TODAY = date(2026, 11, 2)


def _token(lesson: SimpleNamespace, kind: str, *grants: Any, name: str = "a-token", age: int = 10, **more: Any) -> Any:
    created = TODAY - timedelta(days=age)
    return lesson.TokenRecord(name, lesson.TokenKind(kind), created, frozenset(grants), **more)


def _use(
    lesson: SimpleNamespace, *needs: Any, by: str = "website", of: str = "a-token", runs_in: str = "server"
) -> Any:
    return lesson.Use(by, of, frozenset(needs), runs_in)


def _found(lesson: SimpleNamespace, tokens: list[Any], uses: list[Any]) -> dict[str, Any]:
    return {finding.problem: finding for finding in lesson.audit(tokens, uses, TODAY)}


def _call(lesson: SimpleNamespace) -> Any:
    return lesson.Need(CALLING, lesson.Entity("user", "learner"))


def _read(lesson: SimpleNamespace, access: str = "private") -> Any:
    return lesson.Need(READING, lesson.Entity("model", "learner/notes"), access)


def test_02_5_a_token_that_fits_gives_no_finding(lesson: SimpleNamespace) -> None:
    granted = lesson.Need(READING, lesson.Entity("model", "learner/notes"))
    token = _token(lesson, "fineGrained", granted, _call(lesson), can_read_gated=True)
    uses = [_use(lesson, _call(lesson), _read(lesson, "gated"))]
    found = lesson.audit([token], uses, TODAY)

    assert found == [], wrong(
        "alarm-without-fire",
        seen=f"a young token whose one program needs all that it holds gave {[finding.problem for finding in found]}",
        due="[]: same permission on the same entity; how the repository is kept (access) does not matter",
        read='"Exercise 02-5", the line under its table',
    )


def test_02_5_a_write_token_in_a_server(lesson: SimpleNamespace) -> None:
    for runs_in, due in (("server", True), ("own machine", False)):
        found = _found(lesson, [_token(lesson, "write")], [_use(lesson, _call(lesson), runs_in=runs_in)])
        assert (lesson.WRITE_IN_SERVER in found) is due, wrong(
            "write-in-server",
            seen=f"a write token whose program runs in {runs_in!r} gave {sorted(found)}",
            due=f"{'a' if due else 'no'} finding {lesson.WRITE_IN_SERVER!r}",
            read='"Exercise 02-5", the first row of its table',
        )
    found = _found(lesson, [_token(lesson, "read")], [_use(lesson, _call(lesson))])
    assert lesson.WRITE_IN_SERVER not in found, wrong(
        "read-called-write",
        seen="a read token in a server was reported as a write token",
        due="no such finding: a read token cannot overwrite anything",
        read='"Exercise 02-5", the first row of its table',
    )


def test_02_5_more_than_its_programs_need(lesson: SimpleNamespace) -> None:
    write_all = lesson.Need(WRITING, lesson.Entity("user", "learner"))
    other_place = lesson.Need(CALLING, lesson.Entity("org", "workshop"))
    cases = {
        "a read token": (_token(lesson, "read"), "read"),
        "a write token": (_token(lesson, "write"), "write"),
        "a permission that nobody needs": (_token(lesson, "fineGrained", _call(lesson), write_all), WRITING),
        "a permission in another place": (_token(lesson, "fineGrained", other_place), CALLING),
        "a switch that nobody needs": (_token(lesson, "fineGrained", _call(lesson), can_read_gated=True), "gated"),
    }
    for case, (token, named) in cases.items():
        found = _found(lesson, [token], [_use(lesson, _call(lesson))])
        assert lesson.TOO_BROAD in found, wrong(
            f"overlooks-{case.replace(' ', '-')}",
            seen=f"{case}, and its one program only calls Inference Providers for the user: no finding",
            due=f"{lesson.TOO_BROAD!r}",
            read='"Exercise 02-5", the second row of its table',
        )
        assert named in found[lesson.TOO_BROAD].reason.lower(), wrong(
            "reason-without-cause",
            seen=f"{case}; the reason was {found[lesson.TOO_BROAD].reason!r}",
            due=f"a reason that names it: {named!r}",
            read='"Exercise 02-5", the line on reason',
        )


def test_02_5_shared_and_unused(lesson: SimpleNamespace) -> None:
    token = _token(lesson, "fineGrained", _call(lesson))
    uses = [_use(lesson, _call(lesson), by=name) for name in ("website", "newsletter")]

    assert lesson.SHARED in _found(lesson, [token], uses), wrong(
        "shared-unseen",
        seen="two programs use one token: no finding",
        due=f"{lesson.SHARED!r}: whoever deletes it stops both",
        read='"Exercise 02-5", the third row of its table',
    )
    reason = _found(lesson, [token], uses)[lesson.SHARED].reason
    assert {"website", "newsletter"} <= set(re.findall(r"\w+", reason)), wrong(
        "shared-by-whom",
        seen=f"the reason was {reason!r}",
        due="a reason that names both programs",
        read='"Exercise 02-5", the line on reason',
    )
    found = _found(lesson, [_token(lesson, "read")], [_use(lesson, of="another-token")])
    assert lesson.UNUSED in found, wrong(
        "unused-unseen",
        seen="no program uses the token: no finding",
        due=f"{lesson.UNUSED!r}: nobody would miss it, except a thief",
        read='"Exercise 02-5", the fourth row of its table',
    )
    assert lesson.TOO_BROAD not in found, wrong(
        "unused-and-broad",
        seen="a token that nobody uses was also reported as too broad for its use",
        due="only unused: there is no use that it could be too broad for",
        read='"Exercise 02-5": somebody uses it',
    )


def test_02_5_age_counts_in_days(lesson: SimpleNamespace) -> None:
    for age, due in ((180, False), (181, True)):
        token = _token(lesson, "fineGrained", _call(lesson), age=age)
        found = _found(lesson, [token], [_use(lesson, _call(lesson))])
        assert (lesson.OLD in found) is due, wrong(
            "age-limit",
            seen=f"a token made {age} days ago gave {sorted(found)}",
            due=f"{'a' if due else 'no'} finding {lesson.OLD!r}: more than 180 days",
            read='"Exercise 02-5", the last row of its table',
        )
        if due:
            assert "181" in found[lesson.OLD].reason, wrong(
                "age-not-told",
                seen=f"the reason was {found[lesson.OLD].reason!r}",
                due="a reason that holds the age in days, 181",
                read='"Exercise 02-5", the line on reason',
            )


def test_02_5_every_problem_of_every_token_once_and_in_order(lesson: SimpleNamespace) -> None:
    tokens = [
        _token(lesson, "read", name="b", age=400),
        _token(lesson, "write", name="z", age=400),
        _token(lesson, "fineGrained", name="a"),
    ]
    uses = [_use(lesson, _call(lesson), of="z"), _use(lesson, _call(lesson), by="newsletter", of="z")]
    found = lesson.audit(tokens, uses, TODAY)
    told = sorted((finding.token, finding.problem) for finding in found)
    due = [("a", lesson.UNUSED), ("b", lesson.OLD), ("b", lesson.UNUSED)]
    due += [("z", problem) for problem in (lesson.WRITE_IN_SERVER, lesson.OLD, lesson.SHARED, lesson.TOO_BROAD)]

    assert told == due, wrong(
        "not-every-problem",
        seen=f"for three tokens you found {told}",
        due=f"{due}: a token can have several problems, each told once",
        read='"Exercise 02-5", its first line',
    )
    severities = {
        finding.problem: finding.severity for finding in found if finding.severity != lesson.SEVERITIES[finding.problem]
    }
    assert not severities, wrong(
        "wrong-severity",
        seen=f"these severities differ from the table: {severities}",
        due=f"{lesson.SEVERITIES}",
        read='"Exercise 02-5", its table',
    )
    order = [(["high", "medium", "low"].index(finding.severity), finding.token) for finding in found]
    assert order == sorted(order), wrong(
        "unsorted",
        seen=f"the order was {[(finding.severity, finding.token) for finding in found]}",
        due="high, medium, low; inside of each by the token's name",
        read='"Exercise 02-5", the line on order',
    )


def test_02_5_each_problem_has_a_next_step_of_its_own(lesson: SimpleNamespace) -> None:
    token = _token(lesson, "write", age=400)
    uses = [_use(lesson, _call(lesson)), _use(lesson, _call(lesson), by="newsletter")]
    found = lesson.audit([token, _token(lesson, "read", name="unused")], uses, TODAY)
    steps = {finding.problem: finding.next_step for finding in found}

    assert len(set(filter(None, steps.values()))) == len(steps), wrong(
        "no-next-step",
        seen=f"the next steps were {steps}",
        due="a sentence for each problem, none twice: the reader wants to know what to do",
        read='"Exercise 02-5", its last line',
    )
