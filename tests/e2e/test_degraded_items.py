"""Items of a batched sub-workflow in which something failed: told, run again, never taken for whole."""

from __future__ import annotations

import json

import pytest

import batchmill
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader

INNER = {
    "inputs": {"n": {}},
    "nodes": [
        {
            "id": "i",
            "type": "shell",
            "params": {"command": "echo ${n}${k} >> ran; test ${k} = 0 || test -e fixed && echo ${n}${k}"},
            "batch": {"items": [0, 1], "as": "k", "error_handling": "continue"},
        }
    ],
    "outputs": {"ok": {"source": "${i.succeeded[*].stdout}"}},
}
ERROR_EDGE = {
    "inputs": {"n": {}},
    "nodes": [
        {"id": "try", "type": "shell", "params": {"command": "echo ${n} >> ran; test -e fixed && echo fine"}},
        {"id": "rescue", "type": "echo", "params": {"message": "rescued"}},
        {"id": "end", "type": "echo", "params": {"message": "${rescue.echo ?? try.stdout}"}},
    ],
    "edges": [
        {"from": "try", "to": "rescue", "action": "error"},
        {"from": "try", "to": "end"},
        {"from": "rescue", "to": "end"},
    ],
    "outputs": {"ok": {"source": "${end.echo}"}},
}


def outer(inner, **more):
    settings = {"items": ["a", "b"], **more.pop("batch", {})}
    params = {"inputs": {"n": "${item}"}, "workflow": inner}
    return {
        "nodes": [{"id": "w", "type": "workflow", "params": params, "batch": settings, **more}],
        "outputs": {"r": {"source": "${w.results[*].ok}"}},
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, document):
    (folder / "flow.json").write_text(json.dumps(document))
    return "flow.json"


def ran(folder):
    path = folder / "ran"
    lines = path.read_text().split() if path.exists() else []
    path.write_text("")
    return sorted(lines)


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_resume_failed_runs_them_again(folder, executor):
    name = write(folder, outer(INNER, batch={"executor": executor}))
    first = batchmill.run(name, journal="runs.sqlite")
    assert (first.status, first.outputs["r"]) == ("degraded", [["a0"], ["b0"]])
    assert first.nodes["w"]["degraded_count"] == 2
    ran(folder)
    (folder / "fixed").touch()
    again = batchmill.resume("last", journal="runs.sqlite", failed_only=True)
    assert (again.status, again.outputs["r"]) == ("success", [["a0", "a1"], ["b0", "b1"]])
    assert again.resumed["redone"] == 2
    assert again.errors == []
    assert "degraded_count" not in again.nodes["w"]
    assert ran(folder) == ["a1", "b1"]  # what had succeeded inside keeps its result


def test_an_error_edge_that_was_taken_inside_is_left_behind(folder):
    name = write(folder, outer(ERROR_EDGE))
    first = batchmill.run(name, journal="runs.sqlite")
    assert (first.status, first.outputs["r"]) == ("degraded", ["rescued", "rescued"])
    (folder / "fixed").touch()
    again = batchmill.resume("last", journal="runs.sqlite", failed_only=True)
    assert (again.status, again.outputs["r"]) == ("success", ["fine", "fine"])


def test_only_those_that_are_degraded_are_run_again(folder):
    inner = json.loads(json.dumps(INNER).replace("test ${k} = 0", "test ${k} = 0 || test ${n} = a"))
    name = write(folder, outer(inner))
    assert batchmill.run(name, journal="runs.sqlite").outputs["r"] == [["a0", "a1"], ["b0"]]
    ran(folder)
    (folder / "fixed").touch()
    again = batchmill.resume("last", journal="runs.sqlite", failed_only=True)
    assert (again.resumed["kept"], again.resumed["redone"]) == (1, 1)
    assert ran(folder) == ["b1"]


def test_workflows_within_workflows(folder):
    middle = {**outer(INNER), "outputs": {"ok": {"source": "${w.results[*].ok}"}}, "inputs": {"n": {}}}
    middle["nodes"][0]["batch"]["items"] = ["${n}x", "${n}y"]
    name = write(folder, outer(middle))
    first = batchmill.run(name, journal="runs.sqlite")
    assert first.status == "degraded"
    (folder / "fixed").touch()
    again = batchmill.resume("last", journal="runs.sqlite", failed_only=True)
    assert again.status == "success"
    assert again.outputs["r"][1] == [["bx0", "bx1"], ["by0", "by1"]]


def test_a_plain_resume_of_a_run_that_was_not_finished_keeps_what_has_a_result(folder):
    document = outer(INNER)
    document["nodes"].append({"id": "last", "type": "shell", "params": {"command": "test -e fixed"}})
    name = write(folder, document)
    assert batchmill.run(name, journal="runs.sqlite").status == "failed"
    ran(folder)
    (folder / "fixed").touch()
    again = batchmill.resume("last", journal="runs.sqlite")
    assert (again.status, again.outputs["r"]) == ("degraded", [["a0"], ["b0"]])
    assert ran(folder) == []


def test_a_cache_never_gives_one(folder):
    name = write(folder, outer(INNER, cache=True))
    assert batchmill.run(name, journal="runs.sqlite").status == "degraded"
    (folder / "fixed").touch()
    assert ran(folder) == ["a0", "a1", "b0", "b1"]
    second = batchmill.run(name, journal="runs.sqlite")
    assert (second.status, second.outputs["r"]) == ("success", [["a0", "a1"], ["b0", "b1"]])
    assert ran(folder) == ["a0", "a1", "b0", "b1"]
    assert batchmill.run(name, journal="runs.sqlite").status == "success"
    assert ran(folder) == []


def test_a_cache_finds_the_whole_result_behind_one_that_is_not(folder):
    name = write(folder, outer(INNER, cache=True))
    (folder / "fixed").touch()
    batchmill.run(name, journal="runs.sqlite")
    (folder / "fixed").unlink()
    write(folder, outer(INNER))  # without the cache: a later run, and a worse one
    assert batchmill.run(name, journal="runs.sqlite").status == "degraded"
    ran(folder)
    write(folder, outer(INNER, cache=True))
    assert batchmill.run(name, journal="runs.sqlite").status == "success"
    assert ran(folder) == []


def test_what_is_told_of_them(folder, batchmill_command):
    write(folder, outer(INNER))
    code, _, err = batchmill_command("run", "flow.json")
    assert code == 3
    assert "w: 2 ok (2 of them degraded)" in err
    assert "run failed items again with: batchmill resume" in err
    _, out, err = batchmill_command("resume")
    assert "is finished (degraded): nothing to do" in err
    assert "run failed items again with: batchmill resume" in err
    _, out, _ = batchmill_command("show")
    assert "w: 2 of 2 items done, 2 degraded" in out
    _, out, _ = batchmill_command("show", "--errors")
    assert [line.partition(": ")[0] for line in out.splitlines()] == ["w[0].i[1]", "w[1].i[1]"]
    _, out, _ = batchmill_command("show", "--errors", "--json")
    first, second = json.loads(out)
    assert (first["node"], first["index"], first["item"], first["within"]) == (
        "w[0].i", 1, 1, {"node": "w", "index": 0})  # fmt: skip
    assert first["error"]["message"]
    assert second["within"]["index"] == 1
    _, out, _ = batchmill_command("show", "--item", "0", "--json")
    assert json.loads(out)["state"] == "degraded"
    with Reader(Journal(".batchmill/runs.sqlite")) as reader:
        (visit,) = reader.visits(reader.run("last"))
    assert (visit.done, visit.failed, visit.degraded) == (2, 0, 2)
