"""A worker in a mount namespace of its own, where the folder of the run is empty: as on another machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.own_clusters

OWN_MOUNTS = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
Run = Callable[..., Any]


def hidden(folder: Path) -> list[str]:
    """What is put before a command that is not to see a folder."""
    return [*OWN_MOUNTS, "sh", "-c", f'mount -t tmpfs none "{folder}" && exec "$@"', "sh"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the run."""
    made = tmp_path / "run"
    made.mkdir()
    works = (
        shutil.which("unshare")
        and not subprocess.run([*hidden(made), "true"], capture_output=True).returncode
    )
    if not works:
        pytest.skip("no mount namespaces to be had here")
    return made


@pytest.fixture
def run(nothing_left: None, clusters: Any, folder: Path, tmp_path: Path) -> Iterator[Run]:
    """``run(within, type, **params)`` runs a batch of three items by such a node in a program of its own;
    what it tells."""
    place = tmp_path / "cluster"
    place.mkdir()
    with clusters(place, 0) as cluster:
        cluster.worker(dask=[*hidden(folder), sys.executable, "-m", "dask"], cwd="/")
        with cluster.known():
            cluster.wait(2)

        def run(within: Path, kind: str, **params: Any) -> Any:
            batch = {"items": {"range": [0, 3]}, "executor": "dask", "error_handling": "continue"}
            document = {
                "ir_version": "0.1.0",
                "nodes": [{"id": "a", "type": kind, "params": params, "batch": batch}],
            }
            within.joinpath("flow.json").write_text(json.dumps(document))
            command = [
                sys.executable,
                "-m",
                "batchmill",
                "run",
                "flow.json",
                "--json",
                "--cluster",
                cluster.address,
            ]
            environment = {**os.environ, **cluster.environment()}
            ran = subprocess.run(
                command, cwd=within, env=environment, capture_output=True, text=True, timeout=200
            )
            return json.loads(ran.stdout)

        yield run


def results(told: Any) -> list[Any]:
    assert told["status"] == "success", told["errors"]
    return [entry["result"] for entry in told["outputs"]["results"]]


def test_code_travels_and_files_stay_here(run: Run, folder: Path) -> None:
    folder.joinpath("package").mkdir()
    folder.joinpath("package", "table.txt").write_text("in the package")
    folder.joinpath("package", "__init__.py").write_text(
        "from pathlib import Path\ntext = Path(__file__).with_name('table.txt').read_text()"
    )
    folder.joinpath("factor.py").write_text("factor = 2")
    folder.joinpath("helpers.py").write_text(
        "import factor, package\ndef work(n):\n    return [n * factor.factor, package.text]"
    )
    work = {"function": "helpers:work", "args": ["${item}"]}
    assert results(run(folder, "python", **work)) == [[2 * n, "in the package"] for n in range(3)]
    # a module that was changed, in worker processes that have imported the one before
    folder.joinpath("factor.py").write_text("factor = 3")
    assert results(run(folder, "python", **work)) == [[3 * n, "in the package"] for n in range(3)]
    # another document's module of the same name, on the same cluster
    other = folder / "other"
    other.mkdir()
    other.joinpath("helpers.py").write_text("def work(n):\n    return 'another'")
    assert results(run(other, "python", **work)) == ["another"] * 3

    told = run(folder, "write-file", file_path="out/${item}.txt", content="${item}")
    assert told["nodes"]["a"]["executor"] == "thread"
    assert sorted(path.name for path in folder.joinpath("out").iterdir()) == ["0.txt", "1.txt", "2.txt"]

    told = run(folder, "shell", command="touch nowhere")
    (error,) = told["errors"]
    assert "its command runs there: mount it there, say with `cwd` of `cluster`" in error["message"]

    told = run(folder, "code", code="open('nowhere.txt', 'w').close()\nresult = n", inputs={"n": "${item}"})
    assert {error["type"] for error in told["outputs"]["errors"]} == {"LeftOnWorker"}
