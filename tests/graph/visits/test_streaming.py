"""Streaming stages give what the same nodes give one after another, whatever fails where."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batchmill
from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import NodeError
from batchmill.events import Event, NodeFinished, NodeStarted
from batchmill.graph.visits.stage import RunningStage
from batchmill.nodes import Node, NodeResult, Output, Param, Registry
from batchmill.runs.result import RunResult

cloudpickle.register_pickle_by_value(sys.modules[__name__])

THREADS = {"executor": "thread", "max_concurrent": 3}
PROCESSES = {"executor": "process", "max_concurrent": 2}
GOES_ON = {"error_handling": "continue"}


class Step(Node):
    """Counts an item up; fails on those whose number is in ``fails``, on the first attempt only where that
    says so."""

    type = "step"
    summary = "A stage."
    params = (
        Param("x", "any", "the item"),
        Param("fails", "any", "numbers that fail"),
        Param("once", "boolean", "fail at the first attempt only", default=False),
        Param("seconds", "number", "how long it takes", default=0),
    )
    outputs = (Output("n", "integer", "the number"), Output("seen", "any", "the item's own index"))

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        x = params["x"]
        time.sleep(params["seconds"])
        n = -1 if x is None else x["n"] if isinstance(x, dict) else x
        attempt.recorder.append({"call": n})
        if n in (params.get("fails") or ()) and (attempt.number == 1 or not params["once"]):
            raise NodeError(f"{n} is not liked")
        return NodeResult({"n": n, "seen": x if x is None else 0})


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.register(Step)
    return registry


def chain(*stages: Mapping[str, Any], items: int = 12, **more: Any) -> dict[str, Any]:
    """A document of stages ``a``, ``b``, ...; keys of the node's params and of its batch block together."""
    nodes: list[dict[str, Any]] = []
    for name, stage in zip("abcdef", stages, strict=False):
        params = {key: stage[key] for key in ("fails", "once", "seconds") if key in stage}
        block = {key: value for key, value in stage.items() if key not in params}
        block.setdefault("items", f"${{{nodes[-1]['id']}.results}}" if nodes else {"range": [items]})
        if nodes:
            block["stream"] = True
        node = {"id": name, "type": "step", "params": {"x": "${item}", **params}, "batch": block}
        nodes.append(node)
    return {"nodes": nodes, **more}


def unstreamed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same document without streaming."""
    nodes = [dict(node) for node in document["nodes"]]
    for node in nodes:
        if "batch" in node:
            node["batch"] = {key: value for key, value in node["batch"].items() if key != "stream"}
    return {**document, "nodes": nodes}


def everything(run: RunResult, names: str) -> dict[str, Any]:
    """All of a run that must not depend on streaming."""
    nodes = {name: without_time(told) for name, told in run.nodes.items() if name in names}
    errors = [entry for entry in run.errors if entry["node"] in names or entry["node"] is None]
    return {
        "status": run.status,
        "outputs": without_time(run.outputs),
        "nodes": nodes,
        "errors": errors,
        "calls": [call for call in run.llm_calls if call["node"] in names],
    }


def without_time(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_time(one) for key, one in value.items() if key not in ("wall", "timing")}
    return [without_time(one) for one in value] if isinstance(value, list) else value


def all_of(names: str) -> dict[str, Any]:
    """Declared outputs: every output of every node."""
    keys = ("results", "succeeded", "count", "success_count", "error_count", "errors", "batch_metadata")
    return {"outputs": {f"{name}_{key}": {"source": f"${{{name}.{key}}}"} for name in names for key in keys}}


def same(document: dict[str, Any], registry: Registry, names: str) -> RunResult:
    """Run a document with and without streaming and compare all but the time."""
    streamed = batchmill.run(document, registry=registry)
    reference = batchmill.run(unstreamed(document), registry=registry)
    assert everything(streamed, names) == everything(reference, names)
    return streamed


@pytest.mark.parametrize("first", [{}, THREADS, PROCESSES])
@pytest.mark.parametrize("second", [{}, THREADS, PROCESSES])
@pytest.mark.slow
def test_stages_of_any_two_executors(
    first: dict[str, Any], second: dict[str, Any], registry: Registry
) -> None:
    document = chain({**first, "max_retries": 2, "fails": [3], "once": True}, second, **all_of("ab"))
    run = same(document, registry, "ab")
    assert run.status == "success"
    assert [entry["n"] for entry in run.outputs["b_results"]] == list(range(12))


def test_five_stages(registry: Registry) -> None:
    document = chain(THREADS, PROCESSES, {}, THREADS, {**THREADS, "max_concurrent": 1}, **all_of("abcde"))
    assert same(document, registry, "abcde").status == "success"


@pytest.mark.parametrize("kind", [{}, THREADS, PROCESSES])
def test_failed_items_are_null_for_the_next_stage(kind: dict[str, Any], registry: Registry) -> None:
    first = {**kind, **GOES_ON, "fails": [0, 4, 11]}
    run = same(chain(first, {**kind, **GOES_ON, "fails": [-1]}, **all_of("ab")), registry, "ab")
    assert run.status == "degraded"
    assert [error["index"] for error in run.outputs["b_errors"]] == [0, 4, 11]


@pytest.mark.parametrize("kind", [{}, THREADS, PROCESSES])
def test_succeeded_leaves_them_out_and_counts_anew(kind: dict[str, Any], registry: Registry) -> None:
    first = {**kind, **GOES_ON, "fails": [0, 4, 11]}
    second = {**kind, **GOES_ON, "items": "${a.succeeded}", "fails": [2]}
    run = same(chain(first, second, **all_of("ab")), registry, "ab")
    assert [error["index"] for error in run.outputs["b_errors"]] == [1]
    assert run.outputs["b_count"] == 9


def test_several_stages_take_from_the_same_one(registry: Registry) -> None:
    other = {**PROCESSES, "items": "${a.results}"}
    left_out = {**THREADS, "items": "${a.succeeded}"}
    document = chain({**THREADS, **GOES_ON, "fails": [5]}, THREADS, other, left_out, {}, **all_of("abcde"))
    assert same(document, registry, "abcde").status == "degraded"


def test_no_items_at_all(registry: Registry) -> None:
    assert same(chain({}, THREADS, PROCESSES, items=0, **all_of("abc")), registry, "abc").status == "success"


class Meets(Node):
    """Does what a function of the test says; for threads only."""

    type = "meets"
    summary = "A stage that meets others."
    params = (Param("x", "any", "the item"), Param("does", "string", "which function"))
    outputs = (Output("n", "any", "what it returned"),)
    functions: dict[str, Any]

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        return NodeResult({"n": self.functions[params["does"]](params["x"])})


def meeting(
    monkeypatch: pytest.MonkeyPatch, registry: Registry, *functions: Any, items: int = 12, **block: Any
) -> dict[str, Any]:
    """A chain of stages on threads that call these functions with their items."""
    registry.register(Meets)
    monkeypatch.setattr(Meets, "functions", {one.__name__: one for one in functions}, raising=False)
    document = chain(*[{**THREADS, **block} for _ in functions], items=items)
    for node, one in zip(document["nodes"], functions, strict=True):
        node.update(type="meets", params={"x": "${item}", "does": one.__name__})
    return document


def test_an_item_goes_on_before_the_next_is_done(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    """The second item of the first stage waits for the first item to come out of the last one."""
    out = threading.Event()

    def first(x: int) -> int:
        assert x == 0 or out.wait(20)
        return x

    def second(x: Any) -> Any:
        return x["n"]

    def third(x: Any) -> Any:
        out.set()
        return x["n"]

    document = meeting(monkeypatch, registry, first, second, third, max_concurrent=1)
    run = batchmill.run(document, registry=registry)
    assert [entry["n"] for entry in run.outputs["results"]] == list(range(12))


@pytest.mark.slow
def test_a_slow_stage_holds_up_those_before_it(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    """While the last stage is at its first item the first one comes to rest, with most of its items left."""
    begun: list[int] = []
    rested_at: list[int] = []

    def quick(x: int) -> int:
        begun.append(x)
        return x

    def passing(x: Any) -> Any:
        return x["n"]

    def slow(x: Any) -> Any:
        seen = -1
        while x["n"] == 0 and seen != len(begun):
            seen = len(begun)
            time.sleep(0.2)
        rested_at.append(seen)
        return x["n"]

    document = meeting(monkeypatch, registry, quick, passing, slow, items=20_000, max_concurrent=2)
    assert batchmill.run(document, registry=registry).status == "success"
    assert 0 < max(rested_at) < 10_000
    assert len(begun) == 20_000


@pytest.mark.parametrize("kind", [{}, THREADS, PROCESSES])
@pytest.mark.slow
def test_a_failed_stage_ends_the_others(kind: dict[str, Any], registry: Registry) -> None:
    slow = {**kind, "seconds": 0.01}
    document = chain(slow, {**kind, "fails": [3]}, kind, items=400, **all_of("b"))
    run = batchmill.run(document, registry=registry)
    assert run.status == "failed"
    assert {name: told["status"] for name, told in run.nodes.items()} == {
        "a": "cancelled",
        "b": "failed",
        "c": "cancelled",
    }
    assert run.nodes["a"]["failure"] == "stopped along with `b`"
    assert run.nodes["a"]["success_count"] < 400
    assert {told["count"] for told in run.nodes.values()} == {400}
    assert run.nodes["c"]["success_count"] <= 3
    assert [(error["node"], error["index"], error["kind"]) for error in run.errors] == [
        ("b", 3, "error_result")
    ]
    assert len(run.outputs["b_errors"]) == 400 - run.outputs["b_success_count"]


@pytest.mark.parametrize("kind", [{}, THREADS, PROCESSES])
def test_what_comes_after_a_failed_stage_counts_as_never_begun(
    kind: dict[str, Any], registry: Registry
) -> None:
    document = chain({**kind, "seconds": 0.005, "fails": [30]}, {**kind, **GOES_ON, "fails": [2]}, items=200)
    document["nodes"].append({"id": "h", "type": "echo", "params": {"data": '${b.count ?? "none"}'}})
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "h"}, {"from": "a", "to": "h", "action": "error"}]
    handled = same({**document, "edges": edges, "outputs": {"a": {"source": "${a.count}"}}}, registry, "h")
    assert handled.status == "degraded"
    assert handled.nodes["b"]["status"] == "cancelled"
    assert {error["node"] for error in handled.errors} == {"a"}
    ended = batchmill.run({**document, "edges": edges[:2]}, registry=registry)
    assert ended.status == "failed"
    assert {error["node"] for error in ended.errors} == {"a"}
    assert ended.outputs["error"] == ended.nodes["a"]["failure"]  # of the node that ran last: b never did


@pytest.mark.parametrize("kind", [{}, THREADS, PROCESSES])
def test_stages_before_a_handled_failure_run_to_their_end(kind: dict[str, Any], registry: Registry) -> None:
    document = chain({**kind, "seconds": 0.002}, {**kind, "fails": [1]}, kind, items=60, **all_of("a"))
    document["nodes"].append({"id": "h", "type": "echo", "params": {"data": "${a.results[*].n}"}})
    document["edges"] = [
        {"from": "a", "to": "b"}, {"from": "b", "to": "c"}, {"from": "b", "to": "h", "action": "error"},
    ]  # fmt: skip
    run = same(document, registry, "ah")
    assert run.status == "degraded"
    assert run.nodes["a"]["success_count"] == 60


def test_a_stage_none_of_whose_items_succeed_ends_what_follows(registry: Registry) -> None:
    run = same(chain({**THREADS, **GOES_ON, "fails": list(range(12))}, THREADS, **all_of("a")), registry, "a")
    assert run.status == "failed"
    assert run.nodes["b"]["status"] == "cancelled"


def test_items_that_cannot_be_had_begin_nothing(registry: Registry) -> None:
    document = chain({"items": "${rows}"}, THREADS, inputs={"rows": {"type": "any"}})
    run = batchmill.run(document, {"rows": 7}, registry=registry)
    assert (run.status, list(run.nodes), len(run.errors)) == ("failed", ["a"], 1)


def test_all_of_a_tolerance(registry: Registry) -> None:
    within = {**THREADS, **GOES_ON, "tolerate": {"percent": 25}, "fails": [1, 5, 9]}
    assert same(chain(THREADS, within, {}, **all_of("abc")), registry, "abc").status == "degraded"
    run = batchmill.run(chain(THREADS, {**within, "fails": [1, 5, 9, 11]}, {}), registry=registry)
    assert (run.status, run.nodes["b"]["status"]) == ("failed", "failed")


_STAGES = st.fixed_dictionaries(
    {
        "fails": st.frozensets(st.sampled_from([-1, 0, 1, 2, 5, 6, 7, 11]), max_size=3).map(sorted),
        "once": st.booleans(),
        "max_retries": st.integers(1, 2),
        "max_concurrent": st.just(1),
        "error_handling": st.sampled_from(["fail_fast", "continue"]),
        "executor": st.sampled_from(["thread", "sequential"]),
        "succeeded": st.booleans(),
        "source": st.integers(1, 3),
        "handled": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(stages=st.lists(_STAGES, min_size=2, max_size=5), items=st.integers(0, 12))
def test_any_chain_is_the_same_with_and_without_streaming(stages: list[dict[str, Any]], items: int) -> None:
    registry = Registry()
    registry.register(Step)
    document, handled = _document(stages, items)
    streamed = batchmill.run(document, registry=registry)
    reference = batchmill.run(unstreamed(document), registry=registry)
    assert streamed.status == reference.status
    failed = next((name for name, told in reference.nodes.items() if told["status"] == "failed"), None)
    before = set("abcde"[: "abcde".index(failed) + 1]) if failed else set("abcde")
    if failed is None or handled & before:
        names = "".join(reference.nodes)
        assert everything(streamed, names) == everything(reference, names)
    if failed is not None:
        ended = [name for name, told in streamed.nodes.items() if told["status"] == "failed"]
        assert len(ended) == 1
        after = "abcde"["abcde".index(ended[0]) + 1 : len(stages)]
        assert {streamed.nodes[name]["status"] for name in after} <= {"cancelled"}


def _document(stages: list[dict[str, Any]], items: int) -> tuple[dict[str, Any], set[str]]:
    """A chain with an error edge to ``h`` from each stage that is handled."""
    own = ("succeeded", "source", "handled")
    blocks = [{key: value for key, value in stage.items() if key not in own} for stage in stages]
    for place, stage in enumerate(stages[1:], 1):
        source = "abcde"[max(0, place - stage["source"])]
        blocks[place]["items"] = f"${{{source}.{'succeeded' if stage['succeeded'] else 'results'}}}"
    document = chain(*blocks, items=items)
    handled = {name for name, stage in zip("abcde", stages, strict=False) if stage["handled"]}
    edges = [{"from": one, "to": two} for one, two in zip("abcde", "bcde"[: len(stages) - 1], strict=False)]
    edges += [{"from": name, "to": "h", "action": "error"} for name in sorted(handled)]
    data = {name: f"${{{name}.results ?? null}}" for name in "abcde"[: len(stages)]}
    document["nodes"].append({"id": "h", "type": "echo", "params": {"data": data}})
    if not handled:
        edges.append({"from": "abcde"[len(stages) - 1], "to": "h"})
    return {**document, "edges": edges}, handled


@pytest.mark.slow
@pytest.mark.parametrize("kind", [{}, THREADS, PROCESSES])
@pytest.mark.parametrize("force", [False, True])
def test_a_run_that_is_ended_from_outside(kind: dict[str, Any], force: bool, registry: Registry) -> None:
    token = CancelToken()
    document = chain(*[{**kind, "seconds": 0.02}] * 3, items=2000)

    def listening(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node == "c":
            threading.Timer(0.5, token.cancel).start()

    ended: Any = {"cancel" if force else "stop": token}
    run = batchmill.run(document, registry=registry, listeners=[listening], **ended)
    assert (run.status, run.interrupted) == ("failed", True)
    assert {told["count"] for told in run.nodes.values()} == {2000}
    assert all(told["success_count"] < 2000 for told in run.nodes.values())
    counts = [told["success_count"] for told in run.nodes.values()]
    assert counts == sorted(counts, reverse=True)


def test_items_that_were_not_run_do_not_reach_the_next_stage(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    """Stages hear of the end one after another; here the second one hears of it when the first is over."""
    token, begun, heard, over = CancelToken(), threading.Event(), threading.Event(), threading.Event()
    stop, close, seen = RunningStage.stop, RunningStage._close, []

    def stopping(stage: RunningStage) -> None:
        if stage.id == "a":
            stop(stage)
            heard.set()
        else:
            assert over.wait(30)
            time.sleep(0.1)  # for the second stage to take what it was given, if anything
            stop(stage)

    def closing(stage: RunningStage) -> None:
        close(stage)
        if stage.id == "a":
            over.set()

    monkeypatch.setattr(RunningStage, "stop", stopping)
    monkeypatch.setattr(RunningStage, "_close", closing)

    def first(x: int) -> int:
        begun.set()
        assert heard.wait(30)
        return x

    def second(x: Any) -> Any:
        seen.append(x)
        return x["n"]

    document = meeting(monkeypatch, registry, first, second, max_concurrent=1)
    canceller = threading.Thread(target=lambda: begun.wait(30) and token.cancel())
    canceller.start()
    run = batchmill.run(document, registry=registry, stop=token)
    canceller.join()
    assert run.interrupted
    assert None not in seen
    assert run.nodes["b"]["count"] == 12


def test_a_killed_worker_costs_its_item(registry: Registry) -> None:
    code = "import os, signal\nif x['n'] == 5: os.kill(os.getpid(), signal.SIGKILL)\nresult = x['n']"
    document = chain(THREADS, {**PROCESSES, **GOES_ON}, {**THREADS, **GOES_ON}, items=20)
    document["nodes"][1].update(type="code", params={"code": code, "inputs": {"x": "${item}"}})
    document["nodes"][2]["params"] = {"x": "${item.result}"}
    run = batchmill.run(document, registry=registry)
    errors = [(error["node"], error["index"], error["kind"]) for error in run.errors]
    assert errors == [("b", 5, "worker_died"), ("c", 5, "exception")]
    assert [entry and entry["n"] for entry in run.outputs["results"]] == [*range(5), None, *range(6, 20)]


def test_what_an_item_breaks_in_the_stage_itself_is_raised(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    """An interrupt in the thread that waits for the stages ends them all."""
    running = threading.Event()

    def first(x: int) -> int:
        running.set()
        time.sleep(0.01)
        return x

    def second(x: Any) -> Any:
        return x["n"]

    def interrupt() -> None:
        running.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        batchmill.run(meeting(monkeypatch, registry, first, second, items=5000), registry=registry)


def test_every_stage_tells_of_itself(registry: Registry) -> None:
    events: list[Event] = []
    document = chain(THREADS, {**THREADS, "items": "${a.succeeded}"}, {"items": "${a.results}"})
    batchmill.run(document, registry=registry, listeners=[events.append])
    started = [(event.node, event.total) for event in events if isinstance(event, NodeStarted)]
    assert started == [("a", 12), ("b", None), ("c", 12)]
    finished = [(one.node, one.status, one.succeeded) for one in events if isinstance(one, NodeFinished)]
    assert finished == [("a", "success", 12), ("b", "success", 12), ("c", "success", 12)]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", [{}, THREADS, PROCESSES])
@pytest.mark.first_quick
def test_few_jobs_are_enough_for_many_stages(kind: dict[str, Any], jobs: int, registry: Registry) -> None:
    run = batchmill.run(chain(kind, PROCESSES, kind, THREADS, {}, items=40), registry=registry, jobs=jobs)
    assert [entry["n"] for entry in run.outputs["results"]] == list(range(40))


def test_nobody_need_keep_what_is_streamed(registry: Registry) -> None:
    run = batchmill.run(chain({**THREADS, "collect": "none"}, THREADS), registry=registry)
    assert [entry["n"] for entry in run.outputs["results"]] == list(range(12))


def test_sequential_for_all_is_one_stage_after_another(registry: Registry) -> None:
    events: list[Event] = []
    batchmill.run(chain({}, {}), registry=registry, executor="sequential", listeners=[events.append])
    told = [(type(one).__name__, one.node) for one in events if isinstance(one, (NodeStarted, NodeFinished))]
    assert told == [("NodeStarted", "a"), ("NodeFinished", "a"), ("NodeStarted", "b"), ("NodeFinished", "b")]


def test_taps_of_stages_are_given_their_blocks(registry: Registry) -> None:
    seen: list[int] = []
    taps = {name: lambda block: seen.extend(entry["n"] for entry in block.values) for name in "ab"}
    batchmill.run(chain(THREADS, THREADS), registry=registry, taps=taps)
    assert sorted(seen) == sorted([*range(12), *range(12)])


def stage(name: str, items: Any, fails: list[int] | None = None, **block: Any) -> dict[str, Any]:
    """A node of its own, on threads."""
    params = {"x": "${item}", "fails": fails or [], "seconds": 0.001}
    return {"id": name, "type": "step", "params": params, "batch": {**THREADS, "items": items, **block}}


def fanned_out(fails: list[int]) -> list[dict[str, Any]]:
    after = [stage(name, "${a.results}", stream=True) for name in "bc"]
    after[0]["params"]["fails"] = fails
    shown = {"data": "${b.success_count ?? 0} ${c.success_count ?? 0} ${a.success_count ?? 0}"}
    return [stage("a", {"range": [60]}), *after, {"id": "j", "type": "echo", "params": shown}]


def test_stages_in_branches(registry: Registry) -> None:
    edges = [{"from": one, "to": two} for one, two in ("ab", "ac", "bj", "cj")]
    run = same({"nodes": fanned_out([]), "edges": edges}, registry, "abcj")
    assert run.outputs["data"] == "60 60 60"
    failed = batchmill.run({"nodes": fanned_out([3]), "edges": edges}, registry=registry)
    assert (failed.status, failed.nodes["b"]["status"]) == ("failed", "failed")


def test_a_block_that_goes_on_lets_the_other_stages_finish(registry: Registry) -> None:
    a, b, c, j = fanned_out([3])
    block = {"parallel": [b, c], "on_error": "continue"}
    run = batchmill.run({"pipeline": [a, block, j]}, registry=registry)
    assert run.status == "degraded"
    assert {name: told["status"] for name, told in run.nodes.items()} == {
        "a": "success", "b": "failed", "c": "success", "j": "success",
    }  # fmt: skip
    assert run.outputs["data"].endswith(" 60 60")
