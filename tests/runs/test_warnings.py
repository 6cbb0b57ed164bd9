"""Warnings of a run: those of its document and those that come up, in the result and on the bus, each once,
whichever executor ran the items and however often the run was resumed."""

from __future__ import annotations

import json

import pytest

import batchmill
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.nodes import Node, NodeResult
from batchmill.nodes.registry import Registry
from batchmill.warned import Warned


def told(result):
    return [(one["code"], one["node"], one["path"]) for one in result.warnings]


def flow(*nodes, **more):
    return {"nodes": list(nodes), **more}


def shell(name, command, **params):
    batch = params.pop("batch", None)
    node = {"id": name, "type": "shell", "params": {"command": command, **params}}
    return node if batch is None else {**node, "batch": batch}


CUT = "yes | head -c 100"


def test_those_of_the_document_are_in_the_result_and_on_the_bus():
    heard = []
    document = flow({"id": "a", "type": "echo"}, {"id": "b", "type": "echo"}, edges=[])
    result = batchmill.run(document, listeners=[heard.append])
    assert result.status == "success"
    (one,) = result.warnings
    assert one == {
        "code": "unreached-node",
        "message": "the node `b` never runs: no edge leads to it from `a`, where the run begins",
        "hint": "add an edge that leads to it, or lead from one first node to all that begin the run",
        "path": "$.nodes[1].id",
        "line": 0,
        "column": 0,
        "source": "",
        "node": "",
    }
    assert [event for event in heard if isinstance(event, Warned)] == [Warned(**one)]
    assert result.as_json()["warnings"] == [one]


def test_there_are_none_where_nothing_is_doubtful():
    assert batchmill.run(flow({"id": "a", "type": "echo"})).as_json()["warnings"] == []


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
def test_of_many_items_of_a_node_one_is_told_whichever_executor_runs_them(executor):
    batch = {"items": list(range(20)), "executor": executor}
    result = batchmill.run(flow(shell("cut", CUT, max_output_bytes=10, truncate=True, batch=batch)))
    (one,) = result.warnings
    assert (one["code"], one["path"]) == ("cut-short", "$.nodes[0]")
    assert one["node"].startswith("cut[")
    assert "beyond 10 bytes" in one["message"]


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_those_inside_items_come_up_too(executor):
    inner = flow(
        shell("cut", CUT, max_output_bytes=10, truncate=True),
        {"id": "none", "type": "echo", "batch": {"items": {"glob": "there-is-none/*"}}},
        inputs={"n": {"required": False}},
    )
    outer = {"id": "w", "type": "workflow", "params": {"workflow": inner}}
    result = batchmill.run(flow({**outer, "batch": {"items": [0, 1, 2], "executor": executor}}))
    assert result.status == "success"
    codes = sorted((one["code"], one["node"].split(".")[1]) for one in result.warnings)
    assert codes == [("cut-short", "cut"), ("no-items", "none")]
    single = batchmill.run(flow(outer))
    assert sorted((code, node) for code, node, _ in told(single)) == [
        ("cut-short", "w.cut"), ("no-items", "w.none")]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "message", "hint"),
    [
        ({"glob": "dta/*.csv"}, "no file matches `dta/*.csv`", "there is no folder `dta` in"),
        ({"glob": "*.{csv,tsv}"}, "no file matches", "braces are not expanded"),
        ({"glob": "*.tsv"}, "no file matches `*.tsv`", "patterns begin at"),
        ({"lines": "empty.txt"}, "nothing in the lines source `empty.txt`", ""),
        ({"jsonl": "${file}"}, "nothing in the jsonl source `empty.txt`", ""),
        ({"csv": "header.csv"}, "nothing in the csv source `header.csv`", ""),
        ({"range": ["${none}"]}, "nothing in the range source `[0]`", ""),
    ],
)
def test_a_source_without_items(tmp_path, monkeypatch, items, message, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "header.csv").write_text("a,b\n")
    inputs = {"none": {"default": 0}, "file": {"default": "empty.txt"}}
    document = flow({"id": "a", "type": "echo", "batch": {"items": items}}, inputs=inputs)
    result = batchmill.run(document)
    assert result.status == "success"
    (one,) = result.warnings
    assert (one["code"], one["node"], one["path"]) == ("no-items", "a", "$.nodes[0]")
    assert message in one["message"]
    assert hint in one["hint"]


def test_an_empty_list_of_another_node_is_no_warning_and_one_that_is_written_is_told_once():
    document = flow(
        {"id": "a", "type": "echo", "batch": {"items": "${none}"}}, inputs={"none": {"default": []}}
    )
    assert told(batchmill.run(document)) == []
    document = flow({"id": "a", "type": "echo", "batch": {"items": []}})
    assert told(batchmill.run(document)) == [("no-items", "", "$.nodes[0].batch.items")]


def test_a_folder_without_files(tmp_path):
    node = {"id": "a", "type": "list-files", "params": {"path": str(tmp_path), "pattern": "*.csv"}}
    result = batchmill.run(flow(node))
    assert told(result) == [("no-files", "a", "$.nodes[0]")]
    (tmp_path / "a.csv").write_text("")
    assert told(batchmill.run(flow(node))) == []


def test_an_action_that_no_edge_has(tmp_path):
    nodes = [
        {"id": "a", "type": "code", "params": {"code": "next = word", "inputs": {"word": "${word}"}}},
        {"id": "b", "type": "echo"},
    ]
    document = flow(*nodes, edges=[{"from": "a", "to": "b", "action": "big"}], inputs={"word": {}})
    assert told(batchmill.run(document, {"word": "big"})) == []
    result = batchmill.run(document, {"word": "bigg"})
    assert list(result.nodes) == ["a"]
    (one,) = result.warnings
    assert (one["code"], one["node"], one["path"]) == ("lost-action", "a", "$.nodes[0]")
    assert "the action `bigg`" in one["message"]
    assert one["hint"] == "did you mean `big`?"


def test_one_that_the_text_tells_is_not_told_again_by_the_run():
    nodes = [{"id": "a", "type": "code", "params": {"code": "next = 'bigg'"}}, {"id": "b", "type": "echo"}]
    result = batchmill.run(flow(*nodes, edges=[{"from": "a", "to": "b", "action": "big"}]))
    assert [code for code, _, _ in told(result)].count("lost-action") == 1


def test_a_resumed_run_tells_those_of_what_was_kept(tmp_path):
    path = tmp_path / "flow.json"
    batch = {"items": [1, 2], "error_handling": "continue"}
    flaky = {"id": "f", "type": "code", "params": {"code": "1 / (x - 1)", "inputs": {"x": "${item}"}}}
    document = flow(
        shell("cut", CUT, max_output_bytes=10, truncate=True, batch=batch), {**flaky, "batch": batch}
    )
    path.write_text(json.dumps(document))
    journal = tmp_path / "runs.sqlite"
    first = batchmill.run(path, journal=journal)
    assert first.status == "degraded"
    again = batchmill.resume("last", journal=journal, failed_only=True)
    assert again.resumed["kept"] == 3
    assert told(again) == told(first) == [("cut-short", "cut[0]", "$.nodes[0]")]
    untouched = batchmill.resume("last", journal=journal)
    assert untouched.untouched
    assert untouched.warnings == again.warnings


def test_a_node_type_of_ones_own_may_warn():
    class Doubtful(Node):
        type = "doubtful"
        summary = "warns"

        def run(self, params, attempt):
            attempt.warn("odd", "this is odd", "do otherwise")
            return NodeResult({})

    registry = Registry()
    registry.register(Doubtful)
    (one,) = batchmill.run(flow({"id": "a", "type": "doubtful"}), registry=registry).warnings
    assert (one["code"], one["message"], one["hint"], one["node"]) == (
        "odd",
        "this is odd",
        "do otherwise",
        "a",
    )


def test_secrets_are_not_in_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    node = {"id": "a", "type": "echo", "batch": {"items": {"glob": "${key}/*"}}}
    document = flow(node, inputs={"key": {"secret": True}})
    (one,) = batchmill.run(document, {"key": "swordfish-77"}).warnings
    assert "swordfish" not in json.dumps(one)
    assert "***" in one["message"]


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_of_many_items_that_run_a_workflow_few_report_the_same(executor, tmp_path):
    inner = flow(shell("cut", CUT, max_output_bytes=10, truncate=True))
    batch = {"items": list(range(50)), "executor": executor, "max_concurrent": 2}
    node = {"id": "w", "type": "workflow", "params": {"workflow": inner}, "batch": batch}
    result = batchmill.run(flow(node), journal=tmp_path / "runs.sqlite")
    assert [code for code, _, _ in told(result)] == ["cut-short"]
    with Reader(Journal(tmp_path / "runs.sqlite")) as reader:
        run = reader.run("last")
        recorded = [item for visit in reader.visits(run) for item in reader.items(visit) if item.records]
    assert 1 <= len(recorded) <= 2
    assert told(batchmill.resume("last", {}, journal=tmp_path / "runs.sqlite", failed_only=True)) == told(
        result
    )
