"""Documents whose results are dropped, written to a file, or too many to be held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidDocument
from batchmill.lists import LazyList

CLUSTER = pytest.param("dask", marks=pytest.mark.on_cluster)
EXECUTORS = ("sequential", "thread", "process", CLUSTER)


def doubled(count: int, **batch: Any) -> dict[str, Any]:
    """A node that doubles numbers and fails at 13."""
    code = "result = n * 2 if n != 13 else 1 // 0"
    return {
        "id": "double",
        "type": "code",
        "params": {"code": code, "inputs": {"n": "${item}"}},
        "batch": {"items": {"range": [count]}, "error_handling": "continue", **batch},
    }


@pytest.mark.parametrize("executor", EXECUTORS)
def test_dropped_results_are_counted(executor: str) -> None:
    run = batchmill.run({"nodes": [doubled(200, executor=executor, collect="none")]})
    assert run.status == "degraded"
    assert (run.outputs["count"], run.outputs["success_count"], run.outputs["error_count"]) == (200, 199, 1)
    assert [error["index"] for error in run.outputs["errors"]] == [13]
    assert "results" not in run.outputs
    assert "succeeded" not in run.outputs


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.first_quick
def test_results_in_a_file_are_the_same_and_in_order(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    kept = batchmill.run({"nodes": [doubled(3000, executor=executor)]}).outputs
    written = batchmill.run(
        {
            "inputs": {"to": {}, "no": {}},
            "nodes": [doubled(3000, executor=executor, collect={"jsonl": "${to}", "errors": "${no}"})],
            "outputs": {
                "path": {"source": "${double.results_path}"},
                "no": {"source": "${double.errors_path}"},
            },
        },
        {"to": str(path), "no": str(tmp_path / "no.jsonl")},
    )
    assert written.outputs == {"path": str(path), "no": str(tmp_path / "no.jsonl")}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    del kept["results"][13]
    assert lines == kept["results"]
    (failed,) = map(json.loads, (tmp_path / "no.jsonl").read_text().splitlines())
    assert {**failed, "traceback": ""} == {**kept["errors"][0], "traceback": ""}


@pytest.mark.parametrize(
    ("collect", "words"),
    [("none", "remove `collect`"), ({"jsonl": "out"}, "they are in the file `${double.results_path}`")],
)
def test_results_that_are_not_kept_cannot_be_referred_to(collect: Any, words: str) -> None:
    nodes = [
        doubled(3, collect=collect),
        {"id": "b", "type": "echo", "params": {"message": "${double.results}"}},
    ]
    outputs = {"n": {"source": "${double.count}"}, "x": {"source": "${double.succeeded[0].result}"}}
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run({"nodes": nodes, "outputs": outputs})
    assert sorted(problem.path for problem in caught.value.problems) == [
        "$.nodes[1].params.message",
        "$.outputs.x.source",
    ]
    for problem in caught.value.problems:
        assert "`double` does not keep its results" in problem.message
        assert words in problem.hint


def test_the_path_of_results_is_checked() -> None:
    with pytest.raises(InvalidDocument, match=r"collect.jsonl.*`nowhere`"):
        batchmill.run({"nodes": [doubled(3, collect={"jsonl": "${nowhere}"})]})
    with pytest.raises(InvalidDocument, match="collect"):
        batchmill.run({"nodes": [doubled(3, collect={"jsonl": " "})]})
    run = batchmill.run({"nodes": [doubled(3, collect={"jsonl": "/proc/nowhere/x"})]})
    assert run.status == "failed"
    assert run.environment


COUNT = 12_345


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    """A batch whose results are not held, and all that can be made of them."""
    sources = {
        "results": "${double.results}",
        "one": "${double.results[5].result}",
        "last": "${double.results[-1].item}",
        "every": "${double.results[*].result}",
        "sum": "${double.results[*].result | sum}",
        "count": "${double.succeeded | count}",
        "ends": "${double.succeeded | last}",
        "chained": "${chained.results[*].result | max}",
        "looked_up": "${looked_up.results[*].result}",
        "whole": "${whole.result}",
        "node": "${double}",
    }
    nodes = [
        doubled(COUNT, executor="thread"),
        {
            "id": "chained",
            "type": "code",
            "params": {"code": "result = n + 1", "inputs": {"n": "${item.result}"}},
            "batch": {"items": "${double.succeeded}", "executor": "process", "max_concurrent": 2},
        },
        {
            "id": "looked_up",
            "type": "code",
            "params": {"code": "result = n", "inputs": {"n": "${double.results[${item}].result}"}},
            "batch": {"items": [0, 4000, 12344, -1], "executor": "process", "max_concurrent": 2},
        },
        {
            "id": "whole",
            "type": "code",
            "params": {
                "code": "result = [type(a).__name__, len(a), a[2]['result'], type(b).__name__]",
                "inputs": {"a": "${double.results}", "b": "${double.succeeded[*].result}"},
            },
        },
    ]
    outputs = {name: {"source": source} for name, source in sources.items()}
    return dict(batchmill.run({"nodes": nodes, "outputs": outputs}).outputs)


@pytest.mark.slow
def test_large_results_read_like_a_list(large: dict[str, Any]) -> None:
    expected = [None if n == 13 else 2 * n for n in range(COUNT)]
    assert isinstance(large["results"], LazyList)
    assert len(large["results"]) == COUNT
    assert [one and one["result"] for one in large["results"]] == expected
    assert isinstance(large["every"], LazyList)
    assert large["every"] == [one for one in expected if one is not None]
    assert (large["one"], large["last"]) == (10, COUNT - 1)
    assert large["sum"] == sum(one for one in expected if one is not None)
    assert large["count"] == COUNT - 1
    assert large["ends"]["item"] == COUNT - 1


@pytest.mark.slow
def test_large_results_go_on_to_other_nodes(large: dict[str, Any]) -> None:
    assert large["chained"] == 2 * COUNT - 1
    assert large["looked_up"] == [0, 8000, 24688, 24688]
    assert large["whole"] == ["list", COUNT, 4, "list"]
    assert len(large["node"]["succeeded"]) == COUNT - 1


@pytest.mark.slow
def test_many_errors_are_all_there() -> None:
    node = doubled(COUNT)
    node["params"]["code"] = "result = 1 // (n % 2)"
    run = batchmill.run({"nodes": [node]})
    assert run.outputs["error_count"] == len(run.errors) == len(run.outputs["errors"]) == COUNT // 2 + 1
    assert run.errors[-1] == {"node": "double", **run.outputs["errors"][-1]}
    assert [error["index"] for error in run.errors] == list(range(0, COUNT, 2))
    assert json.loads(json.dumps(run.as_json()))["errors"] == list(run.errors)


def test_what_ran_before_a_source_broke_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n13\n3\n{\n")
    node = doubled(0, items={"jsonl": str(path)})
    run = batchmill.run({"nodes": [node]})
    assert run.status == "failed"
    assert run.environment
    assert [one and one["result"] for one in run.outputs["results"]] == [2, None, 6]
    assert run.outputs["count"] == 3
    assert "line 4: not JSON" in run.outputs["error"]
    assert [error["type"] for error in run.errors] == ["ZeroDivisionError", "StorageError"]


def test_results_that_nobody_keeps_can_be_streamed_on() -> None:
    nodes = [
        doubled(500, executor="thread", collect="none"),
        {
            "id": "next",
            "type": "code",
            "params": {"code": "result = n + 1", "inputs": {"n": "${item.result}"}},
            "batch": {"items": "${double.succeeded}", "stream": True, "executor": "thread"},
        },
    ]
    run = batchmill.run({"nodes": nodes, "outputs": {"n": {"source": "${next.results[*].result}"}}})
    assert run.outputs["n"] == [2 * n + 1 for n in range(500) if n != 13]
