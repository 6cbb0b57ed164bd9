"""A server on loopback whose every answer takes a while, in a process of its own.

Run as a program it serves until it is ended: ``python -m benchmarks.slow_server SECONDS`` prints its port
and answers every request with a small JSON object, or a chat completion where the path asks for one.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_USAGE = '"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}'
_COMPLETION = (
    '{"choices": [{"index": 0, "finish_reason": "stop", '
    '"message": {"role": "assistant", "content": "hello"}}], ' + _USAGE + "}"
)


@contextmanager
def serving(seconds: float) -> Iterator[str]:
    """The address of such a server while inside."""
    command = [sys.executable, "-m", "benchmarks.slow_server", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def _answer(body: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    small, completion = _answer('{"n": 1}'), _answer(_COMPLETION)
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0].strip()
            await reader.readexactly(int(length or 0))
            await asyncio.sleep(seconds)
            writer.write(completion if b"/chat/completions" in head.split(b"\r\n")[0] else small)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main(seconds: float) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, seconds), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1])))
