"""``jobs``: no more than that runs at once, however branches, batches and sub-workflows are nested."""

from __future__ import annotations

import json
import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

import batchmill


class Probe(types.ModuleType):
    """A module whose function counts how many calls of it are under way."""

    def __init__(self) -> None:
        super().__init__("jobs_probe")
        self._lock = threading.Lock()
        self.now = self.most = self.calls = 0

    def work(self, x: Any = None, seconds: float = 0.003) -> Any:
        with self._lock:
            self.now += 1
            self.calls += 1
            self.most = max(self.most, self.now)
        time.sleep(seconds)
        with self._lock:
            self.now -= 1
        return x


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    module = Probe()
    monkeypatch.setitem(sys.modules, "jobs_probe", module)
    yield module
    assert module.now == 0


def step(name: str, **more: Any) -> dict[str, Any]:
    params = {"function": "jobs_probe:work", "inputs": {"x": more.pop("x", name)}}
    return {"id": name, "type": "python", "params": params, **more}


def batch(name: str, n: int = 6, **more: Any) -> dict[str, Any]:
    items = {"range": [0, n]}
    return step(name, x="${item}", batch={"items": items, "parallel": True, **more})


def sub(name: str, pipeline: list[Any], n: int | None = None, **more: Any) -> dict[str, Any]:
    made = {"id": name, "type": "workflow", "params": {"workflow": {"pipeline": pipeline}}}
    return made if n is None else {**made, "batch": {"items": {"range": [0, n]}, "parallel": True, **more}}


SHAPES: dict[str, list[Any]] = {
    "branches": [{"parallel": [step(f"n{number}") for number in range(8)]}],
    "batches in branches": [{"parallel": [batch("a"), batch("b"), [step("c"), batch("d")]]}, step("e")],
    "sequential in branches": [
        {"parallel": [batch("a", executor="sequential", parallel=False), step("b"), step("c")]}
    ],
    "timeouts": [{"parallel": [batch("a", timeout=30), {**step("b"), "timeout": 30}, batch("c")]}],
    "sub-workflows in branches": [
        {"parallel": [sub("a", [{"parallel": [batch("x"), step("y")]}]), batch("b")]}
    ],
    "batches of sub-workflows": [sub("a", [{"parallel": [step("x"), batch("y", 4)]}, step("z")], 5)],
    "three deep": [
        {"parallel": [sub("a", [sub("b", [{"parallel": [batch("c", 3), step("d")]}], 3)], 3), step("e")]}
    ],
    "chunks": [{"parallel": [batch("a", 40, chunk_size=7), batch("b", 40, chunk_size=5)]}],
}


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_more_than_jobs_run_at_once_and_all_of_it_runs(probe: Probe, shape: str, jobs: int) -> None:
    free = batchmill.run({"pipeline": SHAPES[shape]})
    calls, probe.calls, probe.most = probe.calls, 0, 0
    bound = batchmill.run({"pipeline": SHAPES[shape]}, jobs=jobs)
    assert (bound.status, free.status) == ("success", "success")
    assert bound.outputs.keys() == free.outputs.keys()
    assert probe.calls == calls
    assert probe.most <= jobs


def test_a_waiting_parent_does_not_count(probe: Probe) -> None:
    run = batchmill.run({"pipeline": [sub("a", [sub("b", [batch("c", 4)])])]}, jobs=1)
    assert (run.status, probe.calls, probe.most) == ("success", 4, 1)


def test_jobs_are_used_when_there_is_enough_to_do(probe: Probe) -> None:
    batchmill.run({"pipeline": [{"parallel": [batch("a", 20), batch("b", 20)]}]}, jobs=3)
    assert probe.most == 3


def test_a_failure_in_a_branch_leaves_no_permit_behind(probe: Probe) -> None:
    broken = {
        "id": "x",
        "type": "code",
        "params": {"code": "raise ValueError"},
        "batch": {"items": {"range": [0, 9]}, "parallel": True},
    }
    pipeline = [{"parallel": [broken, batch("a", 30), batch("b", 30)], "on_error": "continue"}, batch("c", 5)]
    run = batchmill.run({"pipeline": pipeline}, jobs=2)
    assert run.status == "degraded"
    assert run.nodes["c"]["success_count"] == 5
    assert probe.most <= 2


def test_an_item_given_up_at_its_timeout_leaves_no_permit_behind(probe: Probe) -> None:
    hung = {**sub("h", [step("s")], 2, timeout=0.05, error_handling="continue"), "id": "h"}
    hung["params"]["workflow"]["pipeline"][0]["params"]["inputs"]["seconds"] = 0.4
    run = batchmill.run(
        {"pipeline": [{"parallel": [hung, batch("a", 4)], "on_error": "continue"}, batch("b", 4)]}, jobs=1
    )
    assert run.nodes["b"]["success_count"] == 4
    assert {error["kind"] for error in run.errors} == {"timeout"}
    deadline = time.monotonic() + 3
    while probe.now and time.monotonic() < deadline:
        time.sleep(0.01)


PROCESSES = """
import time, os
def work(x):
    time.sleep(0.01)
    return os.getpid()
"""


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.slow
def test_process_batches_side_by_side_have_no_more_workers_than_jobs(tmp_path: Any, jobs: int) -> None:
    (tmp_path / "jobs_mod.py").write_text(PROCESSES)

    def processes(name: str) -> dict[str, Any]:
        params = {"function": "jobs_mod:work", "args": ["${item}"]}
        spec = {"items": {"range": [0, 12]}, "executor": "process", "chunk_size": 2}
        return {"id": name, "type": "python", "params": params, "batch": spec}

    document = tmp_path / "flow.json"
    document.write_text(json.dumps({
        "pipeline": [{"parallel": [processes("a"), processes("b"), processes("c")]}],
        "outputs": {name: {"source": f"${{{name}.results[*].result}}"} for name in "abc"},
    }))  # fmt: skip
    run = batchmill.run(document, jobs=jobs)
    assert run.status == "success"
    assert len({pid for pids in run.outputs.values() for pid in pids}) <= jobs


def test_without_jobs_process_batches_side_by_side_share_the_cores(tmp_path: Any) -> None:
    (tmp_path / "jobs_mod2.py").write_text(PROCESSES)
    params = {"function": "jobs_mod2:work", "args": ["${item}"]}
    spec = {"items": {"range": [0, 16]}, "executor": "process", "chunk_size": 2}
    nodes = [{"id": name, "type": "python", "params": params, "batch": spec} for name in "abc"]
    outputs = {name: {"source": f"${{{name}.results[*].result}}"} for name in "abc"}
    document = tmp_path / "flow.json"
    document.write_text(json.dumps({"pipeline": [{"parallel": nodes}], "outputs": outputs}))
    run = batchmill.run(document)
    assert run.status == "success"
    cores = len(psutil.Process().cpu_affinity())
    assert len({pid for pids in run.outputs.values() for pid in pids}) <= cores
