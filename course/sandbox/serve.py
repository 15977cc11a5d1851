"""The sandbox as a program of its own, for terminals, browsers and other languages."""

import json
import signal
import threading
from types import FrameType

from course.sandbox.answers import Engine
from course.sandbox.server import Sandbox, start


def serve(port: int | None, as_json: bool, engine: Engine | None = None) -> None:
    """Run a sandbox until SIGINT or SIGTERM; say where it is as soon as it answers.

    as_json: one line {"hub": url, "router": url, "endpoints": url, "settings": url, "tokens": {name: value}}, for
    programs.
    engine: what answers chats; without one the script does. Raises PortInUse.
    The token values are printed on purpose: they are made up, and good for nothing outside this sandbox.
    """
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with start(port=port, engine=engine) as hub:
        print(_as_json(hub) if as_json else _as_text(hub), flush=True)
        while not ending.wait(timeout=0.5):  # without a timeout, Windows would not notice Ctrl+C
            pass


def _as_json(hub: Sandbox) -> str:
    addresses = {
        "hub": hub.url,
        "router": hub.router,
        "endpoints": hub.endpoints.url,
        "settings": hub.settings_url,
    }
    return json.dumps({**addresses, "tokens": hub.tokens})


def _as_text(hub: Sandbox) -> str:
    width = max(map(len, hub.tokens))
    tokens = "\n".join(f"  {name:{width}}  {value}" for name, value in hub.tokens.items())
    return f"""The sandbox is running. Stop it with Ctrl+C.

  Hub        {hub.url}
  router     {hub.router}/v1
  endpoints  {hub.endpoints.url} (the API that manages them)
  pages      {hub.settings_url} (in a browser)

Its tokens are made up and work nowhere else:
{tokens}

Try it in another terminal:
  export HF_ENDPOINT={hub.url} HF_TOKEN=...one of the above...
  hf auth whoami
  hf download sandbox/haiku
  curl -H "Authorization: Bearer $HF_TOKEN" {hub.url}/api/whoami-v2
For an OpenAI client: base_url="{hub.router}/v1", api_key=one of the above."""
