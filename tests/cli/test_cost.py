"""``batchmill cost``: the table, the JSON, and files that are no run."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

FLOW = {
    "prices": {"cheap": {"input": 0.15, "output": 0.6}},
    "nodes": [
        {
            "id": "ask",
            "type": "llm",
            "params": {"provider": "echo", "model": "cheap", "prompt": "Say ${item} and no more"},
            "batch": {"items": {"range": [0, 7]}, "executor": "process"},
        },
        {"id": "again", "type": "llm", "params": {"provider": "echo", "model": "free", "prompt": "once"}},
    ],
}


@pytest.fixture
def told(batchmill_command, tmp_path):
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    code, out, err = batchmill_command("run", "flow.json", "--json", "-q")
    assert code == 0, err
    (tmp_path / "run.json").write_text(out)
    return json.loads(out)


@pytest.mark.slow
def test_the_ledger_adds_up_to_the_calls(told, batchmill_command):
    shown = json.loads(batchmill_command("cost", "run.json", "--json")[1])
    calls = told["llm_calls"]
    assert [(entry["node"], entry["model"], entry["calls"]) for entry in shown["entries"]] == [
        ("ask", "cheap", 7),
        ("again", "free", 1),
    ]
    assert shown["total"]["input_tokens"] == sum(call["input_tokens"] for call in calls)
    costs = [Decimal(repr(call["cost"])) for call in calls if call["cost"] is not None]
    assert Decimal(repr(shown["total"]["cost"])) == sum(costs)


def test_the_table_has_a_row_for_each_node_and_model(told, batchmill_command):
    lines = batchmill_command("cost", "-", text=json.dumps(told))[1].splitlines()
    assert lines[0].split() == ["node", "model", "calls", "input", "cached", "output", "USD"]
    assert [line.split()[:3] for line in lines[1:3]] == [["ask", "cheap", "7"], ["again", "free", "1"]]
    assert lines[2].endswith("-")
    assert lines[3].split()[:2] == ["total", "8"]
    assert lines[4] == "1 without a price: give `prices` in the document"


def test_a_run_is_found_in_the_journal(told, batchmill_command):
    _, by_file, _ = batchmill_command("cost", "run.json", "--json")
    for name in ((), ("last",), (told["run"],), (told["run"][:5], "--journal", ".batchmill/runs.sqlite")):
        assert batchmill_command("cost", *name, "--json")[:2] == (0, by_file)
    code, _, err = batchmill_command("cost", "ffffffffff")
    assert code == 2
    assert "no run" in err


def test_calls_inside_sub_workflows_are_added_up_by_node(batchmill_command, tmp_path):
    ask = {"id": "ask", "type": "llm", "params": {"provider": "echo", "prompt": "Say ${word}"}}
    inner = {"inputs": {"word": {"type": "string"}}, "nodes": [ask]}
    params = {"workflow": inner, "inputs": {"word": "${item}"}}
    each = {"id": "each", "type": "workflow", "params": params, "batch": {"items": ["a", "b", "c"]}}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [each]}))
    assert batchmill_command("run", "flow.json", "-q")[0] == 0
    shown = json.loads(batchmill_command("cost", "--json")[1])
    assert [(entry["node"], entry["calls"]) for entry in shown["entries"]] == [("each.ask", 3)]


@pytest.mark.parametrize(
    ("text", "words"),
    [("not json", "is no JSON"), ("{}", "has no `llm_calls`"), ("[1]", "has no `llm_calls`")],
)
def test_what_is_no_run_is_said_to_be_none(text, words, batchmill_command):
    code, _, err = batchmill_command("cost", "-", text=text)
    assert code == 5
    assert words in err
    code, _, err = batchmill_command("cost", "missing.json")
    assert (code, "no journal" in err) == (5, True)


def test_a_run_without_calls_cost_nothing(batchmill_command):
    assert batchmill_command("cost", "-", text='{"llm_calls": []}')[1] == "no calls were recorded\n"
