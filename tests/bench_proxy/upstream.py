"""An upstream with fixed delays, of bare sockets, as a program: `python -m tests.bench_proxy.upstream PORT`.

Whoever asks says in the last message what it shall do, as JSON: delay_ms before the first byte, and for a stream the
number of events and gap_ms between them. So the plan passes through every proxy.
"""

import asyncio
import json
import sys

_CHUNK = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "bench"}
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def _event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    text = f"data: {json.dumps(_CHUNK | {'choices': [choice]})}\n\n"
    return f"{len(text):x}\r\n{text}\r\n".encode()


_WHOLE = json.dumps(
    {
        **_CHUNK,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Well."}, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
).encode()
_PLAIN = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(_WHOLE)}\r\n\r\n".encode() + _WHOLE
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_PIECE = _event({"role": "assistant", "content": "word "})
_LAST = _event({}, "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: its requests, one after the other."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            asked = json.loads(await reader.readexactly(length))
            content = asked["messages"][-1]["content"]
            plan = json.loads(content if isinstance(content, str) else content[0]["text"])
            await asyncio.sleep(plan.get("delay_ms", 0) / 1000)
            if not asked.get("stream"):
                writer.write(_PLAIN)
                continue
            writer.write(_HEAD + _PIECE)
            for _ in range(plan["events"] - 1):
                await asyncio.sleep(plan["gap_ms"] / 1000)
                writer.write(_PIECE)
                await writer.drain()
            writer.write(_LAST)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    async with await asyncio.start_server(answer, "127.0.0.1", port, backlog=2048) as server:
        print(f"running on {port}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
