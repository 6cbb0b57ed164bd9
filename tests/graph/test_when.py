"""Conditions of nodes and of items: what is skipped, how that shows, and what it means for the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import batchmill

EXECUTORS = pytest.mark.parametrize("executor", ["sequential", "thread", "process"])


def echo(name: str, message: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "echo", "params": {"message": message}, **more}


def run(*nodes: dict[str, Any], journal: Path | None = None, **outputs: str) -> batchmill.RunResult:
    sources = {name: {"source": source} for name, source in outputs.items()}
    return batchmill.run({"nodes": list(nodes), "outputs": sources}, journal=journal)


@EXECUTORS
def test_an_item_whose_condition_is_false_is_skipped(executor: str) -> None:
    batch = {"items": {"range": [5]}, "executor": executor}
    done = run(
        echo("a", "${item}", when="${item != 2 and __index__ < 4}", batch=batch),
        echo("b", "${item.echo}", batch={"items": "${a.succeeded}", "executor": executor}),
        results="${a.results}",
        counts="${a.count} ${a.success_count} ${a.skipped_count} ${a.error_count}",
        on="${b.results[*].echo}",
    )
    assert done.status == "success"
    found = done.outputs["results"]
    assert [one and one["item"] for one in found] == [0, 1, None, 3, None]
    assert done.outputs["counts"] == "5 3 2 0"
    assert done.outputs["on"] == ["0", "1", "3"]
    assert done.nodes["a"]["skipped_count"] == 2


@EXECUTORS
def test_where_leaves_items_out_before_they_are_counted(executor: str) -> None:
    batch = {"items": {"range": [9]}, "where": "${item in [1, 4, 7]}", "skip": 1, "executor": executor}
    done = run(echo("a", "${__index__}", batch=batch), results="${a.results}")
    assert [(one["echo"], one["item"]) for one in done.outputs["results"]] == [("0", 4), ("1", 7)]


@pytest.mark.parametrize("stream", [False, True])
def test_the_item_is_named_for_which_where_has_no_answer(stream: bool) -> None:
    source = {"id": "s", "type": "code", "params": {"code": "result = item", "inputs": {"item": "${item}"}}}
    batch = {"items": "${s.results}", "where": "${item.result > 1}", "stream": stream, "executor": "thread"}
    done = run({**source, "batch": {"items": [1, 2, "x"]}}, echo("a", "x", batch=batch))
    (error,) = done.errors
    assert error["type"] == "ConditionError"
    assert error["message"].startswith("batch.where of item 2 of the source: ")


def test_a_batch_of_which_every_item_is_skipped_is_a_success() -> None:
    batch = {"items": [1, 2], "error_handling": "continue"}
    done = run(echo("a", "x", when="${false}", batch=batch), results="${a.results}", n="${a.skipped_count}")
    assert (done.status, done.outputs) == ("success", {"results": [None, None], "n": 2})


@EXECUTORS
def test_a_batch_fails_if_every_item_that_ran_failed(executor: str) -> None:
    failing = {"id": "a", "type": "code", "params": {"code": "1 / n", "inputs": {"n": "${item}"}}}
    batch = {"items": [3, 0, 4, 0], "executor": executor, "error_handling": "continue"}
    done = run({**failing, "when": "${item == 0}", "batch": batch})
    assert (done.status, done.nodes["a"]["skipped_count"]) == ("failed", 2)
    assert run({**failing, "when": "${item < 4}", "batch": batch}).status == "degraded"


def test_a_node_whose_condition_is_false_is_skipped_and_the_run_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(
        echo("a", 0),
        {"id": "b", "type": "shell", "params": {"command": f"touch {log}"}, "when": "${a.echo == '1'}"},
        echo("c", "${b.stdout ?? 'nothing'}"),
        said="${c.echo}",
    )
    assert done.outputs["said"] == "nothing"
    assert (done.status, done.nodes["b"]["status"]) == ("success", "skipped")
    assert not log.exists()


def test_an_output_of_a_skipped_node_is_missed_by_its_reason() -> None:
    done = run(echo("a", 1, when="${false}"), echo("b", "${a.echo}"))
    assert done.status == "failed"
    assert "the node 'a' was skipped, as its `when` is false" in done.errors[0]["message"]


@pytest.mark.parametrize("value", [False, None, 0, 0.0, "", [], {}])
def test_what_is_false(value: Any) -> None:
    node = echo("b", "ran", when="${v}")
    document = {"inputs": {"v": {"default": value, "required": False}}, "nodes": [node]}
    assert batchmill.run(document, {"v": value}).nodes["b"]["status"] == "skipped"


@pytest.mark.parametrize("value", [True, 1, "no", "0", "false", [0], {"a": None}])
def test_what_is_true(value: Any) -> None:
    document = {"inputs": {"v": {}}, "nodes": [echo("b", "ran", when="${v}")]}
    assert batchmill.run(document, {"v": value}).nodes["b"]["status"] == "success"


def test_a_condition_that_cannot_be_resolved_fails_its_node_or_item() -> None:
    assert run(echo("a", 1), echo("b", 1, when="${a.echo.more}")).status == "failed"
    batch = {"items": [{"n": 1}, {}], "error_handling": "continue"}
    done = run(echo("a", 1, when="${item.n > 0}", batch=batch), results="${a.results}")
    assert done.status == "degraded"
    assert "has no key 'n'" in done.errors[0]["message"]


@pytest.mark.parametrize(
    ("node", "place"),
    [
        (echo("a", 1, when="${nobody}"), r"\$\.nodes\[0\]\.when"),
        (echo("a", 1, batch={"items": [1], "where": "${nobody}"}), r"\$\.nodes\[0\]\.batch\.where"),
    ],
)
def test_references_of_conditions_are_checked(node: dict[str, Any], place: str) -> None:
    with pytest.raises(batchmill.InvalidDocument, match=f"{place}.*`nobody`"):
        batchmill.run({"nodes": [node]})


def test_a_resumed_run_looks_at_the_condition_again_and_keeps_what_ran(tmp_path: Path) -> None:
    journal, flag = tmp_path / "runs.sqlite", tmp_path / "flag"
    code = f"import pathlib\nif n == 3 and not pathlib.Path({str(flag)!r}).exists(): 1 / 0\nresult = n"
    node = {
        "id": "a",
        "type": "code",
        "params": {"code": code, "inputs": {"n": "${item}"}},
        "when": "${item > 1}",
        "batch": {"items": {"range": [5]}, "error_handling": "continue"},
    }
    first = run(node, journal=journal, results="${a.results}")
    assert first.status == "degraded"
    flag.touch()
    again = batchmill.resume(first.run, journal=journal, failed_only=True)
    assert [one and one["result"] for one in again.outputs["results"]] == [None, None, 2, 3, 4]
    assert again.nodes["a"]["skipped_count"] == 2
    assert again.resumed is not None
    assert (again.resumed["kept"], again.resumed["redone"]) == (4, 1)


@pytest.mark.parametrize("when", ["${item > 0}", True, None])
def test_skipped_items_run_once_their_condition_is_true(tmp_path: Path, when: object) -> None:
    journal, path = tmp_path / "runs.sqlite", tmp_path / "d.json"
    node = echo("a", "${item}", batch={"items": {"range": [4]}})
    outputs = {"results": {"source": "${a.results[*].echo}"}}
    path.write_text(json.dumps({"nodes": [{**node, "when": "${item > 2}"}], "outputs": outputs}))
    first = batchmill.run(path, journal=journal)
    path.write_text(json.dumps({"nodes": [{**node, "when": when}], "outputs": outputs}))
    again = batchmill.resume(first.run, journal=journal)
    new = ["0"] if when != "${item > 0}" else []
    assert again.outputs["results"] == [*new, "1", "2", "3"]
    assert again.resumed is not None
    assert (again.resumed["kept"], again.resumed["redone"]) == (2 - len(new), 2 + len(new))


@pytest.mark.parametrize("when", [True, False])
def test_a_condition_may_be_true_or_false(when: bool) -> None:
    assert run(echo("a", "x", when=when)).nodes["a"]["status"] == ("success" if when else "skipped")


@pytest.mark.parametrize("executor", ["sequential", "thread"])
def test_a_resumed_run_gives_what_a_new_one_would_where_the_condition_has_changed(
    tmp_path: Path, executor: str
) -> None:
    journal, path, log = tmp_path / "runs.sqlite", tmp_path / "d.json", tmp_path / "log"
    code = f"with open({str(log)!r}, 'a') as file: file.write(f'{{n}} ')\nresult = n"
    batch = {"items": {"range": [4]}, "executor": executor, "max_concurrent": 1}
    node = {"id": "a", "type": "code", "params": {"code": code, "inputs": {"n": "${item}"}}, "batch": batch}
    outputs = {"results": {"source": "${a.results}"}, "skipped": {"source": "${a.skipped_count}"}}
    document = {"inputs": {"least": {"type": "integer", "default": 1}}, "outputs": outputs}
    path.write_text(json.dumps({**document, "nodes": [{**node, "when": "${item >= least}"}]}))
    first = batchmill.run(path, journal=journal)

    def resumed(least: int) -> list[Any]:
        again = batchmill.resume(first.run, {"least": least}, journal=journal)
        found = [one and one["result"] for one in again.outputs["results"]]
        assert again.outputs["skipped"] == found.count(None)
        return found

    assert resumed(3) == [None, None, None, 3]
    assert resumed(2) == [None, None, 2, 3]
    path.write_text(json.dumps({**document, "nodes": [{**node, "when": "${__index__ != 2}"}]}))
    again = batchmill.resume(first.run, journal=journal)
    assert [one and one["result"] for one in again.outputs["results"]] == [0, 1, None, 3]
    assert log.read_text() == "1 2 3 0 "  # no result is lost by being skipped for a while


def test_nothing_of_a_skipped_item_is_collected(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    batch = {"items": {"range": [4]}, "collect": {"jsonl": str(path)}}
    run(echo("a", "${item}", when="${item > 1}", batch=batch))
    assert [json.loads(line)["item"] for line in path.read_text().splitlines()] == [2, 3]


def test_a_stage_hands_skipped_items_on_like_failed_ones() -> None:
    done = run(
        echo("a", "${item}", when="${item != 1}", batch={"items": {"range": [3]}, "executor": "thread"}),
        echo("b", "${item.echo}", batch={"items": "${a.succeeded}", "stream": True, "executor": "thread"}),
        found="${b.results[*].echo}",
    )
    assert done.outputs["found"] == ["0", "2"]


def test_a_node_of_finally_may_have_a_condition() -> None:
    final = echo("tell", "it failed", when="${__run__.status == 'failed'}")
    done = batchmill.run({"nodes": [echo("a", 1)], "finally": [final]})
    assert (done.status, done.nodes["tell"]["status"]) == ("success", "skipped")
    failed = batchmill.run(
        {"nodes": [{"id": "a", "type": "shell", "params": {"command": "false"}}], "finally": [final]}
    )
    assert failed.nodes["tell"]["status"] == "success"
