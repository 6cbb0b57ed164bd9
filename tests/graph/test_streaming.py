"""Streaming stages give what the same nodes give one after another, whatever fails where."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes import Node, NodeResult, Output, Param, Registry, default_registry
from batchmill.runs import RunResult

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
    registry = default_registry()
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
