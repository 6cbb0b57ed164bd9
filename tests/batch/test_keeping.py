"""A result that cannot be kept is an error of its item, whoever runs it and however the run goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings
from batchmill.batch.engine import Batch
from batchmill.block import Block
from batchmill.errors import StorageError
from batchmill.executors import contract
from batchmill.mapping.functions import as_task
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.policy import FailurePolicy

EXECUTORS = ("sequential", "thread", "process", "auto", "awaited")


class Awaited(contract.Task):
    """The same work as a coroutine."""

    awaits = True

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        return abs(item)

    async def run_async(self, item: int, index: int, attempt: Attempt) -> int:
        return abs(item)


class Log:
    """Keeps values in a list; refuses some of them with ``fault``."""

    knows = False
    left_out = 0

    def __init__(self, refused: set[Any], fault: type[Exception] = ValueError) -> None:
        self.refused, self.fault = refused, fault
        self.lock = threading.Lock()
        self.kept: dict[int, Any] = {}

    def match(self, start: int, items: Any) -> dict[int, Outcome]:
        return {}

    def record(self, block: Block) -> None:
        if self.refused.intersection(block.values):
            raise self.fault("cannot be shown")
        with self.lock:
            for outcome in block.outcomes():
                assert outcome.index not in self.kept
                self.kept[outcome.index] = outcome.value if outcome.error is None else outcome.error.kind

    def close(self, total: int | None, *, read: bool = True) -> None:
        pass


def run(log: Log, items: range, executor: str, **settings: Any) -> Any:
    policy = settings.pop("failures", FailurePolicy(False))
    task = Awaited() if executor == "awaited" else as_task(abs)
    chosen = BatchSettings(
        executor="thread" if executor == "awaited" else executor, failures=policy, **settings
    )
    return Batch(task, items, chosen, ordered=False, log=log).gather()  # type: ignore[arg-type]  # such a log


@pytest.mark.parametrize("executor", EXECUTORS)
def test_one_result_that_cannot_be_kept_costs_one_item(executor: str) -> None:
    log = Log({3, 11})
    done = run(log, range(40), executor, max_concurrent=2)
    assert done.values == [None if n in (3, 11) else n for n in range(40)]
    assert [(e["index"], e["type"], e["kind"]) for e in done.errors] == [
        (3, "ValueError", "exception"),
        (11, "ValueError", "exception"),
    ]
    assert "cannot be kept: cannot be shown" in done.errors[0]["message"]
    assert log.kept == {n: "exception" if n in (3, 11) else n for n in range(40)}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_under_fail_fast_it_stops_the_batch_like_any_failure(executor: str) -> None:
    done = run(Log({0}), range(2000), executor, max_concurrent=2, failures=FailurePolicy(True))
    assert done.error_count == 1
    assert done.failure == "1 item failed and error_handling is fail_fast"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_log_that_has_no_room_ends_the_batch_and_charges_no_item(executor: str) -> None:
    with pytest.raises(StorageError, match="cannot be shown"):
        run(Log({7}, StorageError), range(2000), executor, max_concurrent=2)


def test_an_error_that_cannot_be_kept_stays_what_it_is() -> None:
    class Refusing(Log):
        def record(self, block: Block) -> None:
            if any(one.error and one.error.outputs for one in block.special.values()):
                raise RuntimeError("no repr")
            super().record(block)

    log = Refusing(set())
    batch = Batch(as_task(abs), [1], BatchSettings(failures=FailurePolicy(False)), ordered=False, log=log)  # type: ignore[arg-type]  # such a log
    chunk = batch.window.take(1, 1)
    assert chunk is not None
    error = ErrorInfo("CommandFailed", "exit code 3", "error_result", outputs={"odd": object()})
    batch.window.deliver(Block.of(Outcome(0, error=error, attempts=2), 1))
    (outcome,) = [one for block in batch.window.ready() for one in block.outcomes()]
    assert outcome.error == ErrorInfo("CommandFailed", "exit code 3", "error_result")
    assert outcome.attempts == 2
    assert log.kept == {0: "error_result"}


CODE = """
class Odd:
    def __repr__(self): raise RuntimeError("no text")
class Key(Odd):
    pass
deep = 1
for _ in range(5000): deep = [deep]
made = {"number": 10**5000, "repr": Odd(), "inside": [{"a": (1, Odd())}], "key": {10**5000: 1},
        "object key": {Key(): 1}, "set": {10**5000}, "fine": 7}
result = deep if name == "deep" else made[name]
"""
NAMES = ["fine", "number", "fine", "repr", "inside", "fine", "key", "object key", "set", "deep", "fine"]


def document(executor: str | None, name: str = "${item}", **block: Any) -> dict[str, Any]:
    node: dict[str, Any] = {"id": "a", "type": "code", "params": {"code": CODE, "inputs": {"name": name}}}
    if executor is not None:
        items = block.pop("items", NAMES)
        node["batch"] = {"items": items, "executor": executor, "error_handling": "continue", **block}
    code = "result = [type(one['result']).__name__ if one else None for one in results]"
    counts = {"id": "b", "type": "code", "params": {"code": code, "inputs": {"results": "${a.results}"}}}
    outputs = {"kinds": {"source": "${b.result}"}, "errors": {"source": "${a.errors}"}}
    return {"nodes": [node]} if executor is None else {"nodes": [node, counts], "outputs": outputs}


@pytest.mark.parametrize("executor", ["sequential", "thread", "process", "auto"])
@pytest.mark.parametrize("handling", ["continue", "fail_fast"])
def test_documents_with_values_that_have_no_text(executor: str, handling: str, tmp_path: Path) -> None:
    """Each is its item's error, on every executor and at resume too, and nothing waits for them."""
    journal = str(tmp_path / "runs.sqlite")
    flow = document(executor, error_handling=handling)
    for again in (False, True):
        run = batchmill.resume(journal=journal) if again else batchmill.run(flow, journal=journal)
        if handling == "fail_fast" and run.status == "failed":
            assert run.errors[0]["kind"] in ("exception", "not_picklable")
            continue
        bad = {error["index"] for error in run.outputs["errors"]}
        assert handling == "continue"
        assert bad == {1, 3, 4, 6, 7, 8, 9}
        assert all(error["kind"] in ("exception", "not_picklable") for error in run.outputs["errors"])
        kinds = run.outputs["kinds"]
        assert [kinds[n] for n in (0, 2, 5, 10)] == ["int"] * 4
        assert all((kind is None) is (index in bad) for index, kind in enumerate(kinds))
        assert run.status == "degraded"


@pytest.mark.parametrize("executor", ["sequential", "thread"])
@pytest.mark.parametrize("levels", [199, 200, 900])
def test_nesting_is_kept_up_to_the_same_depth_everywhere(executor: str, levels: int, tmp_path: Path) -> None:
    code = f"v = 1\nfor _ in range({levels}): v = [v]\nresult = v"
    batch = {"items": [0], "executor": executor, "error_handling": "continue"}
    flow: dict[str, Any] = {"nodes": [{"id": "a", "type": "code", "params": {"code": code}, "batch": batch}]}
    flow["outputs"] = {"count": {"source": "${a.success_count}"}}
    run = batchmill.run(flow, journal=tmp_path / "runs.sqlite")
    kept = levels < 200  # the object of the node's outputs is one level more
    assert run.status == ("success" if kept else "failed")
    assert kept or "nests deeper than 200 levels" in run.errors[0]["message"]


def test_results_without_a_form_are_no_output() -> None:
    flow = document("thread", items=["fine", "number"])
    flow["outputs"] = {"results": {"source": "${a.results}"}}
    run = batchmill.run(flow)
    assert run.status == "failed"
    assert "'results'[1].result is an integer of more than 4,300 digits" in run.errors[0]["message"]


@pytest.mark.parametrize("name", ["number", "repr", "key", "deep"])
def test_a_single_node_with_such_a_value_fails_and_the_run_ends(name: str, tmp_path: Path) -> None:
    run = batchmill.run(document(None, name), journal=str(tmp_path / "runs.sqlite"))
    assert run.status in ("failed", "success")
    assert name != "number" or run.errors[0]["kind"] == "exception"
