"""``finally``: nodes that run at the end whatever happened, and what of it a document may say."""

import json

import pytest

import batchmill
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InvalidDocument
from batchmill.events import Finishing
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry
from batchmill.runs.run import run


def code(name, text, **more):
    inputs = more.pop("inputs", {})
    return {"id": name, "type": "code", "params": {"code": text, "inputs": inputs}, **more}


def note(name, value, **more):
    """A node that adds a line to the file ``log``."""
    text = "with open('log', 'a') as log: print(value, file=log)"
    return code(name, text, inputs={"value": value}, **more)


STATUS = "${__run__.status}"
WELL, FAILS = code("work", "result = 7"), code("work", "raise OSError('broken')")


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda: (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize(
    ("work", "status"),
    [
        (WELL, "success"),
        (FAILS, "failed"),
        (
            code("work", "result = 1 / x", inputs={"x": "${item}"}, batch={
                "items": [0, 1], "error_handling": "continue"}),
            "degraded",
        ),
    ],
)  # fmt: skip
def test_they_run_in_list_order_and_know_how_the_run_ended(log, executor, work, status):
    document = {"nodes": [work], "finally": [note("a", STATUS), note("b", f"then {STATUS}")]}
    result = run(document, executor=executor)
    assert log() == [status, f"then {status}"]
    assert result.status == status
    assert [result.nodes[name]["status"] for name in "ab"] == ["success", "success"]


def test_one_that_fails_leaves_the_others_running_and_degrades_the_run(log):
    finals = [code("a", "raise OSError('lost')"), note("b", '${a.result ?? "none"}')]
    document = {"nodes": [WELL], "finally": finals, "outputs": {"x": {"source": "${work.result}"}}}
    result = run(document)
    assert (result.status, result.outputs, log()) == ("degraded", {"x": 7}, ["none"])
    assert [entry["node"] for entry in result.errors] == ["a"]
    assert "lost" in result.errors[0]["message"]
    assert result.nodes["a"]["status"] == "failed"


def test_a_failed_run_stays_failed_and_its_own_errors_come_first(log):
    result = run({"nodes": [FAILS], "finally": [code("a", "raise OSError('lost')")]})
    assert result.status == "failed"
    assert [entry["node"] for entry in result.errors] == ["work", "a"]


def test_an_output_that_cannot_be_given_counts(log):
    document = {
        "nodes": [WELL],
        "finally": [note("a", STATUS)],
        "outputs": {"x": {"source": "${work.result.y}"}},
    }
    assert run(document).status == "failed"
    assert log() == ["failed"]


def test_the_outputs_without_declaration_are_not_theirs(log):
    assert run({"nodes": [WELL], "finally": [note("a", "x")]}).outputs["result"] == 7


def test_they_see_all_that_ran_in_branches(log):
    nodes = [code("a", "result = 1"), code("b", "result = 2"), code("c", "result = 3")]
    edges = [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]
    total = "${a.result ?? 0}${b.result ?? 0}${c.result ?? 0}"
    assert run({"nodes": nodes, "edges": edges, "finally": [note("z", total)]}).status == "success"
    assert log() == ["123"]


def test_a_pipeline_has_them_too(log):
    document = {
        "pipeline": [{"parallel": [WELL, code("b", "raise OSError('x')")]}],
        "finally": [note("z", STATUS)],
    }
    assert run(document).status == "failed"
    assert log() == ["failed"]


def test_batches_and_loops_are_nodes_like_others(log):
    batch = note("a", "${item}", batch={"items": ["${work.result ?? 0}", 8]})
    loop = code(
        "b",
        "result = n + 1",
        inputs={"n": 0},
        loop={"until": "${b.result > 2}", "carry": {"n": "${b.result}"}},
    )
    loop["loop"] = {"while": "${b.result ?? false}", "max_iterations": 3}
    result = run({"nodes": [WELL], "finally": [batch, loop]})
    assert (result.status, log()) == ("success", ["7", "8"])
    assert result.nodes["a"]["success_count"] == 2


@pytest.mark.parametrize("token", ["stop", "cancel"])
def test_they_run_when_the_run_is_ended(log, token):
    tokens = {"stop": CancelToken(), "cancel": CancelToken()}
    heard = []

    def listener(event):
        heard.append(event)
        if getattr(event, "node", "") == "work":
            tokens[token].cancel()

    later = note("later", "not run")
    document = {"nodes": [WELL, later], "finally": [note("a", STATUS), note("b", "2", timeout=30)]}
    result = run(document, listeners=[listener], **tokens)
    assert result.interrupted
    assert log() == ["interrupted", "2"]
    assert Finishing("interrupted", 2) in heard


def test_the_last_token_ends_them(log):
    last = CancelToken()
    finals = [
        note("a", STATUS),
        code("b", "import time\nfor _ in range(600): time.sleep(0.1)", timeout=60),
        note("c", "x"),
    ]

    def listener(event):
        if getattr(event, "node", "") == "b":
            last.cancel()

    result = run({"nodes": [WELL], "finally": finals}, listeners=[listener], last=last)
    assert log() == ["success"]
    assert result.status == "degraded"
    assert [one["node"] for one in result.warnings] == ["c"]
    assert "did not run" in result.warnings[0]["message"]


def test_a_budget_that_is_used_up_does_not_keep_them_from_running(log):
    ask = {"id": "ask", "type": "http", "params": {"url": "http://127.0.0.1:9/${item}"},
           "batch": {"items": [1, 2, 3], "error_handling": "continue"}}  # fmt: skip
    document = {"budget": {"requests": 1}, "nodes": [ask], "finally": [note("a", STATUS)]}
    result = run(document)
    assert result.limit is not None
    assert log() == ["interrupted"]


def test_those_of_a_workflow_inside_run_at_its_end(log):
    inner = {"nodes": [FAILS], "finally": [note("in", f"in {STATUS}")]}
    outer = {"id": "sub", "type": "workflow", "params": {"workflow": inner}}
    result = run({"nodes": [outer], "finally": [note("out", f"out {STATUS}")]})
    assert log() == ["in failed", "out failed"]
    assert result.nodes["sub.in"]["status"] == "success"


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_those_of_a_workflow_of_each_item_too(log, executor):
    inner = {"inputs": {"n": {}}, "nodes": [code("work", "result = 1 / n", inputs={"n": "${n}"})],
             "finally": [note("in", STATUS)]}  # fmt: skip
    outer = {"id": "sub", "type": "workflow", "params": {"workflow": inner, "inputs": {"n": "${item}"}},
             "batch": {"items": [0, 1], "error_handling": "continue"}}  # fmt: skip
    assert run({"nodes": [outer]}, executor=executor).status == "degraded"
    assert sorted(log()) == ["failed", "success"]


def test_they_run_again_when_the_run_is_resumed(log, tmp_path):
    work = code("work", "import os\nif not os.path.exists('ready'): raise OSError('not yet')")
    once = note("once", "once")
    inner = {"id": "sub", "type": "workflow", "params": {"workflow": {"nodes": [note("in", "inner")]}}}
    each = note("each", "${item}", batch={"items": [1]})
    (tmp_path / "d.json").write_text(
        json.dumps({"nodes": [once, work], "finally": [note("a", STATUS), inner, each]})
    )
    first = run("d.json", journal="j.sqlite")
    assert log() == ["once", "failed", "inner", "1"]
    (tmp_path / "ready").touch()
    second = batchmill.resume(first.run, journal="j.sqlite")
    assert second.status == "success"
    assert log()[4:] == ["success", "inner", "1"]
    batchmill.resume(first.run, journal="j.sqlite")
    assert len(log()) == 7, "a run that has finished is not run again"


def faults(document):
    with pytest.raises(InvalidDocument) as caught:
        check(load(document), default_registry())
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({"nodes": [WELL], "finally": [note("work", 1)]}, "$.finally[0].id", "already that of $.nodes[0]"),
        ({"nodes": [note("work", STATUS)]}, "$.nodes[0].params.inputs.value", "a run has no such value here"),
        (
            {"nodes": [note("work", "${z.result}")], "finally": [note("z", 1)]},
            "$.nodes[0].params.inputs.value",
            "very end",
        ),
        (
            {"nodes": [WELL], "finally": [note("y", "${z.result}"), note("z", 1)]},
            "$.finally[0].params.inputs.value",
            "in their order",
        ),
        (
            {"nodes": [WELL], "finally": [note("z", 1)], "outputs": {"z": {"source": "${z.result}"}}},
            "$.outputs.z.source",
            "very end",
        ),
        (
            {"nodes": [WELL], "finally": [note("z", 1)], "edges": [{"from": "work", "to": "z"}]},
            "$.edges[0].to",
            "no edge joins it",
        ),
        ({"nodes": [WELL], "finally": [note("z", 1)], "start_node": "z"}, "$.start_node", "cannot start"),
        ({"nodes": [WELL], "finally": [{"id": "z", "type": "cod"}]}, "$.finally[0].type", "no node type"),
        ({"nodes": [WELL], "finally": [note("z", 1, timeot=1)]}, "$.finally[0].timeot", "unknown key"),
        (
            {"nodes": [WELL], "finally": [note("z", "${nothing}")]},
            "$.finally[0].params.inputs.value",
            "neither a node",
        ),
        ({"nodes": [WELL], "finally": {"id": "z"}}, "$.finally", "must be a list"),
    ],
)
def test_what_a_document_cannot_say(document, path, words):
    found = faults(document)
    assert words in found[path]
    assert len(found) == 1


def test_what_may_not_be_there_is_a_warning_without_another_value():
    document = {
        "nodes": [WELL],
        "finally": [note("a", "${work.result}"), note("b", "${a.result} ${work.result ?? 1}")],
    }
    (warned,) = check(load(document), default_registry()).warnings
    assert (warned.code, warned.path) == ("untaken-branch", "$.finally[0].params.inputs.value")


def test_defaults_are_for_them_too():
    document = {"defaults": {"timeout": 3}, "nodes": [WELL], "finally": [note("a", 1)]}
    assert check(load(document), default_registry()).nodes["a"].spec.timeout == 3


def test_they_may_read_what_batches_have_written(log):
    each = code("each", "result = 1", batch={"items": [1, 2], "collect": {"jsonl": "rows.jsonl"}})
    read = {"id": "read", "type": "read-file", "params": {"file_path": "rows.jsonl"}}
    assert run({"nodes": [each], "finally": [read]}).status == "success"
