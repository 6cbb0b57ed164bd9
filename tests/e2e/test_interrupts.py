"""Runs that are ended from outside: stop lets running items finish, cancel ends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import NodeError
from batchmill.events import BatchProgress, Event, NodeStarted
from batchmill.nodes import NodeResult, Param, Registry
from batchmill.nodes.contract import AsyncRunNode
from batchmill.runs.run import run


def waiting(executor: str, text: str, items: int) -> dict[str, Any]:
    batch = {"items": {"range": [items]}, "executor": executor, "max_concurrent": 2}
    params = {"code": text, "inputs": {"n": "${item}"}}
    return {
        "nodes": [
            {"id": "each", "type": "code", "params": params, "batch": batch},
            {"id": "after", "type": "echo"},
        ],
        "outputs": {
            "results": {"source": "${each.results}"},
            "count": {"source": "${each.count}"},
            "errors": {"source": "${each.errors}"},
        },
    }


def at_first_progress(token: CancelToken) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        if isinstance(event, BatchProgress):
            token.cancel()

    return hear


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_stop_lets_running_items_finish_and_starts_no_more(executor: str) -> None:
    stop = CancelToken()
    document = waiting(executor, "import time\ntime.sleep(0.02)\nresult = n", 500)
    if executor == "sequential":
        del document["nodes"][0]["batch"]["max_concurrent"]
    result = batchmill.run(document, stop=stop, listeners=[at_first_progress(stop)])
    assert (result.status, result.interrupted, list(result.nodes)) == ("failed", True, ["each"])
    done = [entry for entry in result.outputs["results"] if entry is not None]
    assert 0 < len(done) < 500 == result.outputs["count"]
    assert all(entry["result"] == entry["item"] for entry in done)
    assert {error["kind"] for error in result.outputs["errors"]} == {"cancelled"}
    assert len(result.outputs["errors"]) == 500 - len(done)
    assert [error["message"] for error in result.errors] == ["stopped before all items were done"]
    assert result.nodes["each"]["error_count"] == 0


def is_there(path: Path) -> bool:
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return path.exists()


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_cancel_ends_what_runs(executor: str, tmp_path: Path) -> None:
    cancel, began, over = CancelToken(), tmp_path / "began", tmp_path / "over"
    text = f"import pathlib, time\nn and pathlib.Path({str(began)!r}).touch()\n"
    text += f"while n and not pathlib.Path({str(over)!r}).exists():\n    time.sleep(0.01)\nresult = n"
    canceller = threading.Thread(target=lambda: is_there(began) and cancel.cancel())
    canceller.start()
    result = batchmill.run(waiting(executor, text, 100), cancel=cancel)
    canceller.join()
    over.touch()  # threads that were abandoned end
    assert (result.status, result.interrupted, list(result.nodes)) == ("failed", True, ["each"])
    assert {error["kind"] for error in result.outputs["errors"]} == {"cancelled"}
    assert len(result.outputs["errors"]) >= 98
    assert len(result.errors) <= 2


def test_cancel_ends_a_single_node() -> None:
    cancel = CancelToken()
    timer = threading.Timer(0.3, cancel.cancel)

    def hear(event: Event) -> None:
        if isinstance(event, NodeStarted):
            timer.start()

    node = {"id": "a", "type": "shell", "params": {"command": ["sleep", "30"]}}
    after = {"id": "b", "type": "echo"}
    result = batchmill.run({"nodes": [node, after]}, cancel=cancel, listeners=[hear])
    timer.join()
    assert (result.status, result.interrupted, list(result.nodes)) == ("failed", True, ["a"])


def test_stop_ends_a_loop_between_two_iterations() -> None:
    stop = CancelToken()
    stop_soon = {"id": "a", "type": "code", "params": {"code": "import time\ntime.sleep(0.01)\nresult = 0"}}
    timer = threading.Timer(0.2, stop.cancel)
    timer.start()
    loop = {"until": "${a.result}", "max_iterations": 100_000}
    result = batchmill.run({"nodes": [{**stop_soon, "loop": loop}]}, stop=stop)
    timer.join()
    assert (result.status, result.interrupted) == ("failed", True)
    assert result.outputs["loop_stopped"] == "interrupted"


class Refusing(AsyncRunNode):
    """Says that it was asked, and fails."""

    type = "refusing"
    summary = "Fails."
    params = (Param("path", "string", "what is touched"),)
    outputs = ()

    async def run_async(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        Path(params["path"]).touch()
        raise NodeError("refused")


@pytest.mark.parametrize("executor", ["sequential", "thread", "process", "event loop", "limited", "single"])
def test_who_waits_for_another_attempt_is_cancelled_by_stop_and_has_not_failed(
    executor: str, tmp_path: Path
) -> None:
    waits = {"max_retries": 5, "retry_wait": 60, "retry_max_wait": 60, "retry_jitter": False}
    batch = {"items": ["tried"], "executor": executor, "error_handling": "continue", **waits}
    text = "import pathlib\npathlib.Path(path).touch()\nraise ValueError('refused')"
    node: dict[str, Any] = {"id": "a", "type": "code", "params": {"code": text}, "batch": batch}
    if executor == "event loop":
        batch["executor"] = "thread"
        node = {"id": "a", "type": "refusing", "params": {"path": str(tmp_path / "tried")}, "batch": batch}
    elif executor == "limited":
        batch.update(executor="thread", rate_limit={"per_second": 1000})
    elif executor == "single":
        node = {**node, "retry": {"max": 5, "wait": 60, "jitter": False}}
        del node["batch"]
    if node["type"] == "code":
        node["params"]["inputs"] = {"path": str(tmp_path / "tried")}
    registry = Registry()
    registry.register(Refusing)
    stop = CancelToken()
    stopper = threading.Thread(target=lambda: is_there(tmp_path / "tried") and stop.cancel())
    stopper.start()
    result = run({"nodes": [node]}, stop=stop, registry=registry)
    stopper.join()
    assert (result.status, result.interrupted) == ("failed", True)
    if executor != "single":
        assert result.nodes["a"]["error_count"] == 0
        assert {error["kind"] for error in result.outputs["errors"]} == {"cancelled"}
