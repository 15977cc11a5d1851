"""Which build of torch fits this machine. Plain pip on Linux fetches gigabytes of CUDA libraries for nothing.

Parses on Python 3.7, like course/environment.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class TorchBuild:
    """One way to get torch. arguments: for pip, beside the requirement. gigabytes: on disk, once installed."""

    name: str
    size: str
    gigabytes: float
    arguments: tuple[str, ...] = ()


def choose_torch(
    platform: str,
    has_nvidia_gpu: Callable[[], bool],
    is_at_hand: Callable[[], bool],
    cpu_index_answers: Callable[[], bool],
) -> TorchBuild:
    """The build of torch for this machine; each probe is asked only if the ones before leave it open.

    Without an NVIDIA GPU, the gigabytes of CUDA libraries that plain pip fetches on Linux are never used.
    """
    if platform != "linux":
        return TorchBuild("the default build (it is a CPU build here)", "about 0.1 GB to fetch, 0.5 GB on disk", 0.5)
    cpu_size = "about 0.2 GB to fetch, 0.75 GB on disk"
    cuda_size = "about 3 GB to fetch, 6 GB on disk"
    if has_nvidia_gpu():
        return TorchBuild("the default build, as an NVIDIA GPU is present", cuda_size, 6)
    if is_at_hand():
        return TorchBuild("a build from pip's find-links", "0.75 GB on disk", 0.75, ("--no-index", "--no-deps"))
    if cpu_index_answers():
        return TorchBuild("the CPU build from PyTorch's index", cpu_size, 0.75, ("--index-url", CPU_INDEX, "--no-deps"))
    return TorchBuild("the default build with CUDA, as PyTorch's CPU index does not answer", cuda_size, 6)


def torch_requirement(lock: str) -> str:
    """The line of requirements.lock that pins torch, with its marker."""
    return next(line for line in lock.splitlines() if line.startswith("torch=="))


def has_nvidia_gpu() -> bool:
    """True if the NVIDIA driver lists a GPU."""
    import shutil
    import subprocess

    if shutil.which("nvidia-smi") is None:
        return False
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and b"GPU" in listed.stdout


def answers(url: str, seconds: float) -> bool:
    """True if `url` answers well within `seconds` in all: urllib's own limit leaves name look-ups out."""
    import threading
    import urllib.request
    from http.client import HTTPException

    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds):  # noqa: S310
                answered.set()
        except (OSError, ValueError, HTTPException):
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answered.is_set()
