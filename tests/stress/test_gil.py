"""On a free-threaded interpreter: nothing of ours switches the GIL back on, here or in workers."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter has a GIL for good"
)

WHOLE_PACKAGE = """
import importlib, pkgutil, sys
import batchmill
for module in pkgutil.walk_packages(batchmill.__path__, "batchmill."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as missing:  # of an extra that has no build here
        if missing.name is None or missing.name.startswith("batchmill"):
            raise
assert not sys._is_gil_enabled(), "an import switched the GIL on"

def look(item):
    return sys._is_gil_enabled()

if __name__ == "__main__":
    looks = batchmill.map(look, range(20), executor="process", max_concurrent=2)
    assert set(looks) == {False}, "the GIL is on in workers"
    assert not sys._is_gil_enabled(), "a process batch switched the GIL on"
    print("off")
"""

# every kind of node that loads somebody else's modules, against servers on this machine
RUNS = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import batchmill

DONE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
MODEL = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [DONE]}
MODEL["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"n": 1})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(MODEL)

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def look():
    return sys._is_gil_enabled()


def nodes(url, kind):
    if kind == "http":
        return {"type": "http", "params": {"url": url}}
    if kind == "llm":
        return {"type": "llm", "params": {"model": "m", "base_url": url, "prompt": "${item}"}}
    if kind == "mcp":
        return {"type": "mcp-server-add", "params": {"a": "${item}"}}
    return {"type": "code", "params": {"code": "import sys\\nresult = sys._is_gil_enabled()"}}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    kind, executor, mcp_server = sys.argv[1:]
    batch = {"items": {"range": [6]}, "executor": executor, "max_concurrent": 2}
    document = {"nodes": [{"id": "each", "batch": batch, **nodes(url, kind)}]}
    document["nodes"].append(
        {"id": "seen", "type": "code", "params": {"code": "import sys\\nresult = sys._is_gil_enabled()"},
         "batch": batch}
    )
    document["outputs"] = {"seen": {"source": "${seen.results[*].result}"}}
    if kind == "mcp":
        document["mcp_servers"] = {"server": {"command": sys.executable, "args": [mcp_server]}}
    run = batchmill.run(document, journal="runs.sqlite")
    assert run.status == "success", run.errors
    assert run.outputs["seen"] == [False] * 6, "the GIL is on where items run"
    assert not look(), f"a run with {kind} switched the GIL on"
    print("off")
"""
MCP_SERVER = Path(__file__).parents[1] / "nodes" / "mcp" / "server.py"
EXTRAS = {"llm": "openai", "mcp": "mcp"}


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.parametrize("kind", ["code", "http", "llm", "mcp"])
def test_runs_leave_it_off(kind, executor, tmp_path):
    if kind in EXTRAS and importlib.util.find_spec(EXTRAS[kind]) is None:
        pytest.skip(f"the extra `{kind}` is not installed")
    script = tmp_path / "script.py"
    script.write_text(RUNS)
    command = [
        sys.executable,
        "-W",
        "error::RuntimeWarning:importlib._bootstrap",
        str(script),
        kind,
        executor,
    ]
    done = subprocess.run(
        [*command, str(MCP_SERVER)], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=100
    )
    assert (done.stdout, done.returncode) == ("off\n", 0), done.stderr


@pytest.mark.skipif(os.environ.get("PYTHON_GIL") == "1", reason="it was switched on by hand")
def test_importing_all_of_it_and_a_process_batch_leave_the_gil_off(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WHOLE_PACKAGE)
    command = [sys.executable, "-W", "error::RuntimeWarning", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("off\n", 0), done.stderr


def test_it_is_off_here():
    assert not sys._is_gil_enabled()
