"""Secrets of a run on a cluster: they get to where they are used, and are found nowhere else.

A scheduler and a worker of their own, with certificates and all that they log, run a document whose secrets
are texts that exist nowhere else. Meanwhile and afterwards every place is searched for them that others might
read.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.own_clusters

INPUT, TOKEN, KEY = (f"canary-{name}-7f3a9c51" for name in ("input", "token", "key"))
OURS, PROXY = (f"canary-{name}-7f3a9c51" for name in ("env", "proxy"))
EVER = (INPUT, TOKEN, KEY, OURS, PROXY)

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
DOCUMENT = {
    "ir_version": "0.1.0",
    "inputs": {"secret": {"type": "string", "secret": True}, "server": {"type": "string"}},
    "nodes": NODES,
}


class Server(BaseHTTPRequestHandler):
    """Notes the credentials that it is shown, and looks around at everybody while it does."""

    shown: ClassVar[set[str]] = set()
    found: ClassVar[set[str]] = set()
    folders: ClassVar[list[Path]] = []

    def do_GET(self) -> None:
        Server.shown.add(self.headers.get("Authorization", ""))
        Server.found |= {*in_processes(), *(one for folder in Server.folders for one in in_files(folder))}
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
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
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
        (own / "params.json").write_text(json.dumps({"secret": INPUT, "server": server}))
        environment = {
            **os.environ,
            **cluster.environment(),
            "OUR_OWN_KEY": OURS,
            "HTTPS_PROXY": f"http://user:{PROXY}@127.0.0.1:9",
        }
        command = [sys.executable, "-m", "batchmill", "run", "flow.json", "--params", "params.json"]
        ran = subprocess.run(
            [*command, "-v", "--json", "--cluster", cluster.address],
            cwd=own,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        told = json.loads(ran.stdout)
        assert told["status"] == "degraded", ran.stderr  # one item fails with a secret in what it says
        with cluster.known(), distributed.Client(cluster.address, set_as_default=False) as client:
            scheduler = client.run_on_scheduler(known_to_scheduler)
        (own / "params.json").unlink()
        (own / "flow.json").unlink()  # two of them stand in it
        everybody = [one for process in cluster.processes for one in cluster.family(process)]
        found = [*Server.found, *in_environments(everybody), *in_files(cluster.folder), *in_files(temporary)]
    found += [f"{canary} at the scheduler" for canary in EVER if canary in scheduler]
    found += [f"{canary} in what is shown" for canary in EVER if canary in ran.stdout + ran.stderr]
    # those that stand in the document itself are in the journal's copy of it
    found += [one for one in in_files(own) if not one.startswith((TOKEN, KEY))]
    found += [*in_files(temporary)]
    assert found == []
    # what was searched held what it is about
    assert "batchmill-" in scheduler
    assert "batchmill-" in cluster.log.read_text()
    assert Server.shown == {f"Bearer {TOKEN}", f"Bearer {KEY}"}
    assert told["outputs"]["results"][0]["result"] == [[], len(INPUT)]
