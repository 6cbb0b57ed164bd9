"""Pipelines of many shapes: the same comes of them with any number of jobs, and none of them hangs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import batchmill

LEAVES = st.sampled_from(["echo", "fails", "threads", "sequential", "half", "sub", "timed"])
STEPS = st.recursive(
    LEAVES,
    lambda inner: st.lists(st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3),
    max_leaves=10,
)


def leaf(name: str, kind: str) -> dict[str, Any]:
    """A node that does something of its kind; what it says does not depend on when it runs."""
    if kind == "echo":
        return {"id": name, "type": "echo", "params": {"message": name}}
    if kind == "sub":
        inner = {"pipeline": [{"parallel": [leaf("x", "threads"), leaf("y", "echo")]}, leaf("z", "echo")]}
        return {"id": name, "type": "workflow", "params": {"workflow": inner}}
    if kind == "timed":
        return {**leaf(name, "echo"), "timeout": 60}
    code = {"fails": "raise ValueError('no')", "half": "result = 1 / (x % 2)"}.get(kind, "result = x + 1")
    params = {"code": code, "inputs": {"x": "${item}"}}
    batch: dict[str, Any] = {"items": {"range": [0, 3]}, "parallel": kind != "sequential"}
    if kind == "half":
        batch |= {"error_handling": "continue"}
    if kind == "fails":
        return {"id": name, "type": "code", "params": {"code": code}}
    return {"id": name, "type": "code", "params": params, "batch": batch}


def piped(shape: Any, names: Iterator[str]) -> Any:
    """A step: blocks go on when a branch fails, so that what runs does not depend on which is faster."""
    if isinstance(shape, str):
        return leaf(next(names), shape)
    branches = [[piped(step, names) for step in branch] for branch in shape]
    return {"parallel": branches, "on_error": "continue"}


def told(run: Any) -> tuple[Any, ...]:
    nodes = {name: (one["status"], one["visits"]) for name, one in run.nodes.items()}
    outputs = {key: value for key, value in run.outputs.items() if key != "batch_metadata"}
    return run.status, list(nodes.items()), run.errors, outputs


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=1, max_size=4))
def test_the_same_comes_of_it_with_any_number_of_jobs(shape: Any) -> None:
    names = (f"n{number}" for number in itertools.count())
    document = {"pipeline": [piped(step, names) for step in shape]}
    free = told(batchmill.run(document))
    for jobs in (1, 2, 7):
        assert told(batchmill.run(document, jobs=jobs)) == free
