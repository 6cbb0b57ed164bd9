"""Outcomes on a cluster of separate processes, with certificates: what items do to the processes they run
in, what is left of a program that ends, and how a run goes on elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

import batchmill

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

pytestmark = pytest.mark.own_clusters
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules


def does_what_its_number_says(item: int) -> int:
    if item == 37:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 50:
        time.sleep(60)
    if item == 61:
        raise LookupError(item)
    if item == 73:
        held = b"x" * (1 << 29)
        time.sleep(60 + 0 * len(held))
    return item


@pytest.mark.usefixtures("whole")
def test_each_item_pays_for_itself() -> None:
    result = batchmill.map(
        does_what_its_number_says,
        range(100),
        executor="dask",
        timeout=8,
        memory_limit="300MB",
        error_handling="continue",
    )
    assert [value for value in result if value is not None] == [
        n for n in range(100) if n not in (37, 50, 61, 73)
    ]
    died, hung, raised, grew = result.errors
    assert (died["index"], died["kind"]) == (37, "worker_died")
    words = died["message"].split()
    assert words[:2] == ["worker", "process"]
    assert int(words[2]) > 1
    assert died["message"].endswith(f"was killed by signal 9 (SIGKILL) on {socket.gethostname()}")
    assert (hung["index"], hung["kind"]) == (50, "timeout")
    assert (raised["index"], raised["type"]) == (61, "LookupError")
    assert (grew["index"], "memory" in grew["message"]) == (73, True)


PARENT = """
import os, sys, time, batchmill
def item(n):
    open(f"at-{os.getpid()}", "w").close()
    time.sleep(600)
if __name__ == "__main__":
    batchmill.map(item, range(4), executor="dask")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_items_end_with_the_program(whole: Any, number: int, tmp_path: Path, soon: Any) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    environment = {**os.environ, **whole.environment(), "BATCHMILL_CLUSTER": whole.address}
    with subprocess.Popen(
        [sys.executable, "parent.py"], cwd=tmp_path, stderr=subprocess.DEVNULL, env=environment
    ) as parent:
        assert soon(lambda: len(list(tmp_path.glob("at-*"))) == 4)
        pids = [int(path.name.partition("-")[2]) for path in tmp_path.glob("at-*")]
        parent.send_signal(number)
        parent.wait(20)
    assert soon(lambda: not any(map(psutil.pid_exists, pids)))


SUCCEEDED = """
SELECT position FROM outcome JOIN visit ON visit.id = outcome.visit WHERE visit.is_batch AND outcome.state = 0
"""


def document(n: int) -> dict[str, Any]:
    code = "import time\nopen(f'ran-{n}', 'a').write('x')\ntime.sleep(0.02)\nresult = n * 2"
    batch = {"items": {"range": [0, n]}, "executor": "dask"}
    node = {"id": "a", "type": "code", "params": {"inputs": {"n": "${item}"}, "code": code}, "batch": batch}
    return {"nodes": [node], "outputs": {"total": {"source": "${a.results[*].result | sum}"}}}


def test_a_run_goes_on_with_another_cluster(
    tmp_path: Path, one_worker: Any, batchmill_command: Any, when: Any
) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(document(100)))
    record = ("--journal", str(tmp_path / "runs.sqlite"))
    with one_worker() as first:
        when((tmp_path / "ran-50").exists, first.scheduler.kill)
        code, _, err = batchmill_command("run", "flow.json", *record)
        assert code == 4, err
        (line,) = [line for line in err.splitlines() if line.startswith("resume with: batchmill resume ")]
    with one_worker():
        code, out, err = batchmill_command("resume", line.split()[4], *record)
    assert code == 0, err
    assert str(sum(range(0, 200, 2))) in out
    assert "kept" in err
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite")) as journal:
        rows = Counter(position for (position,) in journal.execute(SUCCEEDED))
    assert rows == Counter(range(100))


def test_workers_that_are_killed_again_and_again_cost_no_item(separate: Any, tmp_path: Path) -> None:
    log, over = tmp_path / "log", threading.Event()

    def noted(item: int) -> int:
        with open(log, "a") as file:
            file.write(f"{item}\n")
        time.sleep(0.002)
        return 2 * item

    def kill() -> None:
        for turn in range(4):
            before = log.stat().st_size if log.exists() else 0
            while not over.is_set() and (not log.exists() or log.stat().st_size < before + 1000):
                time.sleep(0.01)
            try:
                separate.worker_of(separate.workers[turn % 2]).kill()
            except (ValueError, psutil.Error):
                continue  # its nanny has no other yet

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        assert batchmill.map(noted, range(2000), executor="dask") == [2 * k for k in range(2000)]
    finally:
        over.set()
        killing.join()
    assert set(map(int, log.read_text().split())) == set(range(2000))
