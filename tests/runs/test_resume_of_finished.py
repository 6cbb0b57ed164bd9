"""A run that has finished is gone on with where files, code or items have changed since, and only there."""

import json

import pytest

import batchmill
from batchmill.runs.rehearse import rehearse

READ = {"id": "read", "type": "read-file", "params": {"file_path": "data.txt"}}
ROWS = {
    "id": "rows",
    "type": "code",
    "params": {"code": "result = row['n']", "inputs": {"row": "${item}"}},
    "batch": {"items": {"csv": "rows.csv"}, "error_handling": "continue"},
}
WRITE = {"id": "write", "type": "write-file", "params": {"file_path": "out", "content": "${read.content}"}}
HELPED = {"id": "helped", "type": "code", "params": {"code": "import helper_of_a_run\nresult = 1"}}
ALL_KEPT = {"kept": 5, "redone": 0, "new": 0, "changed": 0, "gone": 0}
REDONE = ("redone", "new", "changed")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("one")
    (tmp_path / "rows.csv").write_text("n\n1\n2\n")
    (tmp_path / "helper_of_a_run.py").write_text("A = 1\n")
    return tmp_path


def begun(*nodes, **more):
    with open("flow.json", "w") as file:
        json.dump({"nodes": list(nodes), **more}, file)
    return batchmill.run("flow.json", journal="j.sqlite")


def gone_on_with():
    """A resumed run, and whether a rehearsal had said that there is something to do."""
    told = rehearse(journal="j.sqlite")
    run = batchmill.resume(journal="j.sqlite")
    assert told.untouched == run.untouched
    if not run.untouched:
        again = sum(told.counts.as_json()[one] for one in REDONE)
        assert again == sum(run.resumed[one] for one in REDONE)
    return run


def test_nothing_is_done_where_nothing_has_changed(here):
    begun(READ, ROWS, WRITE, HELPED)
    run = gone_on_with()
    assert (run.untouched, run.resumed) == (True, ALL_KEPT)


@pytest.mark.parametrize(
    ("change", "changed_by"),
    [
        (lambda here: (here / "data.txt").write_text("two"), {"read": ["the file data.txt"]}),
        (lambda here: (here / "rows.csv").write_text("n\n1\n2\n3\n"), {}),
        (lambda here: (here / "rows.csv").write_text("n\n1\n"), {}),
        (
            lambda here: (here / "rows.csv").write_text("n\n1\n7\n"),
            {"rows": ['its items (1 item, such as item 1: {"n":"7"})']},
        ),
        (lambda here: (here / "out").unlink(), {"write": ["the file out that it wrote, which is gone"]}),
        (
            lambda here: (here / "helper_of_a_run.py").write_text("A = 2\n"),
            {"helped": ["the module helper_of_a_run"]},
        ),
    ],
)
def test_what_has_changed_is_run_and_said(here, change, changed_by):
    begun(READ, ROWS, WRITE, HELPED)
    change(here)
    told = rehearse(journal="j.sqlite")
    run = batchmill.resume(journal="j.sqlite")
    assert (told.untouched, run.untouched, run.status) == (False, False, "success")
    assert {node: run.changed_by[node] for node in changed_by} == changed_by
    assert gone_on_with().untouched, "what was changed is done"


def test_failures_of_a_finished_run_are_no_reason(here):
    """Failed items wait for `--failed`, items that were called off with them too."""
    fails = {
        "id": "fails",
        "type": "code",
        "params": {"code": "1 / row", "inputs": {"row": "${item}"}},
        "batch": {"items": {"range": [9]}, "executor": "sequential"},
    }
    edges = [{"from": "fails", "to": "read"}, {"from": "fails", "to": "write", "action": "error"}]
    write = {**WRITE, "params": {"file_path": "out", "content": "x"}}
    run = begun(fails, READ, write, edges=edges)
    assert run.status == "degraded"
    assert gone_on_with().untouched
    broken = {**ROWS, "params": {"code": "result = 1 / int(row['n'])", "inputs": {"row": "${item}"}}}
    (here / "rows.csv").write_text("n\n1\n0\n")
    assert begun(broken).status == "degraded"
    assert gone_on_with().untouched
    (here / "rows.csv").write_text("n\n1\n0\n4\n")
    assert gone_on_with().resumed["new"] == 1


def test_how_a_batch_was_run_is_no_reason(here):
    told = {"id": "told", "type": "echo", "params": {"message": "${rows.batch_metadata.timing}"}}
    whole = {"id": "whole", "type": "code", "params": {"code": "result = 1", "inputs": {"rows": "${rows}"}}}
    begun(ROWS, told, whole)
    assert gone_on_with().untouched


def test_it_is_said_where_it_cannot_be_looked_at(here):
    secret = {"key": {"type": "string", "secret": True}}
    with open("flow.json", "w") as file:
        used = {"id": "used", "type": "echo", "params": {"message": "${key}"}}
        json.dump({"nodes": [READ, used], "inputs": secret}, file)
    batchmill.run("flow.json", {"key": "sk-0123456789"}, journal="j.sqlite")
    (here / "data.txt").write_text("two")
    run = batchmill.resume(journal="j.sqlite")
    assert run.untouched
    assert [one["code"] for one in run.warnings] == ["not-looked-at"]
    assert "give the secret inputs again: `key`" in run.warnings[0]["message"]
    run = batchmill.resume(None, {"key": "sk-0123456789"}, journal="j.sqlite")
    assert run.changed_by == {"read": ["the file data.txt"]}


def test_results_that_were_collected_are_written_again_where_the_file_is_gone(here):
    collect = {"csv": "out.csv", "errors": "bad.jsonl"}
    begun({**ROWS, "batch": {**ROWS["batch"], "collect": collect}})
    for name in ("out.csv", "bad.jsonl"):
        written = (here / name).read_bytes()
        (here / name).unlink()
        told = rehearse(journal="j.sqlite")
        assert [node.changed for node in told.nodes] == [[f"the file {name} that it wrote, which is gone"]]
        run = gone_on_with()
        assert (run.untouched, run.resumed["kept"], run.status) == (False, 2, "success")
        assert (here / name).read_bytes() == written
    assert gone_on_with().untouched


@pytest.mark.parametrize("depth", [1, 2])
def test_files_that_sub_workflows_of_items_read_count_for_their_items(here, depth):
    for name in ("a", "b", "c"):
        (here / name).write_text(name)
    read = {"id": "read", "type": "read-file", "params": {"file_path": "${__run__.folder}/${file}"}}
    # what an item writes for itself, and what depends on a node inside, is no reason to run it again
    write = {**WRITE, "params": {"file_path": "out-${file}", "content": "x"}}
    own = {"id": "own", "type": "read-file", "params": {"file_path": "out-${file}"}}
    then = {"id": "then", "type": "read-file", "params": {"file_path": "${write.file_path}"}}
    inner = {
        "inputs": {"file": {"type": "string"}},
        "nodes": [read, write, own, then],
        "outputs": {"text": {"source": "${read.content}"}},
    }
    for _ in range(depth - 1):
        node = {
            "id": "deep",
            "type": "workflow",
            "params": {"workflow": inner, "inputs": {"file": "${file}"}},
        }
        inner = {**inner, "nodes": [node], "outputs": {"text": {"source": "${deep.text}"}}}
    outer = {
        "id": "each",
        "type": "workflow",
        "params": {"workflow": inner, "inputs": {"file": "${item}"}},
        "batch": {"items": ["a", "b", "c"]},
        "cache": True,
    }
    outputs = {"texts": {"source": "${each.results[*].text}"}}
    assert begun(outer, outputs=outputs).outputs == {"texts": ["a", "b", "c"]}
    assert gone_on_with().untouched
    (here / "b").write_text("new")
    run = gone_on_with()
    assert run.outputs == {"texts": ["a", "new", "c"]}
    assert run.resumed == {"kept": 2, "redone": 0, "new": 0, "changed": 1, "gone": 0}
    assert "item 1: the file /" in run.changed_by["each"][0]
    (here / "c").write_text("newer")
    assert begun(outer, outputs=outputs).outputs == {"texts": ["a", "new", "newer"]}


def test_a_workflow_that_runs_itself_is_looked_into_once(here):
    down = {"id": "down", "type": "workflow", "params": {"workflow": "down.json", "inputs": {"n": "${n}"}}}
    read = {"id": "read", "type": "read-file", "params": {"file_path": "data.txt"}}
    inputs = {"n": {"type": "integer"}, "on": {"type": "boolean", "default": False}}
    inner = {"inputs": inputs, "nodes": [read, {**down, "when": "${on}"}]}
    (here / "down.json").write_text(json.dumps({**inner, "outputs": {"t": {"source": "${read.content}"}}}))
    begun({**down, "params": {**down["params"], "inputs": {"n": "${item}"}}, "batch": {"items": [1, 2]}})
    assert gone_on_with().untouched
    (here / "data.txt").write_text("two")
    assert gone_on_with().resumed["changed"] == 2
