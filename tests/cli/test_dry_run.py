"""``batchmill resume --dry-run``: what would be run again, why and for how much; and nothing is run."""

from __future__ import annotations

import json
import sqlite3

import pytest

PRICES = {"m": {"input": 1000, "output": 1000}}


class Folder:
    def __init__(self, path, command):
        self.path, self.command = path, command

    def write(self, *nodes, **more):
        (self.path / "flow.json").write_text(json.dumps({"prices": PRICES, "nodes": list(nodes), **more}))

    def run(self):
        return self.command("run", "flow.json", "-q")[0]

    def lines(self, *arguments):
        code, out, _ = self.command("resume", "--dry-run", "last", *arguments)
        assert code == 0
        return out.splitlines()

    def told(self, *arguments):
        return json.loads(self.lines("--json", *arguments)[0])

    def content(self):
        """All that is in the journal."""
        connection = sqlite3.connect(self.path / ".batchmill" / "runs.sqlite")
        try:
            return list(connection.iterdump())
        finally:
            connection.close()


@pytest.fixture
def folder(tmp_path, batchmill_command):
    return Folder(tmp_path, batchmill_command)


def ask(items=("a", "b", "c"), name="ask", **params):
    asked = {"provider": "echo", "model": "m", "prompt": "say ${item}", **params}
    return {"id": name, "type": "llm", "params": asked, "batch": {"items": list(items)}}


def marked(path, name="mark", **more):
    """A node that leaves a line where it runs."""
    return {"id": name, "type": "shell", "params": {"command": f"echo ran >> {path}/effects"}, **more}


FAILS = {"id": "fails", "type": "shell", "params": {"command": "cat gate"}}


def test_nothing_is_run_and_nothing_is_written(folder, tmp_path):
    folder.write(ask(), marked(tmp_path), FAILS)
    assert folder.run() == 1
    before, effects = folder.content(), (tmp_path / "effects").read_text()
    folder.write(ask(items="abcd", model="n"), marked(tmp_path, "other"), marked(tmp_path), FAILS)
    folder.lines()
    assert (tmp_path / "effects").read_text() == effects
    assert folder.content() == before
    assert not list((tmp_path / ".batchmill").glob("*.calls/*"))


def test_it_says_what_would_run_why_and_for_how_much(folder, tmp_path):
    folder.write(ask(), ask(name="same"), ask(name="edited"), ask(name="removed"), FAILS)
    folder.run()
    folder.write(
        ask(["a", "x", "c", "d"]), ask(name="same", timeout=7), ask(name="edited", system="be short"), FAILS
    )
    assert folder.lines() == [
        "ask: 2 kept, 0 redone, 1 new, 1 changed, 0 gone; changed by its items "
        '(1 item, such as item 1: "x"); '
        "about 2 calls, 8 tokens, 0.008 USD",
        "same: 3 kept, 0 redone, 0 new, 0 changed, 0 gone",
        "edited: 0 kept, 0 redone, 0 new, 3 changed, 0 gone; changed by `system`; "
        "about 3 calls, 12 tokens, 0.012 USD",
        "fails: 0 kept, 1 redone, 0 new, 0 changed, 0 gone",
        "removed: 0 kept, 0 redone, 0 new, 0 changed, 3 gone",
        f"run {run_name(folder)}: 5 kept, 1 redone, 1 new, 4 changed, 3 gone; nothing was run",
        "to be paid: about 5 calls, 20 tokens, 0.02 USD",
        "spent until now: 12 calls, 48 tokens, 0.048 USD",
    ]


def run_name(folder):
    return json.loads(folder.command("runs", "--json")[1])[0]["run"]


def test_what_the_run_then_does_is_what_was_said(folder, tmp_path):
    folder.write(ask(), ask(name="same"), FAILS)
    folder.run()
    folder.write(ask(["b", "a", "x", "d"]), ask(name="same"), FAILS)
    (tmp_path / "gate").write_text("open")
    told = folder.told()
    code, out, _ = folder.command("resume", "last", "--json", "-q")
    assert code == 0
    assert {name: told["total"][name] for name in told["total"]} == {
        name: json.loads(out)["resumed"][name] for name in told["total"]
    }
    assert told["total"] == {"kept": 5, "redone": 1, "new": 1, "changed": 1, "gone": 0}


def test_what_refers_to_a_node_that_has_to_run_is_not_known(folder):
    first = {"id": "first", "type": "echo", "params": {"message": "a"}}
    after = ask(name="after", prompt="${first.echo} ${item}")
    beside = ask(name="beside")
    rows = {**ask(name="rows"), "batch": {"items": "${after.results}"}}
    folder.write(first, after, rows, beside, FAILS)
    folder.run()
    folder.write({**first, "params": {"message": "b"}}, after, rows, beside, FAILS)
    nodes = {node["node"]: node for node in folder.told()["nodes"]}
    assert nodes["first"]["changed_by"] == ["message"]
    assert (nodes["after"]["waits_for"], nodes["rows"]["waits_for"]) == ("first", "after")
    assert (nodes["beside"]["kept"], nodes["beside"]["estimate"]) == (3, None)
    assert "after: not known before `first` has run" in folder.lines()


def test_branches_loops_and_workflows(folder, tmp_path):
    inner = {
        "nodes": [{"id": "in", "type": "llm", "params": {"provider": "echo", "model": "m", "prompt": "in"}}]
    }
    loop = {"while": "${again.response}", "max_iterations": 2}
    again = {
        "id": "again",
        "type": "llm",
        "params": {"provider": "echo", "model": "m", "prompt": "x"},
        "loop": loop,
    }
    steps = [
        {"parallel": [ask(name="left"), ask(name="right")]},
        {"id": "sub", "type": "workflow", "params": {"workflow": inner}},
        again,
        FAILS,
    ]
    document = {"prices": PRICES, "pipeline": steps}
    (tmp_path / "flow.json").write_text(json.dumps(document))
    assert folder.run() == 1
    counts = {node["node"]: node["kept"] for node in folder.told()["nodes"]}
    assert counts == {"left": 3, "right": 3, "sub.in": 1, "again": 2, "fails": 0}
    inner["nodes"][0]["params"]["model"] = "n"
    (tmp_path / "flow.json").write_text(json.dumps(document))
    told = {node["node"]: (node["kept"], node["changed_by"]) for node in folder.told()["nodes"]}
    assert told["sub.in"] == (0, ["model"])


def test_only_what_had_failed(folder, tmp_path):
    node = ask()
    node["type"], node["params"] = "code", {"code": "result = 1 / (x != 'b')", "inputs": {"x": "${item}"}}
    folder.write(node)
    assert folder.run() == 1
    (told,) = folder.told("--failed")["nodes"]
    assert (told["kept"], told["redone"], told["left_out"]) == (1, 1, 1)
    (told,) = folder.told()["nodes"]
    assert (told["kept"], told["redone"], told["new"]) == (1, 1, 1)


def test_a_run_that_is_finished_would_do_nothing(folder):
    folder.write(ask())
    assert folder.run() == 0
    assert folder.lines() == [f"run {run_name(folder)} is finished: nothing would be done"]
    assert folder.told()["untouched"] is True


def test_a_source_that_is_gone_is_said(folder, tmp_path):
    (tmp_path / "names").write_text("a\nb\n")
    node = {**ask(), "batch": {"items": {"lines": "names"}}}
    folder.write(node, FAILS)
    folder.run()
    assert folder.told()["nodes"][0]["kept"] == 2
    (tmp_path / "names").unlink()
    assert "names" in folder.told()["nodes"][0]["fault"]


def test_inputs_may_be_given(folder):
    node = ask(prompt="say ${item} to ${who}")
    folder.write(node, FAILS, inputs={"who": {"type": "string", "default": "you"}})
    folder.run()
    assert folder.told()["nodes"][0]["kept"] == 3
    assert folder.told("who=me")["nodes"][0]["changed_by"] == ["prompt"]


def nested(items, inner=(1, 2, 3, 4), word="s", **batch):
    """A workflow for each item, whose second node has items of its own: those from 3 on need a gate."""
    fetch = {"id": "fetch", "type": "shell", "params": {"command": "echo ${it}; echo fetch >> log"}}
    command = f"echo {word}; echo score >> log; test ${{n}} -lt 3 || test -e gate"
    of = {"items": list(inner), "as": "n", "error_handling": "continue"}
    score = {"id": "score", "type": "shell", "params": {"command": command}, "batch": of}
    last = {"id": "last", "type": "shell", "params": {"command": "test -e gate && echo ${score.count}"}}
    inside = {"inputs": {"it": {}}, "nodes": [fetch, score, last]}
    params = {"workflow": inside, "inputs": {"it": "${item}"}}
    return {
        "id": "each",
        "type": "workflow",
        "params": params,
        "batch": {"items": list(items), "error_handling": "continue", **batch},
    }


def ran(path):
    return sorted((path / "log").read_text().split())


@pytest.mark.parametrize("executor", ["sequential", "process"])
def test_what_would_run_inside_of_items_is_named(folder, tmp_path, executor):
    folder.write(nested("ab", executor=executor))
    assert folder.run() == 1
    before = ran(tmp_path)
    files = sorted(one.name for one in (tmp_path / ".batchmill").rglob("*") if one.is_file())
    assert folder.lines()[:-1] == [
        "each: 0 kept, 2 redone, 0 new, 0 changed, 0 gone",
        "  each[0].fetch: 1 kept",
        "  each[0].score: 2 kept, 2 to run (items 2, 3)",
        "  each[0].last: not known before `each[0].score` has run",
        "  each[1].fetch: 1 kept",
        "  each[1].score: 2 kept, 2 to run (items 2, 3)",
        "  each[1].last: not known before `each[1].score` has run",
    ]
    assert ran(tmp_path) == before
    assert files == sorted(one.name for one in (tmp_path / ".batchmill").rglob("*") if one.is_file())
    (tmp_path / "gate").write_text("open")
    assert folder.command("resume", "last", "-q")[0] == 0
    assert ran(tmp_path) == sorted(before + ["score"] * 4)  # as was said


def test_only_the_first_items_and_inner_items_are_named(folder):
    folder.write(nested(range(7), range(1, 12)))
    folder.run()
    (each,) = folder.told()["nodes"]
    assert (each["redone"], each["items_inside"], each["first"]) == (7, 7, [0, 1, 2, 3, 4])
    assert [one["item"] for one in each["inside"]] == [0, 1, 2, 3, 4]
    fetch, score, last = each["inside"][0]["nodes"]
    assert (fetch["kept"], score["kept"], score["new"]) == (1, 2, 9)
    assert score["first"] == [2, 3, 4, 5, 6]
    assert last["waits_for"] == "each[0].score"
    lines = folder.lines()
    assert "  each[4].score: 2 kept, 9 to run (items 2, 3, 4, 5, 6 and 4 more)" in lines
    assert "  and 2 more unfinished items with saved work inside" in lines


def test_inside_of_an_item_it_is_told_what_has_changed(folder):
    folder.write(nested("a"))
    folder.run()
    folder.write(nested("a", word="t"))
    assert folder.lines()[:3] == [
        "each: 0 kept, 0 redone, 0 new, 1 changed, 0 gone; changed by the workflow inside",
        "  each[0].fetch: 1 kept",
        "  each[0].score: 2 to run, 2 changed (items 0, 1, 2, 3)",
    ]
    folder.write(nested("b"))
    assert folder.lines()[0].startswith("each: 0 kept, 0 redone, 0 new, 1 changed")
    assert not any(line.startswith("  ") for line in folder.lines())  # nothing is saved of this one


def test_it_looks_inside_of_items_inside_of_items(folder, tmp_path):
    inside = {"inputs": {"at": {}}, "nodes": [nested(["x ${at}", "y"]), FAILS]}
    outer = {"workflow": inside, "inputs": {"at": "${item}"}}
    folder.write({"id": "out", "type": "workflow", "params": outer, "batch": {"items": [1]}})
    folder.run()
    lines = folder.lines()
    assert lines[:3] == [
        "out: 0 kept, 1 redone, 0 new, 0 changed, 0 gone",
        "  out[0].each: 2 to run (items 0, 1)",
        "    out[0].each[0].fetch: 1 kept",
    ]
    assert "    out[0].each[1].score: 2 kept, 2 to run (items 2, 3)" in lines
