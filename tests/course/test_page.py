"""The chat pages without a browser: how they are served, how the React one is built, what their files may hold."""

import json
import os
import re
import sys
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from course import page
from course.errors import CourseError
from course.page import BUILT, PLAIN, REACT, is_built, page_folder, prepare
from tests.course.chat_site import BUILD
from tests.course.proxies import QUESTION, settings, solution

NOT_HERE = (
    "innerHTML|outerHTML|insertAdjacentHTML|document.write|dangerouslySetInnerHTML|eval|new Function|localStorage"
)


def visitor(**given: object) -> TestClient:
    """A client of the proxy with the plain page, in front of an upstream that is too busy."""
    ours = settings(static_dir=str(PLAIN), **given)
    app = solution().create_app(ours, transport=httpx2.MockTransport(lambda _: httpx2.Response(503)))
    prepare(app, ours)
    return TestClient(app)


def test_the_page_learns_the_bounds_of_its_proxy() -> None:
    with visitor(allowed_models=("b/c", "a/b"), max_messages=4) as client:
        told = client.get("/limits.json").json()

    assert told == {"model": "b/c", "max_messages": 4, "max_characters": 8000, "max_tokens": 512}
    with visitor(allowed_models=()) as client:
        assert client.get("/limits.json").json()["model"] == ""


def test_the_bounds_in_the_file_are_the_defaults_of_the_proxy() -> None:
    with visitor() as client:
        assert json.loads((PLAIN / "limits.json").read_text()) == client.get("/limits.json").json()


def test_a_file_of_the_page_has_the_headers_of_every_answer_and_is_asked_for_again() -> None:
    with visitor() as client:
        answers = [client.get(path) for path in ("/", "/chat.js", "/nowhere", "/../page.py", "/limits.json")]
        again = client.get("/chat.js", headers={"If-None-Match": answers[1].headers["etag"]})
        posted = client.post("/")

    assert [answer.status_code for answer in (*answers, again, posted)] == [200, 200, 404, 404, 200, 304, 405]
    for answer in (*answers, again, posted):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answers[1].headers["content-type"].startswith("text/javascript")
    assert {answer.headers["cache-control"] for answer in (*answers[:2], again)} == {"no-cache"}
    assert answers[2].json()["error"]["code"] == "not_found"
    assert "cache-control" not in answers[2].headers


def test_only_a_file_with_a_hash_in_its_name_is_kept_unasked(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a-1f2e.js").write_text("")
    app = solution().create_app(ours := settings(static_dir=str(tmp_path)))
    prepare(app, ours)

    with TestClient(app) as client:
        kept, missing = (client.get(f"/assets/{name}") for name in ("a-1f2e.js", "b.js"))

    assert "immutable" in kept.headers["cache-control"]
    assert "cache-control" not in missing.headers


def test_looking_at_the_page_counts_against_no_limit() -> None:
    with visitor(requests_per_minute=1) as client:
        looks = [client.get("/").status_code for _ in range(3)]

        assert [*looks, client.post("/api/chat", json=QUESTION).status_code] == [200, 200, 200, 502]


def test_the_react_page_is_built_once_and_again_when_a_source_is_younger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("page", "react/src", "react/node_modules", "built"):
        (tmp_path / folder).mkdir(parents=True)
    files = [
        tmp_path / name
        for name in ("page/a.js", "react/src/a.tsx", "react/package-lock.json", "react/node_modules/.package-lock.json")
    ]
    for path in (*files, tmp_path / "page", tmp_path / "react" / "src"):
        path.touch()
        os.utime(path, (1000, 1000))
    for name, folder in (("PLAIN", "page"), ("REACT", "react"), ("BUILT", "built")):
        monkeypatch.setattr(page, name, tmp_path / folder)
    monkeypatch.setattr("shutil.which", lambda name: name)
    ran: list[str] = []

    def npm(_: str, *arguments: str) -> None:
        ran.append(" ".join(arguments))
        (tmp_path / "built" / "index.html").touch()
        os.utime(tmp_path / "built" / "index.html", (1500, 1500))

    monkeypatch.setattr(page, "_run", npm)

    assert page_folder("react") == page_folder("react") == tmp_path / "built"
    assert ran == ["run build"]
    os.utime(tmp_path / "page" / "a.js", (2000, 2000))
    page_folder("react")
    assert ran == 2 * ["run build"]
    os.utime(tmp_path / "react" / "package-lock.json", (3000, 3000))
    page_folder("react")
    assert ran == [*2 * ["run build"], "ci", "run build"]


def test_without_node_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "is_built", lambda: False)
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(CourseError, match=r"Install Node\.js, or leave PAGE=react away"):
        page_folder("react")
    assert page_folder("plain") == PLAIN


def test_what_npm_said_when_it_failed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "is_built", lambda: False)
    monkeypatch.setattr("shutil.which", lambda _: sys.executable)  # which finds no file "run"

    with pytest.raises(CourseError, match=r"npm (ci|run build) failed in course/web/react. It said:\n.*No such file"):
        page_folder("react")


# --- the files ------------------------------------------------------------------------------------------------


SOURCES = sorted([*PLAIN.iterdir(), *(REACT / "src").iterdir(), REACT / "index.html"])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_source_writes_html_keeps_anything_or_names_another_server(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")

    assert (
        re.findall(rf"\b(?:{NOT_HERE})\b|sessionStorage|indexedDB|document\.cookie|https?://|//# ?source", text) == []
    )
    assert re.findall(r"<style|\sstyle=|<script(?! type=\"module\" src=\"/)|\son\w+=\"", text) == []


def test_the_packages_of_the_react_page_are_exact_and_from_no_other_address() -> None:
    package = json.loads((REACT / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((REACT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = package["dependencies"] | package["devDependencies"]

    assert {name: version for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)} == {}
    assert {name: lock[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    npm = "https://registry.npmjs.org/"
    assert [each for each in lock.values() if not each.get("resolved", npm).startswith(npm)] == []
    assert [name for name, each in lock.items() if name and "integrity" not in each] == []


@pytest.mark.skipif(not is_built(), reason=f"needs the React page, built: {BUILD}")
def test_the_built_page_is_small_hashed_and_without_source_maps() -> None:
    files = {path.relative_to(BUILT).as_posix(): path for path in BUILT.rglob("*") if path.is_file()}

    assert {name for name in files if not re.fullmatch(r"assets/\w+-[\w-]{8}\.(js|css|svg)", name)} == {
        "index.html",
        "limits.json",
    }
    assert sum(path.stat().st_size for path in files.values()) < 300_000
    assert "data:" not in files["index.html"].read_text()
    assert [name for name, path in files.items() if "sourceMappingURL" in path.read_text()] == []
