"""Servers written with the SDK, and what calls their tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.resources import close_resources
from batchmill.ir.models import McpServerSpec
from batchmill.ir.services import Tables
from batchmill.nodes import bind, default_registry

PROGRAM = str(Path(__file__).parent / "server.py")


@pytest.fixture(scope="session", autouse=True)
def _the_extra():
    pytest.importorskip("mcp", reason="the extra `mcp` is not installed", exc_type=ImportError)


def over_stdio(*words, **more):
    return {"command": sys.executable, "args": [PROGRAM, *words], **more}


@pytest.fixture
def stdio():
    """``stdio("noise", timeout=5)``: a server over stdio as a document writes it."""
    return over_stdio


@pytest.fixture
def http():
    """``http("tls", ...)``: a server over HTTP that runs; ``.stop()`` ends it, ``.start()`` starts it."""
    started = []

    def of(*words):
        started.append(OverHttp(words))
        started[-1].start()
        return started[-1]

    yield of
    close_resources()
    for one in started:
        one.stop()


class OverHttp:
    def __init__(self, words=()):
        self.port = 0
        self.words = words

    def start(self):
        command = [sys.executable, PROGRAM, "http", str(self.port), *self.words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        host = "https://localhost" if self.words else "http://127.0.0.1"
        self.url = f"{host}:{self.port}/mcp"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def caller():
    """What calls tools of the server of the last call, or of one that is given."""
    servers = {"s": McpServerSpec.model_validate(over_stdio())}

    def of(tool, /, attempt=None, server=None, limit=None, **arguments):
        if server is not None:
            servers["s"] = McpServerSpec.model_validate(server)
        kind = default_registry().get("mcp").of_document(Tables(mcp_servers=servers))
        params = {"server": "s", "tool": tool, "arguments": arguments, "timeout": limit}
        return kind().run(bind(kind, params), attempt or Attempt()).outputs

    return of


@pytest.fixture
def call():
    """``call("add", a=1)``: the outputs of a call; a server of its own for each test."""
    yield caller()
    close_resources()


@pytest.fixture(scope="module")
def call_of_one_server():
    """``call_of_one_server("add", a=1)``: a server that runs before the module's first test."""
    call = caller()
    call("pid")
    yield call
    close_resources()
