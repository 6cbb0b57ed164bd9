"""``batchmill cost``: the table, the JSON, and files that are no run."""

from __future__ import annotations

import json
import subprocess
import sys
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


def batchmill(*arguments, folder, text=None):
    command = [sys.executable, "-m", "batchmill", *arguments]
    return subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, timeout=60)


@pytest.fixture
def told(tmp_path):
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    ran = batchmill("run", "flow.json", "--json", "-q", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (tmp_path / "run.json").write_text(ran.stdout)
    return json.loads(ran.stdout)


def test_the_ledger_adds_up_to_the_calls(told, tmp_path):
    shown = json.loads(batchmill("cost", "run.json", "--json", folder=tmp_path).stdout)
    calls = told["llm_calls"]
    assert [(entry["node"], entry["model"], entry["calls"]) for entry in shown["entries"]] == [
        ("ask", "cheap", 7),
        ("again", "free", 1),
    ]
    assert shown["total"]["input_tokens"] == sum(call["input_tokens"] for call in calls)
    costs = [Decimal(repr(call["cost"])) for call in calls if call["cost"] is not None]
    assert Decimal(repr(shown["total"]["cost"])) == sum(costs)


def test_the_table_has_a_row_for_each_node_and_model(told, tmp_path):
    lines = batchmill("cost", "-", folder=tmp_path, text=json.dumps(told)).stdout.splitlines()
    assert lines[0].split() == ["node", "model", "calls", "input", "cached", "output", "USD"]
    assert [line.split()[:3] for line in lines[1:3]] == [["ask", "cheap", "7"], ["again", "free", "1"]]
    assert lines[2].endswith("-")
    assert lines[3].split()[:2] == ["total", "8"]
    assert lines[4] == "1 without a price: give `prices` in the document"


def test_a_run_is_found_in_the_journal(told, tmp_path):
    by_file = batchmill("cost", "run.json", "--json", folder=tmp_path).stdout
    for name in ((), ("last",), (told["run"],), (told["run"][:5], "--journal", ".batchmill/runs.sqlite")):
        found = batchmill("cost", *name, "--json", folder=tmp_path)
        assert (found.returncode, found.stdout) == (0, by_file)
    missing = batchmill("cost", "ffffffffff", folder=tmp_path)
    assert missing.returncode == 2
    assert "no run" in missing.stderr


def test_calls_inside_sub_workflows_are_added_up_by_node(tmp_path):
    ask = {"id": "ask", "type": "llm", "params": {"provider": "echo", "prompt": "Say ${word}"}}
    inner = {"inputs": {"word": {"type": "string"}}, "nodes": [ask]}
    params = {"workflow": inner, "inputs": {"word": "${item}"}}
    each = {"id": "each", "type": "workflow", "params": params, "batch": {"items": ["a", "b", "c"]}}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [each]}))
    assert batchmill("run", "flow.json", "-q", folder=tmp_path).returncode == 0
    shown = json.loads(batchmill("cost", "--json", folder=tmp_path).stdout)
    assert [(entry["node"], entry["calls"]) for entry in shown["entries"]] == [("each.ask", 3)]


@pytest.mark.parametrize(
    ("text", "words"),
    [("not json", "is no JSON"), ("{}", "has no `llm_calls`"), ("[1]", "has no `llm_calls`")],
)
def test_what_is_no_run_is_said_to_be_none(text, words, tmp_path):
    ran = batchmill("cost", "-", folder=tmp_path, text=text)
    assert ran.returncode == 5
    assert words in ran.stderr
    missing = batchmill("cost", "missing.json", folder=tmp_path)
    assert (missing.returncode, "no journal" in missing.stderr) == (5, True)


def test_a_run_without_calls_cost_nothing(tmp_path):
    ran = batchmill("cost", "-", folder=tmp_path, text='{"llm_calls": []}')
    assert ran.stdout == "no calls were recorded\n"
