"""As many items run as a tolerance allows, and no more: also where a stage streams into the next."""

from __future__ import annotations

from typing import Any

import pytest

import batchmill

ITEMS = 1000
GOOD = 300  # items that succeed first: short ones travel in large chunks by then


def errors(tolerate: dict[str, int], *, stream: bool, executor: str) -> int:
    """How many items of the first of two stages failed, every item from ``GOOD`` on failing."""
    batch: dict[str, Any] = {
        "items": {"range": [ITEMS]},
        "as": "x",
        "executor": executor,
        "error_handling": "continue",
        "tolerate": tolerate,
    }
    if executor != "sequential":
        batch["max_concurrent"] = 1
    code = f"if x >= {GOOD}: raise ValueError(x)\nresult = x"
    document = {
        "nodes": [
            {"id": "a", "type": "code", "params": {"code": code, "inputs": {"x": "${x}"}}, "batch": batch},
            {
                "id": "b",
                "type": "echo",
                "batch": {"items": "${a.results}", "executor": "sequential", "stream": stream},
            },
        ]
    }
    result = batchmill.run(document)
    assert not result.ok
    return sum(entry["node"] == "a" and entry.get("index") is not None for entry in result.errors)


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["alone", "streaming"])
@pytest.mark.parametrize("executor", ["sequential", "thread"])
@pytest.mark.parametrize(("tolerate", "most"), [({"count": 0}, 1), ({"count": 5}, 6), ({"percent": 1}, 11)])
def test_one_worker_stops_at_the_first_failure_too_many(
    stream: bool, executor: str, tolerate: dict[str, int], most: int
) -> None:
    assert {errors(tolerate, stream=stream, executor=executor) for _ in range(3)} == {most}


def test_a_worker_process_runs_hardly_more(isolating: str) -> None:
    """It may have begun the next chunk when the failure is counted, up to the first failure there."""
    assert 6 <= errors({"count": 5}, stream=False, executor=isolating) <= 7
