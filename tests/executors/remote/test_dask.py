"""The executor on real clusters of Dask: the local one, and one that others have started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

import batchmill
from batchmill.errors import ClusterLost

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.own_clusters
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules

Soon = Callable[[Callable[[], object]], bool]


@pytest.fixture(autouse=True)
def local(nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local cluster of the test's own, and the end of it, before anybody looks what is left."""
    monkeypatch.setenv("BATCHMILL_CLUSTER", "local:2")
    batchmill.map(double, range(4), executor="dask")
    yield
    batchmill.shutdown()


def double(item: int) -> int:
    return 2 * item


def kills_itself(item: int) -> int:
    if item == 37:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def kills_its_worker(item: int) -> int:
    if item == 11:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return item


def kills_the_worker_of_others(item: tuple[int, str]) -> int:
    number, mark = item
    if number == 5 and not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return number


def hosts() -> list[psutil.Process]:
    """The processes of local clusters that this process has started."""
    children = psutil.Process().children()
    return [one for one in children if "batchmill.executors.remote.host" in " ".join(one.cmdline())]


def test_ninety_nine_results_and_one_exact_error() -> None:
    result = batchmill.map(kills_itself, range(100), executor="dask", error_handling="continue")
    assert result.success_count == 99
    (error,) = result.errors
    assert (error["index"], error["kind"]) == (37, "worker_died")
    assert "was killed by signal 9 (SIGKILL) on " in error["message"]


def test_a_killed_worker_costs_no_item(tmp_path: Path) -> None:
    items = [(number, str(tmp_path / "mark")) for number in range(40)]
    assert batchmill.map(kills_the_worker_of_others, items, executor="dask") == list(range(40))


def test_an_item_that_kills_every_worker_is_charged_alone() -> None:
    result = batchmill.map(kills_its_worker, range(40), executor="dask", error_handling="continue")
    assert [error["index"] for error in result.errors] == [11]
    assert "was running when 3 workers of the cluster were lost" in result.errors[0]["message"]
    assert result.success_count == 39


def test_the_local_cluster_listens_on_the_loopback_interface_alone() -> None:
    (host,) = hosts()
    listening = [
        one.laddr.ip
        for process in [host, *host.children(recursive=True)]
        for one in process.net_connections()
        if one.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_a_timeout_kills_and_leaving_a_stream_ends_what_runs(soon: Soon, given_time: Any) -> None:
    def check(seconds: float) -> None:
        settings: Any = {"executor": "dask", "timeout": seconds, "error_handling": "continue"}
        result = batchmill.map(time.sleep, [0, 60], **settings)
        assert [(error["index"], error["kind"]) for error in result.errors] == [(1, "timeout")]

    given_time(check)
    stream = batchmill.imap(time.sleep, [0, 600, 600], executor="dask")
    assert next(iter(stream)) is None
    stream.close()
    assert batchmill.map(double, range(4), executor="dask") == [0, 2, 4, 6]


PARENT = """
import sys, time, batchmill
def item(n):
    print("at work", flush=True)
    time.sleep(600)
if __name__ == "__main__":
    batchmill.map(item, [1, 2], executor="dask")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_program_that_is_ended(number: int, tmp_path: Path, soon: Soon) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, "parent.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"at work\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) >= 3
        parent.send_signal(number)
        parent.wait(20)
    assert soon(lambda: not any(one.is_running() for one in family))


DOCUMENT = {
    "nodes": [
        {
            "id": "a",
            "type": "code",
            "params": {
                "inputs": {"n": "${item}"},
                # from the twentieth on they wait until the cluster is gone
                "code": "import os, time\nopen(f'ran-{n}', 'a').write('x')\n"
                "while n >= 20 and not os.path.exists('killed'): time.sleep(0.05)\nresult = n * 2",
            },
            "batch": {"items": {"range": [0, 60]}, "executor": "dask"},
        }
    ],
    "outputs": {"total": {"source": "${a.results[*].result | sum}"}},
}


def test_a_lost_cluster_ends_with_4_and_the_run_goes_on_with_another(
    batchmill_command: Any, tmp_path: Path
) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(DOCUMENT))
    (host,) = hosts()
    killing = subprocess.Popen(
        ["sh", "-c", f"while [ ! -e ran-20 ]; do sleep 0.1; done; sleep 2; kill -9 {host.pid}; touch killed"],
        cwd=tmp_path,
    )
    code, _, err = batchmill_command("run", "flow.json")
    killing.wait(20)
    assert code == 4, err
    assert "ClusterLost" in err
    (line,) = [line for line in err.splitlines() if line.startswith("resume with: batchmill resume ")]
    code, out, err = batchmill_command("resume", line.split()[4])
    assert code == 0, err
    assert json.loads(out) == {"total": sum(range(0, 120, 2))} or json.loads(out) == sum(range(0, 120, 2))
    assert "kept" in err
    once = [path for path in tmp_path.glob("ran-*") if path.read_text() == "x"]
    assert len(once) >= 10


def test_a_cluster_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soon: Soon) -> None:
    monkeypatch.chdir(tmp_path)
    dask = [sys.executable, "-m", "dask"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    file = tmp_path / "scheduler.json"
    scheduler = subprocess.Popen(
        [
            *dask,
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            file,
        ],
        **quiet,
    )
    try:
        assert soon(file.exists)
        command = [
            *dask,
            "worker",
            "--nworkers",
            "1",
            "--nthreads",
            "2",
            "--no-dashboard",
            "--scheduler-file",
        ]
        worker = subprocess.Popen([*command, file], **quiet)
        try:
            monkeypatch.setenv("OF_THE_PARENT", "secret")
            look = batchmill.map(
                lambda _: (os.getcwd(), os.environ.get("OF_THE_PARENT")),
                range(3),
                executor="dask",
                cluster=str(file),
            )
            assert look == [(str(tmp_path), None)] * 3
            scheduler.kill()
            with pytest.raises(ClusterLost):
                batchmill.map(time.sleep, [1] * 4, executor="dask", cluster=str(file))
        finally:
            worker.terminate()
            worker.wait(30)
    finally:
        scheduler.kill()
        scheduler.wait()
        batchmill.shutdown()
