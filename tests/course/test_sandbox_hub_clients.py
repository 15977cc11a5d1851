"""The Hub side of the sandbox, seen by the real clients, unchanged."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download

from course import sandbox

Call = Callable[[sandbox.Sandbox], object]


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


def api(hub: sandbox.Sandbox, token: str | None) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.tokens[token] if token else False)


@pytest.mark.parametrize(
    ("name", "role"),
    [("read", "read"), ("write", "write"), ("fine_grained", "fineGrained"), ("pending", "fineGrained")],
)
def test_whoami_names_the_user_and_the_role(hub: sandbox.Sandbox, name: str, role: str) -> None:
    answer = api(hub, name).whoami()

    assert answer["name"] == "learner"
    assert [organisation["name"] for organisation in answer["orgs"]] == ["workshop"]
    assert answer["auth"]["accessToken"]["role"] == role
    assert ("fineGrained" in answer["auth"]["accessToken"]) == (role == "fineGrained")


def test_whoami_of_an_oauth_token_says_when_it_expires(hub: sandbox.Sandbox) -> None:
    answer = api(hub, "oauth").whoami()

    assert answer["auth"]["type"] == "oauth"
    assert answer["auth"]["expiresAt"] == "2026-11-02T17:00:00.000Z"


def test_an_expired_oauth_token_is_refused(hub: sandbox.Sandbox) -> None:
    hub.clock.advance(8 * 3600)

    with pytest.raises(errors.HfHubHTTPError, match="Invalid user token"):
        api(hub, "oauth").whoami()


def test_a_revoked_token_is_an_invalid_user_token_for_the_library(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.HfHubHTTPError, match="Invalid user token"):
        api(hub, "revoked").whoami()


def test_an_unverified_email_can_be_asked_for() -> None:
    with sandbox.start(email_verified=False) as hub:
        answer = api(hub, "read").whoami()

    assert answer["emailVerified"] is False


@pytest.mark.parametrize("name", ["README.md", "poems/token.txt"])
def test_a_public_file_is_downloaded_without_a_token(hub: sandbox.Sandbox, tmp_path: Path, name: str) -> None:
    got = hf_hub_download("sandbox/haiku", name, endpoint=hub.url, token=False, cache_dir=tmp_path)

    assert Path(got).read_bytes() == hub.repositories["sandbox/haiku"].files[name].content


def test_the_token_is_dropped_when_a_download_is_sent_to_another_origin(hub: sandbox.Sandbox, tmp_path: Path) -> None:
    token = hub.tokens["read"]

    got = hf_hub_download("sandbox/haiku", "numbers.safetensors", endpoint=hub.url, token=token, cache_dir=tmp_path)

    file = hub.repositories["sandbox/haiku"].files["numbers.safetensors"]
    to_hub = [seen for seen in hub.requests if "/resolve/" in seen.path]
    to_store = [seen for seen in hub.requests if seen.path == f"/{file.sha256}"]
    assert Path(got).read_bytes() == file.content
    assert to_hub
    assert all(seen.request_headers["authorization"] == "Bearer hf_***" for seen in to_hub)
    assert to_store
    assert all("authorization" not in seen.request_headers for seen in to_store)


def test_a_snapshot_holds_every_file(hub: sandbox.Sandbox, tmp_path: Path) -> None:
    folder = snapshot_download("sandbox/haiku", endpoint=hub.url, token=False, cache_dir=tmp_path)

    found = {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}
    assert found == set(hub.repositories["sandbox/haiku"].files)


def test_a_file_of_a_known_commit_is_asked_for_once(hub: sandbox.Sandbox, tmp_path: Path) -> None:
    commit = hub.repositories["sandbox/haiku"].commit
    for _ in range(2):
        hf_hub_download(
            "sandbox/haiku", "config.json", revision=commit, endpoint=hub.url, token=False, cache_dir=tmp_path
        )

    assert [seen.method for seen in hub.requests] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("repo_id", "token"),
    [
        ("sandbox/haiku", None),
        ("learner/private-notes", "read"),
        ("learner/private-notes", "no_inference"),
        ("workshop/private-model", "read"),
        ("sandbox/gated-model", "fine_grained"),
        ("sandbox/gated-model", "oauth"),
    ],
)
def test_auth_check_is_silent_where_the_token_may_read(hub: sandbox.Sandbox, repo_id: str, token: str | None) -> None:
    api(hub, token).auth_check(repo_id)

    assert hub.requests[-1].status == 200


def test_write_access_is_checked_apart(hub: sandbox.Sandbox) -> None:
    api(hub, "write").auth_check("learner/private-notes", write=True)

    with pytest.raises(errors.HfHubHTTPError, match="403 Forbidden"):
        api(hub, "read").auth_check("learner/private-notes", write=True)


REFUSALS: list[tuple[str, Call, type[Exception], int]] = [
    (
        "a revision that does not exist",
        lambda hub: api(hub, "read").model_info("sandbox/haiku", revision="nowhere"),
        errors.RevisionNotFoundError,
        404,
    ),
    (
        "a file that does not exist",
        lambda hub: hf_hub_download("sandbox/haiku", "nothing.txt", endpoint=hub.url, token=False),
        errors.RemoteEntryNotFoundError,
        404,
    ),
    (
        "a gated file without a token",
        lambda hub: hf_hub_download("sandbox/gated-model", "config.json", endpoint=hub.url, token=False),
        errors.GatedRepoError,
        401,
    ),
    (
        "a gated file without a granted request",
        lambda hub: hf_hub_download("sandbox/gated-other", "config.json", endpoint=hub.url, token=hub.tokens["read"]),
        errors.GatedRepoError,
        403,
    ),
    (
        "a gated repository with a token that may not use gates",
        lambda hub: api(hub, "no_inference").auth_check("sandbox/gated-model"),
        errors.GatedRepoError,
        403,
    ),
    (
        "a disabled repository",
        lambda hub: api(hub, "read").model_info("sandbox/disabled-model"),
        errors.DisabledRepoError,
        403,
    ),
    (
        "a private repository without a token",
        lambda hub: api(hub, None).model_info("learner/private-notes"),
        errors.RepositoryNotFoundError,
        401,
    ),
    (
        "a missing repository without a token",
        lambda hub: api(hub, None).model_info("learner/no-such-thing"),
        errors.RepositoryNotFoundError,
        401,
    ),
    (
        "a missing repository with a token",
        lambda hub: api(hub, "read").model_info("learner/no-such-thing"),
        errors.RepositoryNotFoundError,
        404,
    ),
    (
        "a token that waits for the organisation",
        lambda hub: api(hub, "pending").model_info("workshop/private-model"),
        errors.HfHubHTTPError,
        403,
    ),
    (
        "a revoked token on a public repository",
        lambda hub: api(hub, "revoked").model_info("sandbox/haiku"),
        errors.HfHubHTTPError,
        401,
    ),
]


@pytest.mark.parametrize(("call", "error", "status"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_each_refusal_becomes_the_library_error_made_for_it(
    hub: sandbox.Sandbox,
    call: Call,
    error: type[errors.HfHubHTTPError],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(error) as caught:
        call(hub)

    assert type(caught.value) is error
    assert caught.value.response.status_code == status


def test_a_bad_request_becomes_the_library_error_made_for_it(hub: sandbox.Sandbox) -> None:
    hub.fail_next(400, on="hub")

    with pytest.raises(errors.BadRequestError):
        api(hub, "read").model_info("sandbox/haiku")


def test_a_rate_limit_tells_the_library_how_long_to_wait(hub: sandbox.Sandbox) -> None:
    hub.fail_next(429, retry_after=55, on="hub")

    with pytest.raises(errors.HfHubHTTPError, match="Retry after 55 seconds"):
        api(hub, "read").model_info("sandbox/haiku")


def test_the_message_of_a_waiting_token_names_the_reason(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.HfHubHTTPError, match="needs to be approved by the organization"):
        api(hub, "pending").model_info("workshop/private-model")


def test_the_description_of_a_gated_repository_is_public(hub: sandbox.Sandbox) -> None:
    info = api(hub, None).model_info("sandbox/gated-other")

    assert info.gated == "manual"


def test_the_tree_lists_folders_or_looks_into_them(hub: sandbox.Sandbox) -> None:
    top = {entry.path for entry in api(hub, None).list_repo_tree("sandbox/haiku")}
    everything = {entry.path for entry in api(hub, None).list_repo_tree("sandbox/haiku", recursive=True, expand=True)}
    inside = {entry.path for entry in api(hub, None).list_repo_tree("sandbox/haiku", "poems")}

    assert "poems" in top
    assert "poems/token.txt" not in top
    assert "poems/token.txt" in everything
    assert inside == {"poems/token.txt"}


@pytest.mark.parametrize(("name", "words"), [("read", "learner"), ("revoked", "Invalid user token")])
def test_the_hf_command_asks_the_sandbox(hub: sandbox.Sandbox, tmp_path: Path, name: str, words: str) -> None:
    command = [str(Path(sys.executable).with_name("hf")), "auth", "whoami"]
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.tokens[name], "HF_HOME": str(tmp_path)}
    env["HF_HUB_DISABLE_UPDATE_CHECK"] = "1"

    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)

    assert words in done.stdout + done.stderr
    assert (done.returncode == 0) == (name == "read")


def test_requests_sees_the_documented_body_of_a_refused_token(hub: sandbox.Sandbox) -> None:
    answer = requests.get(f"{hub.url}/api/whoami-v2", headers={"Authorization": "Bearer hf_wrong"}, timeout=5)

    assert answer.status_code == 401
    assert answer.json() == {"error": "Invalid credentials in Authorization header"}


def test_a_token_works_as_the_password_of_basic_authentication(hub: sandbox.Sandbox) -> None:
    answer = requests.get(f"{hub.url}/api/whoami-v2", auth=("learner", hub.tokens["read"]), timeout=5)

    assert answer.json()["name"] == "learner"
