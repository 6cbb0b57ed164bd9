"""What a journal tells of a run, and that nothing else is told."""

from __future__ import annotations

import json

import pytest

from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.record.ledger import ledger
from batchmill.report.aggregate import report_of
from batchmill.report.of_journal import facts_of

FLOW = {
    "inputs": {"upto": {"type": "integer", "default": 6}, "token": {"type": "string", "secret": True}},
    "prices": {"small": {"input": 1, "output": 2}},
    "nodes": [
        {"id": "hello", "type": "echo", "params": {"message": "hi"}},
        {
            "id": "half",
            "type": "code",
            "params": {
                "code": "if n > 3:\n    raise ValueError(f'broken {n}')\nresult = n / 2",
                "inputs": {"n": "${n}"},
            },
            "batch": {"items": {"range": ["${upto}"]}, "as": "n", "error_handling": "continue"},
        },
        {
            "id": "flaky",
            "type": "shell",
            "params": {"command": "test -e again-${n} || { touch again-${n}; echo lost >&2; exit 3; }"},
            "batch": {
                "items": {"range": [3]}, "as": "n", "max_retries": 2, "retry_wait": 0, "executor": "thread",
            },
        },
        {
            "id": "command",
            "type": "shell",
            "params": {"command": "echo out ${n}; echo ${token} >&2; exit ${n}"},
            "batch": {"items": {"range": [0, 3]}, "as": "n", "error_handling": "continue"},
        },
        {
            "id": "ask",
            "type": "llm",
            "params": {"provider": "echo", "model": "small", "prompt": "say ${n}"},
            "batch": {"items": {"range": [3]}, "as": "n"},
        },
    ],
}  # fmt: skip


@pytest.fixture
def run(batchmill_command, tmp_path):
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    code, out, err = batchmill_command("run", "flow.json", "token=hush-hush", "--json", "-q")
    assert code == 3, err
    return json.loads(out)


@pytest.fixture
def reader(run, tmp_path):
    with Reader(Journal(tmp_path / ".batchmill" / "runs.sqlite")) as opened:
        yield opened


def test_counts_are_those_of_the_result(run, reader):
    report = report_of(facts_of(reader, reader.run("last")))
    assert (report.run.name, report.run.status) == (run["run"], "degraded")
    assert report.run.wall == pytest.approx(run["timing"]["wall"], abs=0.01)
    for node in report.nodes:
        told = run["nodes"][node.id]
        assert (node.type, node.status) == (told["type"], told["status"])
        if node.batch:
            assert (node.items, node.executor) == (told["count"], told["executor"])
            failed = sum(node.counts.get(state, 0) for state in ("failed", "timeout", "died"))
            assert failed == told["error_count"]
    assert [node.id for node in report.nodes] == ["hello", "half", "flaky", "command", "ask"]
    assert report.failed == len(run["errors"]) == report.failures.total
    assert report.retries.saved == report.counts["retried"] == 3
    assert (report.edges[0].source, report.edges[0].target) == ("hello", "half")
    assert [one.ended for one in report.passes] == ["finished"]


def test_failures_have_what_the_journal_has_of_them(reader):
    report = report_of(facts_of(reader, reader.run("last")))
    groups = {(group.node, group.examples[0].exit_code): group for group in report.failures.groups}
    broken = groups["half", None]
    assert (broken.pattern, broken.count, broken.examples[0].input) == ("broken …", 2, "4")
    assert "ValueError: broken 4" in broken.examples[0].traceback
    (example,) = groups["command", 2].examples
    assert (example.stdout.strip(), example.exit_code) == ("out 2", 2)
    assert "hush-hush" not in json.dumps(report.as_json())


def test_calls_add_up_to_the_ledger(reader):
    record = reader.run("last")
    (entry,) = ledger(call for _, call in reader.calls(record))
    report = report_of(facts_of(reader, record))
    (told,) = report.calls
    assert (told.node, told.model, told.calls, told.cost) == ("ask", "small", entry.calls, float(entry.cost))
    assert sum(one.cost for one in report.dearest) == pytest.approx(told.cost)


def test_what_the_journal_does_not_have_is_not_told(reader):
    facts = facts_of(reader, reader.run("last"))
    rows = list(facts.rows())
    assert {(row.start, row.slot, row.cpu, row.rss, row.bytes_out, row.command) for row in rows} == {
        (None,) * 6
    }
    assert all(call.at is None for call in facts.calls())
    report = report_of(facts)
    assert (report.series.nodes, report.lanes, report.advice, report.shares.capacity) == ([], [], [], 0.0)
    assert report.missing.keys() == {"time", "timeline", "resources"}
    assert all(visit.wall > 0 for node in report.nodes for visit in node.visits)


def test_a_run_resumed_has_its_passes(run, reader, batchmill_command):
    assert batchmill_command("resume", "last", "--failed", "token=hush-hush", "-q")[0] == 3
    report = report_of(facts_of(reader, reader.run("last")))
    assert [one.ended for one in report.passes] == ["finished", "finished"]
    assert report.passes[1].at == report.passes[0].wall
    assert report.run.wall == sum(one.wall for one in report.passes)
    assert report.failed == len(run["errors"])
    assert report.passes[0].kept is None
    # those that failed, and the one whose result held the secret and so is in no journal
    assert (report.passes[1].redone, report.passes[1].kept) == (len(run["errors"]) + 1, 11)
    assert "2 passes" in report.told["head"][1]


def told_of(document, batchmill_command, tmp_path, code):
    (tmp_path / "flow.json").write_text(json.dumps(document))
    assert batchmill_command("run", "flow.json", "-q")[0] == code
    with Reader(Journal(tmp_path / ".batchmill" / "runs.sqlite")) as reader:
        facts = facts_of(reader, reader.run("last"))
        return report_of(facts), list(facts.rows())


def test_a_run_that_failed_and_nodes_that_never_ran(batchmill_command, tmp_path):
    nodes = [{"id": "no", "type": "shell", "params": {"command": "exit 4"}}, {"id": "after", "type": "echo"}]
    report, _ = told_of({"nodes": nodes}, batchmill_command, tmp_path, 1)
    (node,) = report.nodes
    assert (node.id, node.status, node.batch) == ("no", "failed", False)
    (example,) = report.failures.groups[0].examples
    assert (example.place, example.exit_code) == ("no", 4)
    assert report.run.resume == f"batchmill resume {report.run.name}"
    assert report.told["head"][0] == "1 node, 1 failed."


def test_a_batch_in_a_loop_is_counted_in_every_round(batchmill_command, tmp_path):
    nodes = [
        {
            "id": "each",
            "type": "code",
            "params": {"code": "assert n\nresult = n", "inputs": {"n": "${n}"}},
            "batch": {"items": {"range": [3]}, "as": "n", "error_handling": "continue"},
        },
        {
            "id": "next",
            "type": "code",
            "params": {
                "code": "import os\nif not os.path.exists('x'):\n    os.mkdir('x')\n    next = 'again'"
            },
        },
    ]
    edges = [{"from": "each", "to": "next"}, {"from": "next", "to": "each", "action": "again"}]
    report, rows = told_of({"nodes": nodes, "edges": edges}, batchmill_command, tmp_path, 3)
    each, after = report.nodes
    assert (each.total, each.counts) == (6, {"failed": 2, "ok": 4})
    assert len(each.visits) == len(after.visits) == 2
    assert [(row.index, row.place) for row in rows if row.failed] == [
        (0, "each, turn 1, item 0"),
        (3, "each, turn 2, item 0"),
    ]
    assert [row.place for row in rows if row.node == "next"] == ["next, turn 1", "next, turn 2"]
    commands = {one.text for group in report.failures.groups for ex in group.examples for one in ex.commands}
    assert f"batchmill show {report.run.name} --errors --node each" in commands
