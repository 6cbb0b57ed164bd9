"""Measured runs, as their process makes them: here in this one."""

from __future__ import annotations

import pytest

from batchmill.bench.child import measure
from batchmill.bench.scratch import copied

ITEMS = {"type": "echo", "params": {"message": "${item}"}}
GREETING = {
    "nodes": [{"id": "g", **ITEMS, "batch": {"items": {"range": [20]}, "executor": "sequential"}}],
    "outputs": {"all": {"source": "${g.results[*].echo}"}},
}
NESTED = {
    "nodes": [
        {
            "id": "outer",
            "type": "workflow",
            "params": {"workflow": GREETING},
            "batch": {"items": [1, 2, 3], "executor": "sequential"},
        }
    ]
}


def request(document, *steps, restore=None):
    told = [{"limit": limit, "seconds": seconds} for limit, seconds in steps]
    return {
        "document": document, "values": {}, "text": {}, "executor": "sequential", "jobs": None, "steps": told,
        "restore": restore,
    }  # fmt: skip


def test_each_step_is_a_run_of_so_many_items():
    few, many = measure(request(GREETING, (5, None), (None, None)))["runs"]
    assert (len(few["walls"]), len(many["walls"])) == (5, 20)
    assert few["outputs"] != many["outputs"]
    assert (many["total"], many["stopped"], many["status"]) == (20, False, "success")
    assert (many["chosen"], many["workers"]) == ("sequential", 1)
    assert many["wall"] > 0
    assert many["cpu"] >= 0


def test_batches_inside_of_items_belong_to_the_items():
    (found,) = measure(request(NESTED, (None, None)))["runs"]
    assert (len(found["walls"]), found["total"]) == (3, 3)


def test_items_that_a_stopped_run_did_not_come_to_are_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text("x\n" * 5_000)
    code = {"type": "code", "params": {"code": "import time\ntime.sleep(0.02)\nresult = 1"}}
    first = {"id": "a", **code, "batch": {"items": {"lines": "lines.txt"}, "executor": "sequential"}}
    second = {**first, "id": "b", "batch": {"items": {"range": [7]}}}
    document = {"nodes": [first, second], "edges": [{"from": "a", "to": "b"}]}
    (found,) = measure(request(document, (None, 0.05)))["runs"]
    assert (found["total"], found["batches"], found["largest"]) == (5_007, 2, 5_000)
    later = {**second, "batch": {"items": "${a.results}"}}
    (found,) = measure(request({**document, "nodes": [first, later]}, (None, 0.05)))["runs"]
    assert found["total"] is None


def test_a_run_that_is_stopped_says_so_with_the_items_there_are():
    code = {"type": "code", "params": {"code": "import time\ntime.sleep(0.02)\nresult = 1"}}
    batch = {"items": {"range": [100_000]}, "executor": "sequential"}
    (found,) = measure(request({"nodes": [{"id": "c", **code, "batch": batch}]}, (None, 0.05)))["runs"]
    assert found["stopped"]
    assert found["total"] == 100_000
    assert len(found["walls"]) < 100_000


def test_a_document_that_cannot_run_is_a_fault():
    assert "ehco" in measure(request({"nodes": [{"id": "a", "type": "ehco"}]}, (None, None)))["fault"]


def test_each_run_begins_with_the_same_files(tmp_path, monkeypatch):
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    (original / "log").write_text("before\n")
    copied(original, copy)
    monkeypatch.chdir(copy)
    append = {"type": "shell", "params": {"command": "echo now >> log; cat log; ls; echo > left-behind"}}
    document = {"nodes": [{"id": "s", **append}], "outputs": {"log": {"source": "${s.stdout}"}}}
    first, second, third = measure(
        request(document, (None, None), (None, None), (None, None), restore=str(original))
    )["runs"]
    assert first["outputs"] == second["outputs"] == third["outputs"]
    assert (copy / "log").read_text() == "before\nnow\n"


@pytest.mark.parametrize("limit", [1, 7])
def test_a_limit_holds_for_the_batches_of_a_document(limit):
    (found,) = measure(request(GREETING, (limit, None)))["runs"]
    assert len(found["walls"]) == limit
