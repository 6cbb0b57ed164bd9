"""What a journal tells of a run, and that nothing else is told."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import batchmill
from batchmill.journal.database import APPLICATION_ID
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.record.ledger import ledger
from batchmill.report import joblog, otlp, tsv
from batchmill.report.aggregate import report_of
from batchmill.report.of_journal import facts_of
from batchmill.report.parts import SHARE_FIELDS
from batchmill.report.plain import Plain
from batchmill.report.run_time import ROUNDING
from batchmill.runs import heartbeat

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
    assert {(row.rss, row.command) for row in rows} == {(None, None)}
    assert {row.node for row in rows if row.bytes_out is not None} == {"flaky", "command"}
    assert not report_of(facts).missing


def test_a_journal_of_the_first_format_has_no_times(tmp_path):
    text = (Path(__file__).parents[1] / "journal" / "format_1.sql").read_text()
    path = tmp_path / "runs.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(text.replace("{folder}", str(tmp_path)))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Reader(Journal(path)) as reader:
        facts = facts_of(reader, reader.run("last"))
        rows = list(facts.rows())
        assert rows
        assert {(row.start, row.slot, row.tried) for row in rows} == {(None, None, ())}
        report = report_of(facts)
    assert (report.lanes, report.advice, report.shares.capacity) == ([], [], 0.0)
    assert report.missing.keys() == {"time", "timeline", "resources"}


def attempts(row):
    """When it began, its seconds and its slot, of each attempt."""
    if not row.tried:
        return [(row.start, row.wall, row.slot)]
    return [(one.at, one.wall, row.slot if one.slot is None else one.slot) for one in row.tried]


def check_times(facts, rows):
    """Every attempt is told, lies within a visit of its node, and has its slot for itself."""
    visits = {node.id: node.visits for node in facts.nodes}
    slots = {}
    for row in rows:
        made = attempts(row)
        assert len(made) == row.attempts
        assert row.start == made[0][0]
        assert row.start + row.wall == pytest.approx(made[-1][0] + made[-1][1], abs=1e-6)
        for at, wall, slot in made:
            slots.setdefault((row.node, slot), []).append((at, at + wall))
            (visit,) = [one for one in visits[row.node] if one.at <= at <= one.at + one.wall]
            assert at + wall <= visit.at + visit.wall + 0.001
            assert 0 <= slot < visit.slots
    for own in slots.values():
        own.sort()
        for before, after in pairwise(own):
            assert before[1] <= after[0] + ROUNDING
    for node in report_of(facts).nodes:
        if node.shares is not None and node.visits:
            parts = sum(getattr(node.shares, name) for name in SHARE_FIELDS[1:])
            assert parts == pytest.approx(node.shares.capacity)
            assert node.shares.capacity > 0


def test_every_item_has_its_time_and_its_slot(reader):
    facts = facts_of(reader, reader.run("last"))
    rows = list(facts.rows())
    check_times(facts, rows)
    for row in rows:
        if row.node == "flaky":
            first, last = row.tried
            assert (first.kind, "exit" in first.message, last.error) == ("error_result", True, "")
            assert last.paused >= 0
        elif row.failed:
            (only,) = row.tried
            assert (only.error, only.message, only.kind) == (row.error, row.message, row.kind)


WAITS = "import time; time.sleep(0.002 * (n % 3)); result = n"
LIMITED = {"retry_wait": 0, "max_retries": 2, "rate_limit": {"per_second": 60}, "max_concurrent": 3}


@pytest.mark.parametrize(
    ("kind", "batch"),
    [
        ("code", {"executor": "sequential"}),
        ("code", {"executor": "thread", "max_concurrent": 3}),
        ("code", {"executor": "process", "max_concurrent": 2}),
        ("code", {"executor": "auto"}),
        ("flaky", {"executor": "thread", "max_concurrent": 3, "max_retries": 2, "retry_wait": 0.01}),
        ("flaky", {"executor": "thread", **LIMITED}),
        ("flaky", {"executor": "process", **LIMITED}),
    ],
)
@pytest.mark.first_quick
def test_so_it_has_on_every_executor(kind, batch, batchmill_command, tmp_path):
    nodes = {
        "code": {"type": "code", "params": {"code": WAITS, "inputs": {"n": "${n}"}}},
        "flaky": FLOW["nodes"][2],
    }
    node = {**nodes[kind], "id": "each", "batch": {"items": {"range": [12]}, "as": "n", **batch}}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [node]}))
    code, _, err = batchmill_command("run", "flow.json", "-q")
    assert code == 0, err
    with Reader(Journal(tmp_path / ".batchmill" / "runs.sqlite")) as reader:
        facts = facts_of(reader, reader.run("last"))
        rows = list(facts.rows())
        assert [row.attempts for row in rows] == [2 if kind == "flaky" else 1] * 12
        check_times(facts, rows)


def test_a_run_that_was_killed_has_its_times_too(run, reader, tmp_path):
    before = list(facts_of(reader, reader.run("last")).rows())
    connection = sqlite3.connect(tmp_path / ".batchmill" / "runs.sqlite")
    connection.execute("DELETE FROM event WHERE kind IN ('RunFinished', 'NodeFinished')")
    connection.execute("UPDATE run SET status = 'running'")  # its process is gone
    connection.commit()
    connection.close()
    facts = facts_of(reader, reader.run("last"))
    rows = list(facts.rows())
    assert rows == before
    (only,) = facts.passes
    assert (only.ended, only.at_least) == ("killed", True)
    assert only.wall >= max(row.start + row.wall for row in rows) - 1e-6
    check_times(facts, rows)


def test_what_an_earlier_pass_did_keeps_its_time(run, reader, batchmill_command):
    before = {(row.node, row.index): row for row in facts_of(reader, reader.run("last")).rows()}
    assert batchmill_command("resume", "last", "--failed", "token=hush-hush", "-q")[0] == 3
    facts = facts_of(reader, reader.run("last"))
    second = facts.passes[1].at
    rows = list(facts.rows())
    kept = [row for row in rows if row.start < second]
    assert [row.start for row in kept] == [before[row.node, row.index].start for row in kept]
    again = {(row.node, row.index) for row in rows if row.start >= second}
    assert again >= {place for place, row in before.items() if row.failed}
    assert len(kept) == 11


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
    assert report.run.why.startswith("no: ")
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


def made(tmp_path, document, **settings):
    """The report of a run of a document."""
    path = tmp_path / "made.sqlite"
    result = batchmill.run(document, journal=path, **settings)
    with Reader(Journal(path)) as opened:
        return result, report_of(facts_of(opened, opened.run("last")))


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_what_items_waited_for_a_limit_is_told_apart(tmp_path, executor):
    batch = {"items": {"range": [3]}, "executor": executor, "max_concurrent": 1}
    node = {"id": "a", "type": "echo", "params": {"message": "${item}"}, "batch": batch}
    _, report = made(tmp_path, {"nodes": [{**node, "rate_limit": {"per_second": 5}}]})
    (one,) = report.nodes
    assert one.waits is not None
    assert 1 <= one.waits.count <= 2  # of three, as the first starts at once
    assert 0 < one.shares.limit_waits <= one.waits.total + 1e-6
    assert one.shares.permit_waits == 0


def test_a_node_that_is_no_batch_waits_too(tmp_path):
    limit = {"per_second": 10, "key": "service"}
    nodes = [{"id": name, "type": "echo", "params": {"message": "x"}, "rate_limit": limit} for name in "ab"]
    _, report = made(tmp_path, {"nodes": nodes})
    first, second = report.nodes
    assert second.waits is not None
    assert second.shares.limit_waits > first.shares.limit_waits


REFUSING = """
from batchmill.errors import NodeError
from pathlib import Path
if not Path(f"again-{n}").exists():
    Path(f"again-{n}").touch()
    raise NodeError("too many", refused=True, retry_after=0.01, outputs={"status_code": 429})
"""


@pytest.mark.parametrize("limit", [{}, {"rate_limit": {"per_second": 1000}}])
@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_refusals_are_those_of_attempts(tmp_path, monkeypatch, executor, limit):
    monkeypatch.chdir(tmp_path)
    batch = {"items": [1, 2], "executor": executor, "max_retries": 2, "retry_wait": 0}
    node = {
        "id": "a",
        "type": "code",
        "params": {"code": REFUSING, "inputs": {"n": "${item}"}},
        "batch": batch,
    }
    result, report = made(tmp_path, {"nodes": [{**node, **limit}]})
    assert result.status == "success", result.errors
    (refused,) = report.series.refusals
    assert (refused.key, refused.total) == ("a", 2)
    assert {span[1:] for span in refused.spans} == {(0.01, 429)}


BUSY = """
import time
end = time.thread_time() + 0.03
while time.thread_time() < end:
    pass
"""


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("limit", [{}, {"rate_limit": {"per_second": 1000}}])
def test_cpu_time_of_items_and_memory_of_workers(tmp_path, executor, limit):
    batch = {"items": [1, 2], "executor": executor}
    _, report = made(
        tmp_path, {"nodes": [{"id": "a", "type": "code", "params": {"code": BUSY}, "batch": batch, **limit}]}
    )
    (node,) = report.nodes
    assert node.cpu >= 0.06
    assert node.shares.work >= 0.06
    if executor == "process":
        assert 1 << 22 < node.peak_rss < 1 << 31
    else:
        assert node.peak_rss is None
    assert "resources" not in report.missing


def test_cpu_time_of_a_node_that_is_no_batch(tmp_path):
    _, report = made(tmp_path, {"nodes": [{"id": "a", "type": "code", "params": {"code": BUSY}}]})
    assert report.nodes[0].cpu >= 0.03


COUNTING = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo ${item}; echo loud >&2"


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("limit", [{}, {"rate_limit": {"per_second": 1000}}])
def test_what_commands_take_is_known_of_each_item(tmp_path, executor, limit):
    batch = {"items": ["a", "long"], "executor": executor}
    node = {"id": "a", "type": "shell", "params": {"command": COUNTING}, "batch": batch, **limit}
    batchmill.run({"nodes": [node]}, journal=tmp_path / "runs.sqlite")
    with Reader(Journal(tmp_path / "runs.sqlite")) as reader:
        facts = facts_of(reader, reader.runs()[0])
        rows, report = list(facts.rows()), report_of(facts)
    assert [row.bytes_out for row in rows] == [2, 5]
    assert report.nodes[0].bytes_out == 7
    assert all(row.cpu > 0.001 for row in rows)
    assert report.nodes[0].cpu == pytest.approx(sum(row.cpu for row in rows), abs=0.2)


def test_what_the_command_of_a_node_that_is_no_batch_takes(tmp_path):
    command = COUNTING.replace("${item}", "x")
    _, report = made(tmp_path, {"nodes": [{"id": "a", "type": "shell", "params": {"command": command}}]})
    assert report.nodes[0].cpu > 0.001
    assert report.nodes[0].bytes_out == 2


def test_commands_on_threads_of_a_run_of_an_earlier_format_have_no_cpu_time(tmp_path):
    path = tmp_path / "runs.sqlite"
    batch = {"items": [1], "executor": "thread"}
    node = {"id": "a", "type": "shell", "params": {"command": "true"}, "batch": batch}
    batchmill.run({"nodes": [node]}, journal=path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM command")
    connection.close()
    with Reader(Journal(path)) as reader:
        report = report_of(facts_of(reader, reader.runs()[0]))
    assert (report.nodes[0].cpu, report.nodes[0].bytes_out) == (None, None)


def test_workers_that_died_and_what_the_machine_did(tmp_path, monkeypatch):
    for name, seconds in (("FIRST_SECONDS", 0.001), ("EVERY_SECONDS", 0.02), ("LEAST_SECONDS", 0.0)):
        monkeypatch.setattr(heartbeat, name, seconds)
    code = "import os, signal\nif item == 2:\n    os.kill(os.getpid(), signal.SIGKILL)\nresult = item"
    batch = {"items": [1, 2, 3], "executor": "process", "max_concurrent": 1, "error_handling": "continue"}
    params = {"code": code, "inputs": {"item": "${item}"}}
    _, report = made(tmp_path, {"nodes": [{"id": "a", "type": "code", "params": params, "batch": batch}]})
    (death,) = report.deaths
    assert (death.node, death.index, death.items, death.slot) == ("a", 1, 1, 0)
    assert (death.signal, death.exit_code, death.reason) == (9, None, "")
    assert 0 < death.at <= report.run.wall
    (example,) = report.failures.groups[0].examples
    assert f"worker process {death.pid} was killed by signal 9" in example.message
    assert "1 worker died." in report.told["resources"]
    seen = [one for one in report.series.rss if one is not None]
    assert seen
    assert all(1 << 22 < one < 1 << 36 for one in seen)
    assert max(one for one in report.series.cores if one is not None) > 0


def test_what_a_failed_attempt_took_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    batch = {"items": [1], "executor": "thread", "max_retries": 2, "retry_wait": 0}
    params = {"code": BUSY + REFUSING, "inputs": {"n": "${item}"}}
    node = {"id": "a", "type": "code", "params": params, "batch": batch, "rate_limit": {"per_second": 1000}}
    _, report = made(tmp_path, {"nodes": [node]})
    assert report.nodes[0].cpu >= 0.06


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.slow
def test_each_call_has_its_time(tmp_path, executor):
    params = {"provider": "echo", "model": "m", "prompt": "say ${item}"}
    batch = {"items": [1, 2], "executor": executor}
    before = time.time()
    result, report = made(tmp_path, {"nodes": [{"id": "a", "type": "llm", "params": params, "batch": batch}]})
    assert all(before - 1 < call["at"] <= time.time() for call in result.llm_calls)
    with Reader(Journal(tmp_path / "made.sqlite")) as opened:
        facts = facts_of(opened, opened.run("last"))
        assert all(0 <= call.at <= facts.run.wall for call in facts.calls())
    assert sum(report.series.tokens) == sum(one.input_tokens + one.output_tokens for one in report.calls)


def test_columns_come_to_what_rows_come_to(reader):
    facts = facts_of(reader, reader.run("last"))
    columns = list(facts.columns())
    assert {one.node: len(one) for one in columns if isinstance(one, Plain)} == {"half": 4, "ask": 3}
    _same_in_rows(facts)


THREE_TIMES = """
with open("turns", "a+") as file:
    file.write(".")
    file.seek(0)
    next = "again" if len(file.read()) < 3 else "default"
"""
LOOP = {
    "nodes": [
        {
            "id": "look",
            "type": "code",
            "params": {"code": "result = n", "inputs": {"n": "${n}"}},
            "batch": {"items": {"range": [40]}, "as": "n", "executor": "thread"},
        },
        {"id": "more", "type": "code", "params": {"code": THREE_TIMES}},
    ],
    "edges": [{"from": "look", "to": "more"}, {"from": "more", "to": "look", "action": "again"}],
}


def test_columns_of_a_node_that_was_under_way_several_times(batchmill_command, tmp_path):
    (tmp_path / "loop.json").write_text(json.dumps(LOOP))
    code, _, err = batchmill_command("run", "loop.json", "-q")
    assert code == 0, err
    with Reader(Journal(tmp_path / ".batchmill" / "runs.sqlite")) as reader:
        facts = facts_of(reader, reader.run("last"))
        last = [one for one in facts.columns() if isinstance(one, Plain)][-1]
        assert last.row(39).place == "look, turn 3, item 39"
        assert last.row(39).index == 119
        _same_in_rows(facts)


def test_columns_of_every_pass_of_a_resumed_run(run, reader, batchmill_command):
    assert batchmill_command("resume", "last", "--failed", "token=hush-hush", "-q")[0] == 3
    facts = facts_of(reader, reader.run("last"))
    _same_in_rows(facts)


def _same_in_rows(facts):
    """Whoever counts, and whoever has a line for each item, makes the same of rows as of columns."""
    in_rows = replace(facts, in_pages=None)
    _same(report_of(facts).as_json(), report_of(in_rows).as_json())
    for lines in (tsv.lines, joblog.lines, otlp.lines):
        assert list(lines(facts)) == list(lines(in_rows))


def _same(one, other):
    """Sums of the same numbers in another order differ in their last digits."""
    if isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-6)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one.keys() - {"made", "data"}:
            _same(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, others in zip(one, other, strict=True):
            _same(mine, others)
    else:
        assert one == other
