"""Secrets of a run on a cluster: they get to where they are used, and are found nowhere else.

A scheduler and a worker of their own, with certificates and all that they log, run a document whose secrets
are texts that exist nowhere else. Meanwhile and afterwards every place is searched for them that others might
read.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import psutil
import pytest

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.own_clusters

INPUT, TOKEN, KEY = (f"canary-{name}-7f3a9c51" for name in ("input", "token", "key"))
OURS, PROXY = (f"canary-{name}-7f3a9c51" for name in ("env", "proxy"))
VARIABLE, ITEM, URL, SERVER = (f"canary-{name}-7f3a9c51" for name in ("variable", "item", "url", "server"))
WRITTEN = (TOKEN, KEY, VARIABLE, ITEM, URL, SERVER)  # in the document itself
EVER = (INPUT, OURS, PROXY, *WRITTEN)

NODES: list[dict[str, Any]] = [
    {
        "id": "ask",
        "type": "http",
        "params": {"url": "${server}/${item}", "auth_token": TOKEN, "timeout": 30},
        "batch": {"items": {"range": [0, 4]}, "executor": "dask"},
    },
    {
        "id": "model",
        "type": "llm",
        "params": {"prompt": "${item}", "model": "m", "base_url": "${server}", "api_key": KEY},
        "batch": {"items": {"range": [0, 4]}, "executor": "dask", "error_handling": "continue"},
    },
    {
        "id": "fails",
        "type": "code",
        "params": {
            "code": "if n == 0:\n    raise ValueError(t)\nresult = 1",
            "inputs": {"t": "${secret}", "n": "${item}"},
        },
        "batch": {"items": {"range": [0, 4]}, "executor": "dask", "error_handling": "continue"},
    },
    {
        "id": "looks",
        "type": "code",
        "params": {
            "code": "import os\nresult = sorted(v for v in os.environ.values() if 'canary' in v), len(t)",
            "inputs": {"t": "${secret}", "n": "${item}"},
        },
        "batch": {"items": {"range": [0, 2]}, "executor": "dask"},
    },
]
NODES += [
    {
        "id": "variable",
        "type": "shell",
        "params": {"command": "echo $${#A_TOKEN}", "env": {"A_TOKEN": VARIABLE}},
        "batch": {"items": {"range": [0, 2]}, "executor": "dask"},
    },
    {
        "id": "items",
        "type": "code",
        "params": {"code": "result = len(one['password'])", "inputs": {"one": "${item}"}},
        "batch": {"items": [{"password": ITEM}, {"password": ITEM}], "executor": "dask"},
    },
    {
        "id": "address",
        "type": "http",
        "params": {"url": f"http://me:{URL}@${{host}}/x", "timeout": 30},
        "batch": {"items": {"range": [0, 2]}, "executor": "dask"},
    },
]
if importlib.util.find_spec("mcp"):
    told: dict[str, Any] = {"server": "tools", "tool": "upper", "arguments": {"text": "${item}"}}
    batch = {"items": ["a", "b"], "executor": "dask"}
    NODES.append({"id": "tools", "type": "mcp", "params": told, "batch": batch})
TOOLS = str(Path(__file__).parents[2] / "nodes" / "mcp" / "server.py")
DOCUMENT = {
    "ir_version": "0.1.0",
    "mcp_servers": {"tools": {"command": sys.executable, "args": [TOOLS], "env": {"TOOLS_TOKEN": SERVER}}},
    "inputs": {
        "secret": {"type": "string", "secret": True},
        "server": {"type": "string"},
        "host": {"type": "string"},
    },
    "nodes": NODES,
    "outputs": {"looked": {"source": "${looks.results}"}},
}


class Pages:
    """The pages of a scheduler, which anybody may read who reaches its port."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._port = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.http_server.port)
        self.texts: dict[str, str] = {}
        self._lock = threading.Lock()

    def look(self) -> set[str]:
        """What is found in them now."""
        keys = self._client.run_on_scheduler(lambda dask_scheduler: list(map(str, dask_scheduler.tasks)))
        workers = list(self._client.scheduler_info()["workers"])
        paths = [f"info/main/{name}.html" for name in ("workers", "exceptions", "logs")]
        paths += [f"info/{what}/{quote(key, '')}.html" for key in keys for what in ("task", "call-stack")]
        paths += [
            f"info/{what}/{quote(worker, '')}.html"
            for worker in workers
            for what in ("worker", "call-stacks", "logs")
        ]
        paths += ["metrics", "json/counts.json", "json/identity.json", "json/index.html"]
        found = set()
        for path in paths:
            text = self._read(path)
            with self._lock:
                self.texts[path] = text
            found |= {f"{canary} in the page {path}" for canary in EVER if canary in text}
        return found

    def _read(self, path: str) -> str:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=30) as page:
                return str(page.read().decode())
        except HTTPError as fault:  # of a task that has ended meanwhile
            return str(fault.read().decode())


class Server(BaseHTTPRequestHandler):
    """Notes the credentials that it is shown, and looks around at everybody while it does."""

    shown: ClassVar[set[str]] = set()
    found: ClassVar[set[str]] = set()
    folders: ClassVar[list[Path]] = []
    pages: ClassVar[Pages]

    def do_GET(self) -> None:
        Server.shown.add(self.headers.get("Authorization", ""))
        Server.found |= {*in_processes(), *(one for folder in Server.folders for one in in_files(folder))}
        Server.found |= Server.pages.look()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": "well"}}]}).encode())

    do_POST = do_GET

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()
    thread.join()


def in_processes() -> Iterator[str]:
    """What is in the command line of anybody."""
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        yield from (f"{canary} in the command line of {process.pid}" for canary in EVER if canary in line)


def in_environments(processes: list[psutil.Process]) -> Iterator[str]:
    """What is in the environment of any but the server of tools, which may still run, and is to have it."""
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            if TOOLS in process.cmdline():
                continue
            text = Path(f"/proc/{process.pid}/environ").read_text(errors="replace")
            yield from (f"{canary} in the environment of {process}" for canary in EVER if canary in text)


def in_files(folder: Path) -> Iterator[str]:
    for inside, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                content = Path(inside, name).read_bytes()
                yield from (f"{one} in {inside}/{name}" for one in EVER if one.encode() in content)


def known_to_scheduler(dask_scheduler: Any) -> str:
    """All that its pages and its clients can be shown."""
    tasks = dask_scheduler.tasks.values()
    told = [
        dask_scheduler.identity(),
        [(task.key, task.group_key, task.prefix.name, task.annotations, repr(task)) for task in tasks],
        list(dask_scheduler.task_prefixes),
        list(dask_scheduler.task_groups),
        dask_scheduler.get_events(),
        list(dask_scheduler.transition_log),
    ]
    return repr(told)


def test_secrets_are_found_nowhere(
    nothing_left: None, clusters: Any, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, own = tmp_path / "temporary", tmp_path / "run"
    for folder in (temporary, own):
        folder.mkdir()
    monkeypatch.setenv("DASK_LOGGING__DISTRIBUTED", "debug")
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__MEMORY__TARGET", "0.00001")  # spill all there is
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__MEMORY__SPILL", "0.00001")
    monkeypatch.setenv("TMPDIR", str(temporary))
    (tmp_path / "cluster").mkdir()
    Server.folders = [temporary, tmp_path / "cluster"]
    with clusters(tmp_path / "cluster", 1) as cluster:
        (own / "flow.json").write_text(json.dumps(DOCUMENT))
        # the shell's own command line would show an input that is given on it
        params = {"secret": INPUT, "server": server, "host": server.removeprefix("http://")}
        (own / "params.json").write_text(json.dumps(params))
        environment = {
            **os.environ,
            **cluster.environment(),
            "OUR_OWN_KEY": OURS,
            "HTTPS_PROXY": f"http://user:{PROXY}@127.0.0.1:9",
        }
        command = [sys.executable, "-m", "batchmill", "run", "flow.json", "--params", "params.json"]
        with cluster.known(), distributed.Client(cluster.address, set_as_default=False) as client:
            Server.pages = Pages(client)
            ran = subprocess.run(
                [*command, "-v", "--json", "--cluster", cluster.address],
                cwd=own,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert ran.stdout, ran.stderr
            told = json.loads(ran.stdout)
            assert told["status"] == "degraded", ran.stderr  # one item fails with a secret in what it says
            scheduler = client.run_on_scheduler(known_to_scheduler)
            Server.found |= Server.pages.look()
        (own / "params.json").unlink()
        (own / "flow.json").unlink()  # two of them stand in it
        everybody = [one for process in cluster.processes for one in cluster.family(process)]
        found = [*Server.found, *in_environments(everybody), *in_files(cluster.folder), *in_files(temporary)]
    found += [f"{canary} at the scheduler" for canary in EVER if canary in scheduler]
    found += [f"{canary} in what is shown" for canary in EVER if canary in ran.stdout + ran.stderr]
    # those that stand in the document itself are in the journal's copy of it
    found += [one for one in in_files(own) if not one.startswith(WRITTEN)]
    found += [*in_files(temporary)]
    assert found == []
    # what was searched held what it is about
    assert "batchmill-" in scheduler
    assert "batchmill-" in cluster.log.read_text()
    basic = base64.b64encode(f"me:{URL}".encode()).decode()
    assert Server.shown == {f"Bearer {TOKEN}", f"Bearer {KEY}", f"Basic {basic}"}
    pages = Server.pages.texts
    assert any("batchmill-" in text for path, text in pages.items() if path.startswith("info/task/"))
    stacks = [text for path, text in pages.items() if path.startswith("info/call-stack/")]
    assert any("remote/agent.py" in text for text in stacks)
    assert told["outputs"]["looked"][0]["result"] == [[], len(INPUT)]
