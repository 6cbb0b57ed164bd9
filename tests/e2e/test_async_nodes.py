"""Documents whose nodes wait as coroutines: the same on every executor, thousands at once on threads."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

import batchmill
from batchmill.concurrency.cancel import CancelToken
from batchmill.nodes import Registry

MODULE = '''
import asyncio
from batchmill import AsyncNode
from batchmill.nodes import AsyncRunNode, NodeResult, Param
from batchmill.errors import NodeError
from batchmill.record import LLMCall

running = most = 0

class Waits(AsyncNode):
    """Waits a while."""
    async def prep_async(self, shared):
        return shared["n"]
    async def exec_async(self, n):
        global running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(self.params.get("seconds", 0.001))
        running -= 1
        return n * 2
    async def post_async(self, shared, prepared, result):
        shared["doubled"] = result

class Flaky(AsyncNode):
    def __init__(self):
        super().__init__(max_retries=2)
    async def prep_async(self, shared):
        return shared["n"]
    async def exec_async(self, n):
        await asyncio.sleep(0)
        if self.cur_retry < n % 3:
            raise ValueError(f"item {n}, attempt {self.cur_retry}")
        return self.cur_retry
    async def exec_fallback_async(self, n, error):
        if n % 2:
            raise error
        return "fallback"

class Own(AsyncRunNode):
    type = "own"
    summary = "Of the contract itself."
    params = (Param("n", "integer", "a number", required=True),)
    open_outputs = True
    async def run_async(self, params, attempt):
        await asyncio.sleep(0)
        n = params["n"]
        attempt.recorder.append(LLMCall("m", input_tokens=n))
        attempt.recorder.append({"model": "d", "index": 99})
        attempt.recorder.append({"model": "e"})
        if attempt.number < 1 + n % 3:
            raise NodeError("not yet", outputs={"why": n})
        return NodeResult({"squared": n * n, "attempt": attempt.number}, "elsewhere")

class Hangs(AsyncNode):
    ended = 0
    async def exec_async(self, prepared):
        if self.params.get("begun"):
            open(self.params["begun"], "w").close()
        try:
            await asyncio.Event().wait()
        finally:
            Hangs.ended += 1
'''
EXECUTORS = ["sequential", "thread", "process"]


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """The module of the nodes, importable here and in worker processes."""
    (tmp_path / "waiting_nodes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "waiting_nodes", raising=False)
    yield __import__("waiting_nodes")
    sys.modules.pop("waiting_nodes", None)


def ran(cls, items=None, params=None, node=None, batch=None, **more):
    given = {"id": "a", "type": f"waiting_nodes:{cls}", "params": params or {}, **(node or {})}
    if items is not None:
        given["params"] = {"n": "${item}", **given["params"]}
        given["batch"] = {"items": items, **(batch or {})}
    return batchmill.run({"nodes": [given]}, registry=Registry(), **more)  # a fresh one: so is the module


@pytest.mark.slow
def test_ten_thousand_items_wait_a_thousand_at_a_time(waiting):
    result = ran(
        "Waits",
        {"range": [0, 10_000]},
        {"seconds": 0.05},
        batch={"executor": "thread", "max_concurrent": 1000},
    )
    assert (result.status, result.outputs["success_count"]) == ("success", 10_000)
    assert [entry["doubled"] for entry in result.outputs["results"]] == list(range(0, 20_000, 2))
    assert 900 < waiting.most <= 1000
    assert waiting.running == 0


@pytest.mark.parametrize("executor", EXECUTORS)
def test_results_are_the_same_on_every_executor(waiting, executor):
    outputs = ran("Waits", [3, 1, 2], batch={"executor": executor}).outputs
    assert outputs["results"] == [{"result": 2 * n, "doubled": 2 * n, "item": n} for n in (3, 1, 2)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_class_keeps_its_own_retries_and_those_of_the_batch_come_on_top(waiting, executor):
    batch = {"executor": executor, "error_handling": "continue", "max_retries": 2}
    outputs = ran("Flaky", [0, 1, 2, 5], batch=batch).outputs
    assert [entry and entry["result"] for entry in outputs["results"]] == [0, 1, "fallback", None]
    assert [(e["index"], e["type"], e["message"], e["attempts"]) for e in outputs["errors"]] == [
        (3, "ValueError", "item 5, attempt 1", 2)
    ]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_node_of_the_contract_may_be_a_coroutine(waiting, executor):
    batch = {"executor": executor, "max_retries": 2, "retry_jitter": False, "error_handling": "continue"}
    result = ran("Own", [3, 4, 5], batch=batch)
    assert [entry and (entry["squared"], entry["attempt"]) for entry in result.outputs["results"]] == [
        (9, 1),
        (16, 2),
        None,
    ]
    errors = [(entry["kind"], entry["message"], entry["attempts"]) for entry in result.errors]
    assert errors == [("error_result", "not yet", 2)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_calls_say_which_node_and_item_made_them(waiting, executor):
    calls = ran("Own", [3, 6], batch={"executor": executor}).llm_calls
    assert [(call["model"], call["node"], call["index"]) for call in calls] == [
        ("m", "a", 0),
        ("d", "a", 99),
        ("e", "a", 0),
        ("m", "a", 1),
        ("d", "a", 99),
        ("e", "a", 1),
    ]
    assert [call["input_tokens"] for call in calls if call["model"] == "m"] == [3, 6]


def test_calls_of_a_single_node_have_no_index(waiting):
    calls = ran("Own", params={"n": 3}).llm_calls
    assert [(call["node"], call.get("index")) for call in calls] == [("a", None), ("a", 99), ("a", None)]


def test_a_single_node_is_awaited_and_its_action_leads_on(waiting):
    nodes = [
        {"id": "a", "type": "waiting_nodes:Own", "params": {"n": 1}, "retry": {"max": 2}},
        {"id": "b", "type": "echo", "params": {"message": "${a.squared} at ${a.attempt}"}},
        {"id": "c", "type": "echo", "params": {"message": "not here"}},
    ]
    edges = [{"from": "a", "to": "c"}, {"from": "a", "to": "b", "action": "elsewhere"}]
    result = batchmill.run({"nodes": nodes, "edges": edges}, registry=Registry())
    assert result.outputs["echo"] == "1 at 2"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_timeout_ends_what_hangs(waiting, executor, given_time):
    def check(seconds):
        waiting.Hangs.ended = 0
        batch = {"executor": executor, "timeout": seconds, "error_handling": "continue"}
        result = ran("Hangs", [1, 2], batch=batch)
        assert [entry["kind"] for entry in result.errors] == ["timeout", "timeout"]
        if executor != "process":  # a worker process is killed
            assert waiting.Hangs.ended == 2

    given_time(check)


def test_a_single_node_has_a_timeout_too(waiting, given_time):
    def check(seconds):
        waiting.Hangs.ended = 0
        result = ran("Hangs", node={"timeout": seconds})
        assert [entry["kind"] for entry in result.errors] == ["timeout"]
        assert waiting.Hangs.ended == 1

    given_time(check)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_cancelled_run_ends_what_waits(waiting, executor, tmp_path):
    begun, cancel = tmp_path / "begun", CancelToken()

    def cancel_once_begun():
        for _ in range(1000):
            if begun.exists():
                break
            threading.Event().wait(0.01)
        cancel.cancel()

    canceller = threading.Thread(target=cancel_once_begun)
    canceller.start()
    batch = {"executor": executor, "max_concurrent": 1, "error_handling": "continue"}
    if executor == "sequential":
        del batch["max_concurrent"]
    result = ran("Hangs", [1, 2], {"begun": str(begun)}, batch=batch, cancel=cancel)
    canceller.join()
    assert (result.status, result.interrupted) == ("failed", True)
    assert [entry["kind"] for entry in result.errors] == ["cancelled"]


def test_a_run_inside_a_running_loop_works(waiting):
    async def outer():
        return ran("Waits", [1, 2], batch={"executor": "sequential"}).outputs["count"]

    assert asyncio.run(outer()) == 2
