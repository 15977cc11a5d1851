"""The servers that are compared, each a process of its own, on loopback, with one worker."""

import os
import socket
import subprocess
import sys
import threading
import venv
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from course.exercises import ROOT

# 1.82.7 and 1.82.8 were tampered with. On 2026-11-24 1.107 was no longer offered, and pip found no packages for
# later ones.
LITELLM = "1.106.12"
READY = b"running on"  # what uvicorn says once it listens, and our upstream
_UVICORN = [sys.executable, "-m", "uvicorn", "--factory", "--host", "127.0.0.1"]
_UVICORN += [
    "--no-access-log",
    "--no-proxy-headers",
    "--no-server-header",
    "--backlog",
    "2048",
    "--timeout-keep-alive",
    "60",
]
_LITELLM_CONFIG = """
model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "{upstream}", api_key: none}}
litellm_settings: {{num_retries: 0, request_timeout: 60, telemetry: false}}
"""


@dataclass(frozen=True)
class Server:
    """A server that answers at `port`."""

    process: subprocess.Popen[bytes]
    port: int

    def memory_mib(self) -> float:
        """What it holds in memory, its children included (resident)."""
        told = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
        rows = [tuple(map(int, line.split())) for line in told.splitlines()]
        family = {self.process.pid}
        for _ in range(3):
            family |= {pid for pid, parent, _ in rows if parent in family}
        return sum(kilobytes for pid, _, kilobytes in rows if pid in family) / 1024


@contextmanager
def started(name: str, upstream_port: int = 0) -> Iterator[Server]:
    """One of "direct" (the upstream itself), "pass-through", "ours", "LiteLLM". RuntimeError: it does not answer."""
    port, upstream = _free_port(), f"http://127.0.0.1:{upstream_port}/v1"
    with TemporaryDirectory() as place:
        command, folder = _command(name, port, upstream, Path(place))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **_variables(upstream)}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            Log(process).wait_until_ready()
            yield Server(process, port)
        finally:
            process.terminate()
            process.wait(20)


def litellm_program(folder: Path) -> Path:
    """The program of LiteLLM in an environment of its own below `folder`, made if it is not there (minutes, 750 MB)."""
    place = folder / f"litellm-{LITELLM}"
    program = place / ("Scripts" if os.name == "nt" else "bin") / "litellm"
    if not program.exists():
        print(f"Making {place.relative_to(ROOT)}, once ...", flush=True)
        venv.create(place, with_pip=True, clear=True)
        subprocess.run(
            [program.with_name("python"), "-m", "pip", "install", "-qq", f"litellm[proxy]=={LITELLM}"], check=True
        )
    return program


def _command(name: str, port: int, upstream: str, place: Path) -> tuple[list[str], Path]:
    if name == "direct":
        return [sys.executable, "-m", "tests.bench_proxy.upstream", str(port)], ROOT
    if name == "ours":
        return [*_UVICORN, "--port", str(port), "proxy:app"], ROOT / "deployment"
    if name == "pass-through":
        return [*_UVICORN, "--port", str(port), "tests.bench_proxy.passthrough:app"], ROOT
    config = place / "config.yaml"
    config.write_text(_LITELLM_CONFIG.format(upstream=upstream))
    program = str(litellm_program(ROOT / ".build"))
    return [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"], place


def _variables(upstream: str) -> Mapping[str, str]:
    """Settings without a limit that a bench could meet; and no way out of this machine."""
    ours = {"HF_TOKEN": "a-token-of-the-bench", "UPSTREAM_URL": upstream, "ALLOWED_MODELS": '["bench"]'}
    limits = {"REQUESTS_PER_MINUTE": "100000000", "MAX_CONCURRENT": "2000"}
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    here = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    # No look at the internet; and no key, as nobody but this bench reaches it: checking one would only cost it time.
    litellm = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    return ours | limits | nowhere | here | litellm


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


class Log:
    """Reads what a server says, all the time: a full pipe would hold it up."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._lines: deque[bytes] = deque(maxlen=20)
        self._is_ready, self._news = False, threading.Event()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def wait_until_ready(self, seconds: float = 90) -> None:
        """Raises RuntimeError with the end of the log."""
        self._news.wait(seconds)
        if not self._is_ready:
            raise RuntimeError(f"no server within {seconds:g} s; its log ends with\n{b''.join(self._lines).decode()}")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            self._lines.append(line)
            if READY in line:
                self._is_ready = True
                self._news.set()
        self._news.set()  # it has ended
