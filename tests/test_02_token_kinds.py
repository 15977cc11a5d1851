"""Checks of the exercises in 02_token_kinds. `lesson` holds the learner's names.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("02-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/02_token_kinds.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import re
from collections.abc import Callable, Iterable
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


def ask(question: Callable[..., Any], whoami: dict[str, Any], *rest: Any) -> Any:
    """What `question` says about an answer of whoami, which must stay as it was."""
    given = deepcopy(whoami)
    said = question(given, *rest)
    assert given == whoami, wrong(
        "changes-the-answer",
        seen="the answer of whoami that you were given was another one afterwards",
        due="read it and leave it as it is: the caller goes on with it",
        read="the first line of the function: a Mapping is for reading",
    )
    return said


# --- 02-1 token_kind ----------------------------------------------------------------------------------------


def test_02_1_the_three_roles_are_told_apart(lesson: SimpleNamespace) -> None:
    for role in ("fineGrained", "read", "write"):
        cases = {
            "alone": answer_of(role),
            "with a list of fine-grained rights": answer_of(role, {GATED: True}),
            "with auth.type 'oauth'": {"auth": {"type": "oauth", "accessToken": {"role": role}}},
        }
        for case, body in cases.items():
            said = ask(lesson.token_kind, body)
            assert said == role, wrong(
                "wrong-kind",
                seen=f"for the role {role!r}, {case}, you returned {said!r}",
                due=f"{lesson.TokenKind(role)!r}: where there is a role, it alone decides",
                read='"Exercise 02-1", its first rule',
            )
            _is_a_kind(lesson, said)


def test_02_1_an_oauth_token_is_known_by_its_auth_type(lesson: SimpleNamespace) -> None:
    signed_in = {"type": "oauth", "expiresAt": "2026-11-02T17:00:00.000Z"}
    said = ask(lesson.token_kind, {"type": "user", "auth": signed_in})
    assert said == "oauth", wrong(
        "no-oauth",
        seen=f"for an answer without accessToken and with auth.type 'oauth' you returned {said!r}",
        due=f"{lesson.TokenKind.OAUTH!r}",
        read='"Exercise 02-1", its second rule',
    )
    _is_a_kind(lesson, said)
    for shown, access in (("null", None), ("{}", {})):
        said = ask(lesson.token_kind, {"auth": signed_in | {"accessToken": access}})
        assert said == "oauth", wrong(
            "null-is-not-missing",
            seen=f"{said!r} for auth.type 'oauth' with an accessToken that is {shown}",
            due=f"{lesson.TokenKind.OAUTH!r}: null and empty count as missing",
            read='"Exercise 02-1", its second rule',
        )


def test_02_1_what_it_does_not_know_is_unknown(lesson: SimpleNamespace) -> None:
    strange: dict[str, dict[str, Any]] = {
        "no field at all": {},
        "auth is null": {"auth": None},
        "auth is empty": {"auth": {}},
        "accessToken is null": {"auth": {"type": "access_token", "accessToken": None}},
        "accessToken is empty": {"auth": {"type": "access_token", "accessToken": {}}},
        "no role": {"auth": {"type": "access_token", "accessToken": {"displayName": "a token"}}},
        "an app": {"type": "app", "name": "a CI run"},
        "a role of next year": answer_of("admin"),
        "a role of next year, with auth.type 'oauth'": {"auth": {"type": "oauth", "accessToken": {"role": "admin"}}},
        "a role of next year, with a list of fine-grained rights": answer_of("admin", {GATED: True}),
        "the role is null": answer_of(None),
        "the role is 'READ', in capitals": answer_of("READ"),
        "the role is 'readonly'": answer_of("readonly"),
        "no accessToken, and auth.type is 'session'": {"auth": {"type": "session"}},
        "a role, but not in accessToken": {"role": "read", "auth": {"role": "read", "accessToken": {}}},
        "'oauth', but not in auth.type": {"type": "oauth", "auth": {"type": "session"}},
    }
    for case, body in strange.items():
        try:
            said = ask(lesson.token_kind, body)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = error

        assert not isinstance(said, Exception), wrong(
            "raises-on-the-unknown",
            seen=f"{type(said).__name__} for this answer: {case}",
            due="TokenKind.UNKNOWN: fields may be missing or null, and roles that you do not know may come",
            read='"Exercise 02-1", its last rule',
        )
        assert said == "unknown", wrong(
            "guesses",
            seen=f"{said!r} for this answer: {case}",
            due="TokenKind.UNKNOWN: nothing in the answer says which kind it is",
            read='"Exercise 02-1", its last rule',
        )
        _is_a_kind(lesson, said)


def test_02_1_oauth_is_no_role(lesson: SimpleNamespace) -> None:
    for word in ("oauth", "unknown"):
        said = ask(lesson.token_kind, answer_of(word))
        assert said == "unknown", wrong(
            "word-as-role",
            seen=f"{said!r} for an accessToken whose role is {word!r}",
            due="TokenKind.UNKNOWN: the enum also has words that are no roles; three roles exist",
            read='"Exercise 02-1", its first rule',
        )


def _is_a_kind(lesson: SimpleNamespace, said: str) -> None:
    assert isinstance(said, lesson.TokenKind), wrong(
        "not-a-kind",
        seen=f"you returned the {type(said).__name__} {said!r}",
        due=f"the member of the enum, {lesson.TokenKind(said)!r}: it prints and compares as what it is",
        read='"Exercise 02-1", its first line',
    )


# --- 02-2 can -----------------------------------------------------------------------------------------------


def test_02_2_a_permission_on_this_very_entity(lesson: SimpleNamespace) -> None:
    notes = lesson.Entity("model", "learner/notes")
    body = scoped(("model", "learner/notes", READING))

    said = ask(lesson.can, body, READING, notes)
    assert said is True, wrong(
        "misses-the-entity",
        seen=f"repo.content.read is scoped to model learner/notes, and for reading it you returned {said!r}",
        due="True: type and name are equal",
        read='"Exercise 02-2", the rules for fine-grained',
    )
    said = ask(lesson.can, body, CALLING, notes)
    assert said is False, wrong(
        "any-permission",
        seen=f"a token that may only read got {said!r} for inference.serverless.write",
        due="False: another permission on the same entity says nothing",
        read='"Exercise 02-2", the rules for fine-grained',
    )


def test_02_2_names_and_types_are_compared_whole(lesson: SimpleNamespace) -> None:
    cases = [
        ("model", "learner/notes", "model", "learner/notes-2"),
        ("model", "learner/notes-2", "model", "learner/notes"),
        ("model", "Learner/Notes", "model", "learner/notes"),
        ("user", "learn", "model", "learner/notes"),
        ("user", "learner", "user", "learner2"),
    ]
    for held_type, held_name, asked_type, asked_name in cases:
        body = scoped((held_type, held_name, READING))
        said = ask(lesson.can, body, READING, lesson.Entity(asked_type, asked_name))
        assert said is False, wrong(
            "part-of-a-name",
            seen=f"a permission on {held_type} {held_name} gave {said!r} for {asked_type} {asked_name}",
            due="False: they are two different names, though they look alike",
            read='"Exercise 02-2": type and name are equal',
        )
    for held_type, held_name in (("dataset", "learner/notes"), ("model", "learner")):
        body = scoped((held_type, held_name, READING))
        said = ask(lesson.can, body, READING, lesson.Entity("model", "learner/notes"))
        assert said is False, wrong(
            "forgets-the-type",
            seen=f"a permission on the {held_type} {held_name} gave {said!r} for the model learner/notes",
            due="False: a model and a dataset may share a name, and only a user or an organisation owns repositories",
            read='"Exercise 02-2": type and name are equal',
        )


def test_02_2_what_the_owner_has_its_repositories_have(lesson: SimpleNamespace) -> None:
    for owner_type, owner in (("user", "learner"), ("org", "workshop")):
        body = scoped((owner_type, owner, READING))
        for kind in ("model", "dataset", "space"):
            said = ask(lesson.can, body, READING, lesson.Entity(kind, f"{owner}/notes"))
            assert said is True, wrong(
                "forgets-the-owner",
                seen=f"a permission on the {owner_type} {owner} gave {said!r} for the {kind} {owner}/notes",
                due="True: what is ticked for an owner holds for all of its repositories",
                read='"What a fine-grained token may do": scoped',
            )
    for held, asked in ((("org", "learner"), ("user", "learner")), (("user", "workshop"), ("org", "workshop"))):
        said = ask(lesson.can, scoped((*held, READING)), READING, lesson.Entity(*asked))
        assert said is False, wrong(
            "owner-of-an-owner",
            seen=f"a permission on the {' '.join(held)} gave {said!r} for the {' '.join(asked)}",
            due="False: only repositories have an owner; for users and organisations kind and name must be equal",
            read='"Exercise 02-2", the first two of the rules for fine-grained',
        )
    said = ask(lesson.can, scoped(("model", "learner/notes", READING)), READING, lesson.Entity("user", "learner"))
    assert said is False, wrong(
        "upwards",
        seen=f"a permission on one repository gave {said!r} for its owner",
        due="False: it holds downwards only, from the owner to the repository",
        read='"Exercise 02-2", the second of the rules for fine-grained',
    )


def test_02_2_global_permissions_reach_what_they_are_for(lesson: SimpleNamespace) -> None:
    body = scoped(everywhere=["discussion.write", CALLING])

    said = ask(lesson.can, body, "discussion.write", lesson.Entity("model", "other/model"))
    assert said is True, wrong(
        "forgets-global",
        seen=f"discussion.write is in global, and for somebody else's model you returned {said!r}",
        due="True: there it means the repositories of others",
        read='"Exercise 02-2", the third of the rules for fine-grained',
    )
    for name in ("learner/notes", "workshop/private-model"):
        said = ask(lesson.can, body, "discussion.write", lesson.Entity("model", name))
        assert said is False, wrong(
            "global-is-everything",
            seen=f"discussion.write is in global alone, and for {name}, which is yours, you returned {said!r}",
            due="False: in global it means what is not yours",
            read='"Exercise 02-2", the third of the rules for fine-grained',
        )
    for kind, name, due in (("user", "learner", True), ("org", "workshop", True), ("user", "other", False)):
        said = ask(lesson.can, body, CALLING, lesson.Entity(kind, name))
        assert said is due, wrong(
            "global-of-others",
            seen=f"{CALLING} is in global, and for the {kind} {name} you returned {said!r}",
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
        said = ask(lesson.can, body, READING, notes)
        assert said is True, wrong(
            "write-without-read",
            seen=f"a token with repo.write on it got {said!r} for repo.content.read",
            due="True: repo.write includes reading, in each of the three places",
            read='"Exercise 02-2", its second rule',
        )
    said = ask(lesson.can, scoped(("model", "learner/notes", READING)), WRITING, notes)
    assert said is False, wrong(
        "read-means-write",
        seen=f"a token with repo.content.read alone got {said!r} for repo.write",
        due="False: it holds in one direction only",
        read='"Exercise 02-2", its second rule',
    )


def test_02_2_each_scope_holds_for_its_own_entity(lesson: SimpleNamespace) -> None:
    held = {
        ("model", "learner/a"): ["collection.read", READING],
        ("model", "learner/b"): [WRITING],
        ("org", "workshop"): [CALLING],
        ("user", "learner"): ["user.billing.read"],
    }
    scopes = [{"entity": {"type": kind, "name": name}, "permissions": ids} for (kind, name), ids in held.items()]
    body = answer_of("fineGrained", {GATED: False, "global": ["discussion.write"], "scoped": scopes})
    cases = [
        (READING, "model", "learner/a", True),
        ("collection.read", "model", "learner/a", True),
        (WRITING, "model", "learner/a", False),
        (WRITING, "model", "learner/b", True),
        (READING, "model", "learner/b", True),
        ("repo.access.read", "model", "learner/b", False),
        ("discussion.write", "model", "learner/b", False),
        (CALLING, "model", "learner/b", False),
        (CALLING, "org", "workshop", True),
        (CALLING, "user", "workshop", False),
        (CALLING, "space", "workshop/demo", True),
        ("user.billing.read", "model", "learner/a", True),
        ("user.billing.read", "model", "workshop/private-model", False),
        ("post.write", "model", "other/model", False),
        (READING, "model", "other/model", False),
    ]
    for permission, kind, name, due in cases:
        said = ask(lesson.can, body, permission, lesson.Entity(kind, name))
        assert said is due, wrong(
            "misses-the-entity" if due else "any-permission",
            seen=f"a token with several scopes, {permission} on the {kind} {name}: you returned {said!r}",
            due=f"{due}: it holds {[f'{ids} on {kind} {name}' for (kind, name), ids in held.items()]}",
            read='"Exercise 02-2", the rules for fine-grained',
        )


def test_02_2_the_switch_decides_about_gates(lesson: SimpleNamespace) -> None:
    for kind, name in (("model", "sandbox/gated-model"), ("model", "learner/notes"), ("org", "sandbox")):
        gate = lesson.Entity(kind, name)
        for on in (True, False):
            for body in (scoped(gated=on), scoped(("user", "learner", READING), everywhere=[READING], gated=on)):
                said = ask(lesson.can, body, GATED, gate)
                assert said is on, wrong(
                    "gate-not-by-the-switch",
                    seen=f"canReadGatedRepos is {str(on).lower()}, and for the {kind} {name} you returned {said!r}",
                    due=f"{on}: the switch alone decides, whatever the entity",
                    read='"Exercise 02-2", the rule for GATED',
                )
        for role in ("read", "write"):
            said = ask(lesson.can, answer_of(role), GATED, gate)
            assert said is True, wrong(
                "classic-has-no-gate",
                seen=f"for a {role} token at a gate, the {kind} {name}, you returned {said!r}",
                due="True: it opens what you can open, whoever owns it",
                read='"Exercise 02-2", the rule for GATED',
            )


def test_02_2_classic_kinds_open_what_is_yours(lesson: SimpleNamespace) -> None:
    for theirs in ("other/secret", "learner2/secret", "a-learner/secret", "other/workshop"):
        said = ask(lesson.can, answer_of("read"), READING, lesson.Entity("model", theirs))
        assert said is False, wrong(
            "opens-everything",
            seen=f"for a read token of learner, who is in workshop, and the model {theirs} you returned {said!r}",
            due="False: the owner is neither the user nor one of the user's organisations",
            read='"Exercise 02-2", the rule for Read and Write',
        )
    cases = [
        ("read", READING, "model", "learner/notes", True),
        ("read", READING, "model", "workshop/private-model", True),
        ("read", READING, "dataset", "second-org/data", True),
        ("read", WRITING, "model", "learner/notes", False),
        ("read", CALLING, "user", "learner", True),
        ("write", WRITING, "model", "workshop/private-model", True),
        ("write", READING, "model", "learner/notes", True),
        ("write", "repo.of.next.year", "model", "learner/notes", False),
        ("read", "discussion.write", "model", "other/model", False),
        ("write", "discussion.write", "model", "other/model", True),
        ("write", "discussion.write", "model", "learner/notes", True),
    ]
    for role, permission, kind, name, due in cases:
        body = answer_of(role)
        body["orgs"].append({"type": "org", "name": "second-org"})
        said = ask(lesson.can, body, permission, lesson.Entity(kind, name))
        assert said is due, wrong(
            "classic-rights",
            seen=f"for a {role} token, {permission} on {kind} {name}, you returned {said!r}",
            due=f"{due}: CLASSIC says what the kind holds, on what is yours; discussions need no ownership",
            read='"Exercise 02-2", the rule for Read and Write',
        )
    somebody = answer_of("read") | {"name": "someone", "orgs": [{"type": "org", "name": "elsewhere"}]}
    for name, due in (("someone/notes", True), ("elsewhere/notes", True), ("learner/notes", False)):
        said = ask(lesson.can, somebody, READING, lesson.Entity("model", name))
        assert said is due, wrong(
            "classic-rights",
            seen=f"for a read token of the user someone, in elsewhere, and the model {name} you returned {said!r}",
            due=f"{due}: the answer says who the user is",
            read='"Exercise 02-2", the rule for Read and Write',
        )


def test_02_2_silence_is_no(lesson: SimpleNamespace) -> None:
    scope = {"entity": {"type": "model", "name": "learner/notes"}, "permissions": [READING]}
    silent = {
        "an OAuth token": {"type": "user", "name": "learner", "auth": {"type": "oauth"}},
        "no field at all": {},
        "a role of next year": answer_of("admin"),
        "a role of next year, with fine-grained rights": answer_of("admin", {GATED: True, "scoped": [scope]}),
        "a fine-grained token without `fineGrained`": answer_of("fineGrained"),
    }
    for case, body in silent.items():
        for permission in (READING, GATED):
            said = ask(lesson.can, body, permission, lesson.Entity("model", "learner/notes"))
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
            read='"Exercise 02-3", its list, then its table',
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
    private, public = (READING, "model", "learner/notes", "private"), (READING, "model", "sandbox/haiku", "public")
    gated = (READING, "model", "sandbox/gated-model", "gated")
    cases = {
        "reads a gated model": ([gated], True),
        "reads a private model": ([private], False),
        "reads a private and a public model": ([private, public], False),
        "reads a private and a gated model": ([private, gated], True),
        "writes discussions at a gate": ([("discussion.write", "model", "sandbox/gated-model", "gated")], False),
    }
    for case, (rows, due) in cases.items():
        said = lesson.smallest_token(_job(lesson, rows))
        assert said.can_read_gated is due, wrong(
            "switch",
            seen=f"for a job that {case} can_read_gated was {said.can_read_gated!r}",
            due=f"{due}: the switch is for reading what is gated",
            read='"Exercise 02-3", its second rule',
        )


def test_02_3_writing_includes_reading_of_the_same_entity_only(lesson: SimpleNamespace) -> None:
    written = (WRITING, "model", "learner/a", "private")
    for other in (("model", "learner/b"), ("dataset", "learner/a"), ("user", "learner")):
        said = lesson.smallest_token(_job(lesson, [written, (READING, *other, "private")]))
        assert len(said.grants) == 2, wrong(
            "drops-other-reads",
            seen=f"a job that writes the model learner/a and reads the {' '.join(other)} got {_listed(said.grants)}",
            due="both: writing one entity says nothing about reading another one",
            read='"Exercise 02-3", its third rule',
        )


def test_02_3_what_remains_is_granted_and_no_more(lesson: SimpleNamespace) -> None:
    private = (READING, "model", "learner/notes", "private")
    written = (WRITING, "model", "learner/notes", "private")
    discussed = ("discussion.write", "model", "learner/notes", "private")
    cases = [
        ([private, (READING, "model", "sandbox/haiku", "public")], [0]),
        ([private, (READING, "model", "sandbox/gated-model", "gated")], [0]),
        ([(WRITING, "model", "learner/open", "public")], [0]),
        ([(WRITING, "model", "learner/gate", "gated")], [0]),
        ([(WRITING, "user", "learner", "private"), private], [0, 1]),
        ([written, discussed], [0, 1]),
        ([private, discussed], [0, 1]),
    ]
    for rows, kept in cases:
        said = lesson.smallest_token(_job(lesson, rows))
        due = _job(lesson, [rows[position] for position in kept]).needs
        assert said.grants == due, wrong(
            "too-much" if said.grants - due else "too-little",
            seen=f"a job needs {_listed(_job(lesson, rows).needs)}, and you granted {_listed(said.grants)}",
            due=f"{_listed(due)}: only reading can be free, if it is public, gated, or of the entity that is written",
            read='"Exercise 02-3", the three things that need no permission',
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
    one = (WRITING, "model", "learner/a", "private")
    cases = {
        "writes two repositories": [one, (WRITING, "dataset", "learner/b", "private")],
        "writes one and calls Inference Providers": [one, (CALLING, "user", "learner", "private")],
        "writes one and calls for the organisation": [one, (CALLING, "org", "workshop", "private")],
        "writes one and reads the bill": [one, ("user.billing.read", "user", "learner", "private")],
        "writes one and its discussions": [one, ("discussion.write", "model", "learner/a", "private")],
        "writes discussions of one": [("discussion.write", "model", "learner/a", "private")],
        "writes all repositories of the user": [(WRITING, "user", "learner", "private")],
        "writes all repositories of an organisation": [(WRITING, "org", "workshop", "private")],
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
        both = [(WRITING, kind, "learner/a", "private"), (READING, kind, "learner/a", "private")]
        for rows in (both[:1], both):
            said = lesson.smallest_token(_job(lesson, rows, runs_in="ci"))
            assert said.kind == "trusted publisher", wrong(
                "ci-counts-what-is-dropped" if rows == both else "ci-models-only",
                seen=f"for a CI job that {'reads and ' * (rows == both)}writes one {kind} you chose {said.kind!r}",
                due="'trusted publisher': it has one repo.write left, and any repository will do",
                read='"Exercise 02-3", the third row of its table',
            )


def test_02_3_a_token_has_the_name_of_its_program(lesson: SimpleNamespace) -> None:
    for name, runs_in in (("a-job", "server"), ("another-job", "own machine")):
        said = lesson.smallest_token(_job(lesson, [(CALLING, "user", "learner", "private")], runs_in, name))
        assert said.name == name, wrong(
            "no-name",
            seen=f"the token for the job {name!r} is named {said.name!r}",
            due=f"{name!r}: one token for each program, so that one can be deleted alone",
            read='"The smallest token that does the job"',
        )


def test_02_3_the_first_three_kinds_leave_the_rest_at_its_defaults(lesson: SimpleNamespace) -> None:
    gated, public = (READING, "model", "sandbox/gated-model", "gated"), (READING, "model", "sandbox/haiku", "public")
    cases = [
        ("visitors", (CALLING, "user", "learner", "private"), "sign in"),
        ("visitors", gated, "sign in"),
        ("ci", (WRITING, "model", "learner/a", "private"), "trusted publisher"),
        ("server", public, "none"),
    ]
    for runs_in, row, due in cases:
        said = lesson.smallest_token(_job(lesson, [row], runs_in))
        assert said.kind == due, wrong(
            f"wrong-kind-{due.replace(' ', '-')}",
            seen=f"for a job in {runs_in!r} that needs {' '.join(row)} you chose {said.kind!r}",
            due=f"{due!r}: the first row that applies decides",
            read='"Exercise 02-3", its table',
        )
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


def _job(
    lesson: SimpleNamespace, rows: list[tuple[str, str, str, str]], runs_in: str = "server", name: str = "a-job"
) -> Any:
    needs = frozenset(lesson.Need(held, lesson.Entity(kind, where), access) for held, kind, where, access in rows)
    return lesson.Job(name, needs, runs_in)


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
    elsewhere = [(kind, "learner/a") for kind in ("model", "dataset", "space")]
    elsewhere += [("org", "workshop"), ("org", "learner"), ("global", "everybody")]
    for kind, name in elsewhere:
        url = lesson.new_token_url(_request(lesson, (CALLING, kind, name)), "http://hub.test")
        assert CALLING not in url, wrong(
            "ticks-elsewhere",
            seen=f"a grant on the {kind} {name} became a box for the user",
            due="left out: ownUserPermissions would tick it for all of the user's own repositories",
            read='"Exercise 02-4", the sentence on what has no parameter',
        )


def test_02_4_no_double_slash(lesson: SimpleNamespace) -> None:
    for hub_url, due in (("http://hub.test/", ""), ("http://hub.test/mirror/", "/mirror")):
        url = lesson.new_token_url(_request(lesson), hub_url)
        assert urlsplit(url).path == f"{due}/settings/tokens/new", wrong(
            "double-slash",
            seen=f"for the hub_url {hub_url!r} the path was {urlsplit(url).path!r}",
            due=f"'{due}/settings/tokens/new': hub_url as it is, and one slash",
            read='"Exercise 02-4": a hub_url may end with /',
        )


def test_02_4_the_whole_address_to_the_letter(lesson: SimpleNamespace) -> None:
    own = [("repo.write", "user", "learner"), (CALLING, "user", "learner")]
    cases = [
        (own, True, f"&ownUserPermissions={CALLING}&ownUserPermissions=repo.write&{GATED}=true"),
        ([], True, f"&{GATED}=true"),
        ([], False, ""),
        ([(CALLING, "org", "learner"), ("discussion.write", "global", "learner")], False, ""),
        ([(CALLING, "user", "someone")], False, f"&ownUserPermissions={CALLING}"),
        ([(CALLING, "user", "learner"), (CALLING, "user", "someone")], False, f"&ownUserPermissions={CALLING}"),
    ]
    for grants, gated, due in cases:
        said = lesson.new_token_url(_request(lesson, *grants, gated=gated), "http://127.0.0.1:8123/")
        whole = f"http://127.0.0.1:8123/settings/tokens/new?tokenType=fineGrained{due}"
        assert said == whole, wrong(
            "not-to-the-letter",
            seen=f"for {grants}, hub_url 'http://127.0.0.1:8123/' and can_read_gated={gated}: {said!r}",
            due=f"{whole!r}: each id once, in this order, and nothing after it",
            read='"Exercise 02-4", its list of parameters',
        )


def test_02_4_other_kinds_are_refused(lesson: SimpleNamespace) -> None:
    grants = _request(lesson, (CALLING, "user", "learner")).grants
    cases = [(kind, given) for kind in ("none", "trusted publisher", "sign in", "write") for given in ((), grants)]
    for kind, given in cases:
        try:
            said = lesson.new_token_url(lesson.TokenRequest(kind, "a-job", frozenset(given)), "http://hub.test")
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


def _token(
    lesson: SimpleNamespace, kind: str, *grants: Any, name: str = "a-token", age: int = 10, gated: bool = False
) -> Any:
    created = TODAY - timedelta(days=age)
    return lesson.TokenRecord(name, lesson.TokenKind(kind), created, frozenset(grants), gated)


def _use(
    lesson: SimpleNamespace, *needs: Any, by: str = "website", of: str = "a-token", runs_in: str = "server"
) -> Any:
    return lesson.Use(by, of, frozenset(needs), runs_in)


def _audit(lesson: SimpleNamespace, tokens: list[Any], uses: list[Any]) -> list[Any]:
    """The findings: a list, each problem of a token once, made without touching what was given."""
    given = (list(tokens), list(uses))
    findings = lesson.audit(*given, TODAY)
    assert isinstance(findings, list), wrong(
        "no-list",
        seen=f"you returned {findings!r}, of the type {type(findings).__name__}",
        due="a list of findings, empty if there are none",
        read='"Exercise 02-5", its first line',
    )
    assert given == (tokens, uses), wrong(
        "changes-the-lists",
        seen="the lists of tokens and uses that you were given were others afterwards",
        due="read them and leave them as they are: sort and collect in a list of your own",
        read="the first line of the function: a Sequence is for reading",
    )
    told = [(finding.token, finding.problem) for finding in findings]
    twice = sorted({pair for pair in told if told.count(pair) > 1})
    assert not twice, wrong(
        "told-twice",
        seen=f"told more than once: {twice}",
        due="one finding for each problem of each token: its reason has room for all that was seen",
        read='"Exercise 02-5", its first line',
    )
    return findings


def _found(lesson: SimpleNamespace, token: Any, *uses: Any) -> dict[str, Any]:
    """The findings on one token, by their problem."""
    return {finding.problem: finding for finding in _audit(lesson, [token], list(uses))}


def _need(lesson: SimpleNamespace, permission: str, kind: str, name: str, access: str = "private") -> Any:
    return lesson.Need(permission, lesson.Entity(kind, name), access)


def _call(lesson: SimpleNamespace) -> Any:
    return _need(lesson, CALLING, "user", "learner")


def _read(lesson: SimpleNamespace, access: str = "private") -> Any:
    return _need(lesson, READING, "model", "learner/notes", access)


def test_02_5_a_token_that_fits_gives_no_finding(lesson: SimpleNamespace) -> None:
    call, read, at_gate = _call(lesson), _read(lesson), _read(lesson, "gated")
    cases = {
        "its one program needs all that it holds": (
            _token(lesson, "fineGrained", read, call, gated=True),
            [_use(lesson, call, at_gate)],
        ),
        "its one program reads what is public": (
            _token(lesson, "fineGrained", read),
            [_use(lesson, _read(lesson, "public"))],
        ),
        "its program needs more than it holds": (_token(lesson, "fineGrained", call), [_use(lesson, call, read)]),
        "its one program runs in two places": (
            _token(lesson, "fineGrained", call),
            [_use(lesson, call), _use(lesson, call, runs_in="ci")],
        ),
        "nobody can say what an OAuth token may": (_token(lesson, "oauth", read, gated=True), [_use(lesson, call)]),
        "nobody can say what an unknown token may": (_token(lesson, "unknown", read, gated=True), [_use(lesson, call)]),
    }
    for case, (token, uses) in cases.items():
        problems = [finding.problem for finding in _audit(lesson, [token], uses)]
        assert lesson.SHARED not in problems, wrong(
            "one-program-twice",
            seen=f"a young token, and {case}: you found {problems}",
            due=f"[]: {lesson.SHARED!r} counts different programs, and this is one",
            read='"Exercise 02-5", the third row of its table',
        )
        assert problems == [], wrong(
            "alarm-without-fire",
            seen=f"a young token, and {case}: you found {problems}",
            due="[]: a grant is needed if one of its programs has that permission on that entity, whatever the access",
            read='"Exercise 02-5", its table and the lines below it',
        )


def test_02_5_a_write_token_in_a_server(lesson: SimpleNamespace) -> None:
    cases = [
        (["server"], True),
        (["own machine"], False),
        (["ci"], False),
        (["visitors"], False),
        (["own machine", "server"], True),
        (["server", "own machine"], True),
    ]
    for places, due in cases:
        uses = [_use(lesson, _call(lesson), by=f"program{n}", runs_in=place) for n, place in enumerate(places)]
        found = _found(lesson, _token(lesson, "write"), *uses)
        assert (lesson.WRITE_IN_SERVER in found) is due, wrong(
            "write-in-server",
            seen=f"a write token whose programs run in {places} gave {sorted(found)}",
            due=f"{'a' if due else 'no'} finding {lesson.WRITE_IN_SERVER!r}",
            read='"Exercise 02-5", the first row of its table',
        )
    found = _found(lesson, _token(lesson, "read"), _use(lesson, _call(lesson)))
    assert lesson.WRITE_IN_SERVER not in found, wrong(
        "read-called-write",
        seen="a read token in a server was reported as a write token",
        due="no such finding: a read token cannot overwrite anything",
        read='"Exercise 02-5", the first row of its table',
    )


def test_02_5_more_than_its_programs_need(lesson: SimpleNamespace) -> None:
    call, read, public = _call(lesson), _read(lesson), _read(lesson, "public")
    write = _need(lesson, WRITING, "model", "learner/notes")
    dataset, mine = _need(lesson, READING, "dataset", "learner/notes"), _need(lesson, READING, "user", "learner")
    discuss = _need(lesson, "discussion.write", "model", "learner/notes", "gated")

    def fine(*grants: Any, gated: bool = False) -> Any:
        return _token(lesson, "fineGrained", *grants, gated=gated)

    cases = [  # the token, what its one program needs, what the reason must name
        ("a-read-token", _token(lesson, "read"), call, "read"),
        ("a-write-token", _token(lesson, "write"), call, "write"),
        ("a-permission-that-nobody-needs", fine(call, write), call, WRITING),
        ("a-permission-that-nobody-needs", fine(read, write), write, READING),
        ("a-permission-that-nobody-needs", fine(read, write), read, WRITING),
        ("a-permission-in-another-place", fine(_need(lesson, CALLING, "org", "workshop")), call, CALLING),
        ("a-permission-in-another-place", fine(dataset), read, READING),
        ("a-permission-in-another-place", fine(mine), read, READING),
        ("a-switch-that-nobody-needs", fine(call, gated=True), call, "gated"),
        ("a-switch-that-nobody-needs", fine(read, gated=True), read, "gated"),
        ("a-switch-that-nobody-needs", fine(read, gated=True), public, "gated"),
        ("a-switch-that-nobody-needs", fine(discuss, gated=True), discuss, "gated"),
    ]
    for case, token, need, named in cases:
        for runs_in in ("server", "own machine"):
            found = _found(lesson, token, _use(lesson, need, runs_in=runs_in))
            held = f"{_listed(token.grants)}{' and the switch' * token.can_read_gated}"
            assert lesson.TOO_BROAD in found, wrong(
                f"overlooks-{case}",
                seen=f"a {token.kind} token that holds {held}; its program ({runs_in}) needs {_listed([need])} "
                f"({need.access}): no finding",
                due=f"{lesson.TOO_BROAD!r}: {case.replace('-', ' ')}",
                read='"Exercise 02-5", the second row of its table',
            )
            assert named in found[lesson.TOO_BROAD].reason.lower(), wrong(
                "reason-without-cause",
                seen=f"{case.replace('-', ' ')}; the reason was {found[lesson.TOO_BROAD].reason!r}",
                due=f"a reason that names it: {named!r}",
                read='"Exercise 02-5", the line on reason',
            )


def test_02_5_what_its_own_programs_need(lesson: SimpleNamespace) -> None:
    call, read = _call(lesson), _read(lesson)
    extra = [
        read,
        _need(lesson, WRITING, "model", "learner/notes"),
        _need(lesson, "collection.read", "user", "learner"),
    ]
    token = _token(lesson, "fineGrained", call, *extra, gated=True)
    elsewhere = _use(lesson, *extra, _read(lesson, "gated"), by="backup", of="another-token")

    found = _found(lesson, token, _use(lesson, call), elsewhere)
    assert lesson.TOO_BROAD in found, wrong(
        "needs-of-all",
        seen="a token holds what only a program with another token needs: no finding",
        due=f"{lesson.TOO_BROAD!r}: the programs that use this token decide",
        read='"Exercise 02-5", the second row of its table',
    )
    reason = found[lesson.TOO_BROAD].reason
    unnamed = [named for named in (READING, WRITING, "collection.read", "gated") if named not in reason.lower()]
    assert not unnamed, wrong(
        "reason-without-cause",
        seen=f"nobody needs {unnamed}, and the reason was {reason!r}",
        due="a reason that names each permission that nobody needs, and the switch",
        read='"Exercise 02-5", the line on reason',
    )
    token = _token(lesson, "fineGrained", call, read)
    reasons = {_found(lesson, token, _use(lesson, need))[lesson.TOO_BROAD].reason for need in (call, read)}
    assert len(reasons) == 2, wrong(
        "reason-without-cause",
        seen=f"of two grants nobody needs once the one, once the other, and both times the reason was {reasons}",
        due="a reason from which one can tell what nobody needs",
        read='"Exercise 02-5", the line on reason',
    )


def test_02_5_shared_and_unused(lesson: SimpleNamespace) -> None:
    call, read = _call(lesson), _read(lesson)
    token = _token(lesson, "fineGrained", call, read)
    website, newsletter = _use(lesson, call), _use(lesson, read, by="newsletter", runs_in="ci")
    backup = _use(lesson, call, read, by="backup", runs_in="own machine")
    for uses in ([website, newsletter], [website, newsletter, backup], [website, backup, _use(lesson, runs_in="ci")]):
        found = _found(lesson, token, *uses)
        programs = sorted({use.application for use in uses})
        assert lesson.SHARED in found, wrong(
            "shared-unseen",
            seen=f"{programs} use one token: no finding",
            due=f"{lesson.SHARED!r}: whoever deletes it stops all of them",
            read='"Exercise 02-5", the third row of its table',
        )
        words = re.findall(r"\w+", found[lesson.SHARED].reason)
        assert set(programs) <= set(words), wrong(
            "shared-by-whom",
            seen=f"the reason was {found[lesson.SHARED].reason!r}",
            due=f"a reason that names the programs: {programs}",
            read='"Exercise 02-5", the line on reason',
        )
        assert all(words.count(program) == 1 for program in programs), wrong(
            "one-program-twice",
            seen=f"the reason was {found[lesson.SHARED].reason!r}",
            due=f"each program once: {programs}",
            read='"Exercise 02-5", the line on reason',
        )
        assert lesson.TOO_BROAD not in found, wrong(
            "needs-of-one",
            seen=f"{programs} together need all that their token holds, and you found {sorted(found)}",
            due=f"only {lesson.SHARED!r}: too broad is a grant that none of its programs needs",
            read='"Exercise 02-5", the second row of its table',
        )
    found = _found(lesson, token, _use(lesson))
    assert sorted(found) == [lesson.TOO_BROAD], wrong(
        "use-without-needs",
        seen=f"a program uses the token and needs nothing, and you found {sorted(found)}",
        due=f"only {lesson.TOO_BROAD!r}: it is used",
        read='"Exercise 02-5", the second and the fourth row of its table',
    )
    for other in ("another-token", "a-token-2", "not-a-token", "a"):
        found = _found(lesson, _token(lesson, "read"), _use(lesson, of=other))
        assert lesson.UNUSED in found, wrong(
            "unused-unseen",
            seen=f"the one program uses {other!r}, no program uses 'a-token': no finding",
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
    for age, due in ((180, False), (181, True), (400, True)):
        token = _token(lesson, "fineGrained", _call(lesson), age=age)
        found = _found(lesson, token, _use(lesson, _call(lesson)))
        assert (lesson.OLD in found) is due, wrong(
            "age-limit",
            seen=f"a token made {age} days ago gave {sorted(found)}",
            due=f"{'a' if due else 'no'} finding {lesson.OLD!r}: more than 180 days",
            read='"Exercise 02-5", the last row of its table',
        )
        if due:
            assert str(age) in found[lesson.OLD].reason, wrong(
                "age-not-told",
                seen=f"the reason was {found[lesson.OLD].reason!r}",
                due=f"a reason that holds the age in days, {age}",
                read='"Exercise 02-5", the line on reason',
            )


def test_02_5_every_problem_of_every_token_and_in_order(lesson: SimpleNamespace) -> None:
    tokens = [
        _token(lesson, "read", name="b", age=400),
        _token(lesson, "write", name="z", age=400),
        _token(lesson, "fineGrained", name="a"),
        _token(lesson, "fineGrained", _call(lesson), _read(lesson), name="m", age=400),
    ]
    uses = [_use(lesson, _call(lesson), by=by, of=of) for by in ("website", "newsletter") for of in ("z", "m")]
    found = _audit(lesson, tokens, uses)
    told = sorted((finding.token, finding.problem) for finding in found)
    due = [("a", lesson.UNUSED), ("b", lesson.OLD), ("b", lesson.UNUSED), ("z", lesson.WRITE_IN_SERVER)]
    due += [(name, problem) for name in "mz" for problem in (lesson.OLD, lesson.SHARED, lesson.TOO_BROAD)]

    assert told == sorted(due), wrong(
        "not-every-problem",
        seen=f"for four tokens you found {told}",
        due=f"{sorted(due)}: a token can have several problems",
        read='"Exercise 02-5", its first line',
    )
    table_says = {lesson.WRITE_IN_SERVER: "high", lesson.OLD: "low"}
    severities = {finding.problem: finding.severity for finding in found}
    assert severities == {problem: table_says.get(problem, "medium") for problem in severities}, wrong(
        "wrong-severity",
        seen=f"the severities were {severities}",
        due="high for the first row, low for the last one, medium for the others",
        read='"Exercise 02-5", its table',
    )
    order = [(["high", "medium", "low"].index(finding.severity), finding.token) for finding in found]
    assert order == sorted(order), wrong(
        "unsorted",
        seen=f"the order was {[(finding.severity, finding.token) for finding in found]}",
        due="high, medium, low; inside of each by the token's name",
        read='"Exercise 02-5", the line on order',
    )


def test_02_5_each_problem_has_a_reason_and_a_next_step_of_its_own(lesson: SimpleNamespace) -> None:
    token = _token(lesson, "write", age=400)
    uses = [_use(lesson, _call(lesson)), _use(lesson, _call(lesson), by="newsletter")]
    found = _audit(lesson, [token, _token(lesson, "read", name="unused")], uses)

    mute = [finding.problem for finding in found if not finding.reason.strip()]
    assert not mute, wrong(
        "reason-without-cause",
        seen=f"these findings came without a reason: {mute}",
        due="a reason that says what was seen",
        read='"Exercise 02-5", the line on reason',
    )
    steps = {finding.problem: finding.next_step.strip() for finding in found}
    said = {step for problem, step in steps.items() if step not in ("", problem)}
    assert len(said) == len(steps), wrong(
        "no-next-step",
        seen=f"the next steps were {steps}",
        due="a sentence for each problem, none twice: the reader wants to know what to do",
        read='"Exercise 02-5", its last line',
    )
