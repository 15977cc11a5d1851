"""Uploads, discussions and the other kinds of repositories, seen by the real clients, unchanged."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, errors, hf_hub_download, snapshot_download

from course import sandbox
from course.sandbox.commits import MOST_BYTES
from course.sandbox.repositories import FOLDER, Repository

NOTES = "learner/private-notes"
COLOURS = "learner/colours"


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


def api(hub: sandbox.Sandbox, token: str | None) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.tokens[token] if token else False)


def post(hub: sandbox.Sandbox, path: str, body: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {hub.tokens['write']}"}
    return requests.post(f"{hub.url}{path}", data=body, headers=headers, timeout=5)


# --- datasets and Spaces --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "repo_id", "name"),
    [("dataset", "learner/private-diary", "diary.csv"), ("space", "learner/private-demo", "index.html")],
)
def test_a_private_dataset_or_space_is_downloaded_with_a_token(
    hub: sandbox.Sandbox, tmp_path: Path, kind: str, repo_id: str, name: str
) -> None:
    where: dict[str, Any] = {"repo_type": kind, "endpoint": hub.url, "cache_dir": tmp_path}

    got = hf_hub_download(repo_id, name, token=hub.tokens["read"], **where)
    folder = snapshot_download(repo_id, token=hub.tokens["read"], **where)

    content = (FOLDER / f"{kind}s" / repo_id / name).read_bytes()
    assert Path(got).read_bytes() == content
    assert (Path(folder) / name).read_bytes() == content
    with pytest.raises(errors.RepositoryNotFoundError):
        api(hub, None).repo_info(repo_id, repo_type=kind)
    with pytest.raises(errors.RepositoryNotFoundError):
        api(hub, "read").model_info(repo_id)


def test_a_model_and_a_dataset_may_have_the_same_name(hub: sandbox.Sandbox) -> None:
    hub.repositories["datasets/sandbox/haiku"] = Repository("sandbox/haiku", {}, kind="dataset")

    assert api(hub, None).list_repo_files("sandbox/haiku", repo_type="dataset") == []
    assert "config.json" in api(hub, None).list_repo_files("sandbox/haiku")


def test_a_gated_dataset_is_refused_by_its_own_address(hub: sandbox.Sandbox) -> None:
    hub.repositories["datasets/sandbox/gated"] = Repository("sandbox/gated", {}, kind="dataset", gated="auto")

    with pytest.raises(errors.GatedRepoError, match="/datasets/sandbox/gated to ask for access"):
        api(hub, "read").auth_check("sandbox/gated", repo_type="dataset")


# --- uploads --------------------------------------------------------------------------------------------------


def test_an_uploaded_file_can_be_downloaded_and_is_nowhere_on_disk(hub: sandbox.Sandbox, tmp_path: Path) -> None:
    before = hub.repositories[NOTES].commit
    on_disk = {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}

    info = api(hub, "write").upload_file(path_or_fileobj=b"# new\n", path_in_repo="README.md", repo_id=NOTES)

    got = hf_hub_download(NOTES, "README.md", endpoint=hub.url, token=hub.tokens["read"], cache_dir=tmp_path)
    assert Path(got).read_bytes() == b"# new\n"
    assert info.oid == hub.repositories[NOTES].commit != before
    assert info.commit_url == f"{hub.url}/{NOTES}/commit/{info.oid}"
    assert {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()} == on_disk


def test_a_commit_adds_and_deletes_at_once(hub: sandbox.Sandbox) -> None:
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd("poems/one.txt", b"one\n"),
        CommitOperationAdd("two.txt", b"two\n"),
        CommitOperationDelete("colours.csv"),
    ]

    api(hub, "write").create_commit(COLOURS, operations, commit_message="Move", repo_type="dataset")
    api(hub, "write").delete_folder("poems", COLOURS, repo_type="dataset")

    assert api(hub, "write").list_repo_files(COLOURS, repo_type="dataset") == ["README.md", "two.txt"]


def test_a_file_that_has_not_changed_makes_no_commit(hub: sandbox.Sandbox) -> None:
    same = hub.repositories[NOTES].files["notes.txt"].content

    api(hub, "write").upload_file(path_or_fileobj=same, path_in_repo="notes.txt", repo_id=NOTES)

    assert not any("/commit/" in seen.path for seen in hub.requests)


def test_content_that_comes_back_is_a_commit_of_its_own(hub: sandbox.Sandbox) -> None:
    commits = [
        api(hub, "write").upload_file(path_or_fileobj=content, path_in_repo="notes.txt", repo_id=NOTES).oid
        for content in (b"one", b"two", b"one")
    ]

    assert len({*commits}) == 3


def test_a_commit_on_an_old_parent_is_refused(hub: sandbox.Sandbox) -> None:
    old = hub.repositories[NOTES].commit
    api(hub, "write").upload_file(path_or_fileobj=b"new", path_in_repo="notes.txt", repo_id=NOTES)

    with pytest.raises(errors.BadRequestError, match="parent commit is not the newest"):
        api(hub, "write").upload_file(
            path_or_fileobj=b"late", path_in_repo="notes.txt", repo_id=NOTES, parent_commit=old
        )


@pytest.mark.parametrize("token", ["read", "fine_grained", "no_inference", "oauth"])
def test_a_token_that_cannot_write_is_told_what_it_takes(hub: sandbox.Sandbox, token: str) -> None:
    with pytest.raises(errors.HfHubHTTPError, match=r"403 Forbidden: .* It takes repo\.write"):
        api(hub, token).upload_file(path_or_fileobj=b"", path_in_repo="a", repo_id=NOTES)


def test_a_large_file_is_refused_before_it_is_sent(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.HfHubHTTPError, match="takes no large files"):
        api(hub, "write").upload_file(path_or_fileobj=b"x" * (MOST_BYTES + 1), path_in_repo="a.bin", repo_id=NOTES)

    assert [seen.path for seen in hub.requests] == [f"/api/models/{NOTES}/preupload/main"]


def test_a_commit_as_a_pull_request_is_refused(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.BadRequestError, match="Leave create_pr out"):
        api(hub, "write").upload_file(path_or_fileobj=b"", path_in_repo="a", repo_id=NOTES, create_pr=True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no json", "not one JSON object"),
        ("[]", "not one JSON object"),
        ('{"key": "file"}', "not one JSON object"),
        ('{"key": "file", "value": {"path": "a"}}', "not one JSON object"),
        ('{"key": "file", "value": {"path": "a", "encoding": "base64", "content": "%"}}', "not one JSON object"),
        ('{"key": "deletedFile", "value": {"path": "nothing"}}', "nothing: A file with this name doesn't exist"),
        ('{"key": "lfsFile", "value": {"path": "a"}}', "takes no large files"),
    ],
)
def test_a_body_that_is_no_commit_changes_nothing(hub: sandbox.Sandbox, line: str, words: str) -> None:
    good = {"path": "new", "encoding": "base64", "content": base64.b64encode(b"new").decode()}
    before = hub.repositories[NOTES].commit

    answer = post(hub, f"/api/models/{NOTES}/commit/main", json.dumps({"key": "file", "value": good}) + "\n" + line)

    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert hub.repositories[NOTES].commit == before


@pytest.mark.parametrize("body", ["", "no json", "[]", '{"files": 1}', '{"files": [{"path": "a"}]}'])
def test_a_body_that_announces_nothing_is_refused(hub: sandbox.Sandbox, body: str) -> None:
    assert post(hub, f"/api/models/{NOTES}/preupload/main", body).status_code == 400


def test_an_unknown_revision_takes_no_commit(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.RevisionNotFoundError):
        api(hub, "write").upload_file(path_or_fileobj=b"", path_in_repo="a", repo_id=NOTES, revision="nowhere")


# --- discussions ----------------------------------------------------------------------------------------------


def test_discussions_are_numbered_listed_and_shown(hub: sandbox.Sandbox) -> None:
    hub.clock.freeze()
    for title in ("A question", "An idea"):
        api(hub, "write").create_discussion(COLOURS, title, description=f"{title}, in full", repo_type="dataset")

    listed = list(api(hub, None).get_repo_discussions(COLOURS, repo_type="dataset"))
    shown = api(hub, None).get_discussion_details(COLOURS, 2, repo_type="dataset")

    assert [(row.num, row.title, row.author, row.status) for row in listed] == [
        (1, "A question", "learner", "open"),
        (2, "An idea", "learner", "open"),
    ]
    assert [getattr(event, "content", None) for event in shown.events] == ["An idea, in full"]
    assert shown.url == f"{hub.url}/datasets/{COLOURS}/discussions/2"


def test_a_pull_request_begins_as_a_draft(hub: sandbox.Sandbox) -> None:
    opened = api(hub, "write").create_pull_request("sandbox/haiku", "An idea")

    assert (opened.is_pull_request, opened.status, opened.target_branch) == (True, "draft", "refs/heads/main")


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("read", 403), ("fine_grained", 403), ("oauth", 403)])
def test_a_token_that_cannot_discuss_is_refused(hub: sandbox.Sandbox, token: str | None, status: int) -> None:
    with pytest.raises(errors.HfHubHTTPError) as caught:
        api(hub, token).create_discussion("sandbox/haiku", "A question")

    assert caught.value.response.status_code == status


def test_discussions_of_a_hidden_repository_are_hidden(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.RepositoryNotFoundError):
        list(api(hub, None).get_repo_discussions(NOTES))


def test_a_missing_discussion_and_a_short_title_are_refused(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.HfHubHTTPError, match="has no discussion 7"):
        api(hub, "write").get_discussion_details(COLOURS, 7, repo_type="dataset")
    with pytest.raises(errors.BadRequestError, match="3 to 200 characters"):
        api(hub, "write").create_discussion(COLOURS, "a", repo_type="dataset")


def test_requests_for_access_are_those_of_a_gated_repository(hub: sandbox.Sandbox) -> None:
    with pytest.raises(errors.BadRequestError, match="not gated"):
        list(api(hub, "write").list_pending_access_requests(NOTES))
