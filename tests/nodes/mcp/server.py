"""A server for the tests, written with the SDK: over stdio, or over HTTP on a port that it prints.

``server.py`` speaks stdio, ``server.py http`` HTTP; ``tls CERTIFICATE KEY`` has it encrypted, and
``known`` only to clients that show this certificate. ``noise`` in the arguments has it print to its stdout
what is no message, ``deaf`` never answer, ``broken`` end at once, ``stubborn`` end only when killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

try:  # version 2 of the SDK
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.server.fastmcp.exceptions import ToolError

server = MCPServer("for tests")


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def upper(text: str) -> str:
    """Text in capital letters."""
    return text.upper()


@server.tool()
def person(name: str) -> dict[str, Any]:
    """An object."""
    return {"name": name, "tags": ["${a}", 1]}


@server.tool()
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(f"because {why}")


@server.tool()
def environment() -> list[str]:
    """The names in the environment."""
    return sorted(os.environ)


@server.tool()
def pid() -> int:
    """The process id of the server."""
    return os.getpid()


@server.tool()
def child() -> int:
    """The process id of a program that the server started."""
    return subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL).pid


@server.tool()
async def slow(seconds: float) -> str:
    """Takes its time, and lets others be served meanwhile."""
    await asyncio.sleep(seconds)
    return "done"


met = 0


@server.tool()
async def meet(n: int) -> int:
    """Returns once so many calls of it have come."""
    global met
    met += 1
    while met < n:
        await asyncio.sleep(0.01)
    return met


@server.tool()
async def hang(path: str = "") -> str:
    """Blocks the whole server; at the ``path`` it says so before."""
    if path:
        Path(path).touch()
    time.sleep(600)
    return ""


@server.tool()
def die(file: str = "") -> str:
    """Ends the server; where ``file`` exists, only then, and removes it."""
    if file and not os.path.exists(file):
        return "lived"
    if file:
        os.unlink(file)
    print("dying now", file=sys.stderr, flush=True)
    os._exit(3)


@server.tool()
def chatter() -> str:
    """Prints what is no message."""
    os.write(1, b'hello, I am noise\n{"jsonrpc": 5}\n\xff\xfe\n[]\n')
    sys.stderr.write("x" * 200_000)
    return "said"


def over_http() -> None:
    import socket
    import ssl

    import uvicorn

    port = int(next((word for word in sys.argv[2:] if word.isdecimal()), "0"))
    listener = socket.create_server(("127.0.0.1", port))
    print(listener.getsockname()[1], flush=True)
    secure: dict[str, Any] = {}
    if "tls" in sys.argv:
        certificate, key = sys.argv[sys.argv.index("tls") + 1 :][:2]
        secure = {"ssl_certfile": certificate, "ssl_keyfile": key}
    if "known" in sys.argv:
        secure |= {"ssl_ca_certs": certificate, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    config = uvicorn.Config(server.streamable_http_app(), log_level="error", **secure)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    if "noise" in sys.argv:
        os.write(1, b"starting up...\n\n{}\n")
    if "deaf" in sys.argv:
        time.sleep(600)
    if "broken" in sys.argv:
        print("no licence found", file=sys.stderr)
        sys.exit(4)
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(sys.argv[-1]).write_text(f"{os.getpid()}\n")
    if "http" in sys.argv:
        over_http()
    else:
        server.run(transport="stdio")
    if "stubborn" in sys.argv:
        time.sleep(600)
