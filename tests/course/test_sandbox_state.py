"""What a sandbox remembers: tokens, limits, traffic, planned failures. Nothing of it is shared."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from course import sandbox
from course.sandbox.clock import Clock
from course.sandbox.limits import RateLimits
from course.sandbox.repositories import File
from course.sandbox.tokens import TokenStore

TOKEN_SHAPE = re.compile(r"hf_[A-Za-z0-9]{34}")


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


def whoami(hub: sandbox.Sandbox, value: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {value}"} if value else {}
    return requests.get(f"{hub.url}/api/whoami-v2", headers=headers, timeout=5)


def test_token_values_have_the_documented_shape_and_are_the_same_in_every_sandbox(hub: sandbox.Sandbox) -> None:
    with sandbox.start() as other:
        assert dict(other.tokens) == dict(hub.tokens)
    personal = [value for name, value in hub.tokens.items() if name != "oauth"]
    assert all(TOKEN_SHAPE.fullmatch(value) and "Sandbox" in value for value in personal)
    assert len({*personal}) == len(personal)
    assert hub.tokens["oauth"].startswith("hf_oauth_eyJ")


def test_refreshing_kills_the_old_value_and_keeps_the_rights(hub: sandbox.Sandbox) -> None:
    old = hub.tokens["fine_grained"]

    new = hub.token_store.refresh("fine_grained")

    assert whoami(hub, old).status_code == 401
    assert whoami(hub, new.value).json()["auth"]["accessToken"]["displayName"] == "fine-grained-token"


def test_a_deleted_token_is_refused(hub: sandbox.Sandbox) -> None:
    value = hub.tokens["read"]

    hub.token_store.delete("read")

    assert whoami(hub, value).status_code == 401


def test_anybody_can_revoke_a_leaked_token(hub: sandbox.Sandbox) -> None:
    leaked = hub.tokens["write"]

    answer = requests.post(f"{hub.url}/api/credentials/revoke", json={"credentials": [leaked]}, timeout=5)

    assert answer.status_code == 202
    assert whoami(hub, leaked).status_code == 401
    assert whoami(hub, hub.tokens["read"]).status_code == 200


@pytest.mark.parametrize("body", ['{"credentials": ["hf_unknown"]}', "{}", "[]", "no json", '{"credentials": 1}'])
def test_revoking_never_tells_whether_a_token_was_good(hub: sandbox.Sandbox, body: str) -> None:
    answer = requests.post(f"{hub.url}/api/credentials/revoke", data=body, timeout=5)

    assert (answer.status_code, answer.json()) == (202, {})


def test_two_sandboxes_share_nothing(hub: sandbox.Sandbox) -> None:
    with sandbox.start() as other:
        other.token_store.revoke(other.tokens["read"])
        other.fail_next(500)
        other.clock.advance(1000)
        other.repositories["sandbox/haiku"].private = True

        assert whoami(hub, hub.tokens["read"]).status_code == 200
        assert requests.get(f"{hub.url}/api/models/sandbox/haiku", timeout=5).status_code == 200
        assert other.requests == []
        assert other.url != hub.url


def test_traffic_is_kept_in_order_and_without_credentials(hub: sandbox.Sandbox) -> None:
    value = hub.tokens["read"]
    whoami(hub, value)
    requests.get(f"{hub.url}/nothing?token={value}", timeout=5)
    requests.post(f"{hub.router}/v1/chat/completions", json={}, headers={"Authorization": f"Bearer {value}"}, timeout=5)

    seen = [(exchange.method, exchange.path, exchange.status) for exchange in hub.requests]

    assert seen == [
        ("GET", "/api/whoami-v2", 200),
        ("GET", "/nothing?token=hf_***", 404),
        ("POST", "/v1/chat/completions", 422),
    ]
    assert value not in repr(hub.requests)


def test_forgetting_empties_the_traffic(hub: sandbox.Sandbox) -> None:
    whoami(hub)

    hub.forget()

    assert hub.requests == []


def test_no_repr_shows_a_token(hub: sandbox.Sandbox) -> None:
    shown = repr([hub, hub.tokens, hub.account, hub.token_store, *map(hub.token_store.find, hub.tokens.values())])

    assert not any(value in shown for value in hub.tokens.values())


def test_no_answer_shows_a_token(hub: sandbox.Sandbox) -> None:
    answers = [whoami(hub, value) for value in hub.tokens.values()]

    shown = json.dumps([[answer.text, dict(answer.headers)] for answer in answers])

    assert not any(value in shown for value in hub.tokens.values())


def test_every_answer_of_the_hub_counts_down_its_bucket(hub: sandbox.Sandbox) -> None:
    hub.clock.freeze()
    answers = [whoami(hub, hub.tokens["read"]) for _ in range(2)]
    download = requests.head(f"{hub.url}/sandbox/haiku/resolve/main/README.md", timeout=5)
    page = requests.get(f"{hub.url}/login", timeout=5)

    assert [answer.headers["RateLimit"] for answer in answers] == ['"api";r=999;t=300', '"api";r=998;t=300']
    assert answers[0].headers["RateLimit-Policy"] == '"fixed window";"api";q=1000;w=300'
    assert download.headers["RateLimit"] == '"resolvers";r=2999;t=300'
    assert page.headers["RateLimit"] == '"pages";r=99;t=300'


def test_an_empty_bucket_answers_429_until_the_window_ends() -> None:
    with sandbox.start() as hub:
        hub.clock.freeze()
        hub.clock.advance(100)
        session = requests.Session()
        answers = [session.get(f"{hub.url}/page", timeout=5) for _ in range(101)]
        hub.clock.advance(200)
        later = session.get(f"{hub.url}/page", timeout=5)

    assert [answer.status_code for answer in answers[-2:]] == [404, 429]
    assert answers[-1].headers["RateLimit"] == '"pages";r=0;t=200'
    assert "We had to rate limit your IP" in answers[-1].json()["error"]
    assert later.headers["RateLimit"] == '"pages";r=99;t=300'


def test_all_tokens_of_a_user_share_one_count(hub: sandbox.Sandbox) -> None:
    whoami(hub, hub.tokens["read"])

    answer = whoami(hub, hub.tokens["write"])

    assert '"api";r=998' in answer.headers["RateLimit"]


def test_the_plan_decides_the_quota() -> None:
    with sandbox.start(plan="team") as hub:
        answer = whoami(hub, hub.tokens["read"])

    assert "q=3000" in answer.headers["RateLimit-Policy"]


def test_an_unknown_plan_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="enterprise_plus"):
        sandbox.start(plan="gold")


@pytest.mark.parametrize(("seconds", "exceeded"), [(0, True), (299, True), (300, False)])
def test_a_count_ends_with_its_window(seconds: int, exceeded: bool) -> None:
    clock = Clock()
    clock.freeze()
    limits = RateLimits(clock)
    for _ in range(100):
        limits.count("ip 127.0.0.1", "anonymous", "pages")

    clock.advance(seconds)

    assert limits.count("ip 127.0.0.1", "anonymous", "pages").exceeded == exceeded


def test_the_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="-1"):
        Clock().advance(-1)


def test_planned_failures_come_in_turn_and_only_where_planned(hub: sandbox.Sandbox) -> None:
    hub.fail_next(503, on="router")
    hub.fail_next(429, times=2, retry_after=2, on="hub")

    answers = [whoami(hub, hub.tokens["read"]) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "2"
    assert '"api";r=0;t=2' in answers[0].headers["RateLimit"]
    assert "Retry-After" not in answers[2].headers


def test_a_planned_success_is_refused(hub: sandbox.Sandbox) -> None:
    with pytest.raises(ValueError, match="200"):
        hub.fail_next(200)


def test_file_hashes_are_those_of_git(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"some content\n")
    real = subprocess.run(["git", "hash-object", "file"], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert File("file", b"some content\n").blob_sha1 == real.stdout.strip()


def test_a_store_issues_a_new_value_each_time() -> None:
    store = TokenStore(Clock())

    values = {store.issue("proxy", "fineGrained").value for _ in range(3)}

    assert len(values) == 3


def test_a_token_made_on_the_page_is_known_by_its_id_alone() -> None:
    store = TokenStore(Clock())
    made = [store.issue(None, "read", display_name="my notebook") for _ in range(2)]

    store.refresh(made[0].id)
    store.delete(made[1].id)

    assert store.values() == {}
    assert [token.id for token in store.all()] == [made[0].id]
    assert store.find(made[0].value) is None
    with pytest.raises(KeyError, match=made[1].id):
        store.delete(made[1].id)


def test_a_token_made_on_the_page_has_a_value_that_nobody_can_foretell() -> None:
    values = {TokenStore(Clock()).issue(None, "read", display_name="same").value for _ in range(2)}

    assert len(values) == 2
    assert all(TOKEN_SHAPE.fullmatch(value) for value in values)


def test_the_last_use_of_a_token_is_remembered(hub: sandbox.Sandbox) -> None:
    hub.clock.freeze()
    hub.clock.advance(60)

    whoami(hub, hub.tokens["read"])

    assert hub.token_store["read"].last_used_at == hub.clock.start + 60
    assert hub.token_store["write"].last_used_at is None
    assert hub.token_store.refresh("read").last_used_at is None, "nobody has used the new value yet"


def test_what_an_organisation_revoked_stays_revoked() -> None:
    store = TokenStore(Clock())
    store.issue("proxy", "fineGrained")
    store.decide("proxy", "denied")
    store.decide("proxy", "approved")
    store.decide("proxy", "revoked")

    with pytest.raises(ValueError, match="create another token"):
        store.decide("proxy", "approved")
