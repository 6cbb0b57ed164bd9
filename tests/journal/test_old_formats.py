"""Journals that earlier formats left: what they told they still tell, and nothing is paid for again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import batchmill
from batchmill.journal.database import VERSION
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.record.ledger import ledger, total

APPLICATION_ID = 0x626D696C


@pytest.fixture
def first(tmp_path, monkeypatch):
    """A journal of format 1: the run of a document whose last node, a ``cat gate``, failed; resumed after an
    item had been put before two others."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs.sqlite"
    text = (Path(__file__).parent / "format_1.sql").read_text()
    connection = sqlite3.connect(path)
    connection.executescript(text.replace("{folder}", str(tmp_path)))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    return path


def calls(path):
    with Reader(Journal(path)) as reader:
        return list(reader.calls(reader.run("last")))


def test_the_calls_of_outcomes_become_the_ledger(first):
    found = calls(first)
    assert [(number, call["node"], call["index"], call["prompt"]) for number, call in found] == [
        (1, "ask", 0, "hello you x"),
        (1, "ask", 1, "hello you y"),
        (1, "one", None, "once you"),
        (1, "each[0].ask", None, "in p"),
        (1, "each[1].ask", None, "in q"),
        (2, "ask", 0, "hello you w"),
    ]
    whole = total(ledger(call for _, call in found))
    assert (whole.calls, whole.unpriced) == (6, 2)


def test_it_is_brought_up_to_date_once(first):
    once = calls(first)
    connection = sqlite3.connect(first)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()
    assert calls(first) == once


def test_nothing_that_has_a_result_is_run_again(first, tmp_path):
    (tmp_path / "gate").write_text("open")
    run = batchmill.resume(journal=first)
    assert run.status == "success", run.errors
    assert run.resumed == {"kept": 12, "redone": 1, "new": 0, "changed": 0, "gone": 0}
    assert len(run.llm_calls) == 6
    assert run.outputs["stdout"] == "open"


def test_from_then_on_it_is_held_to_what_counts_now(first, tmp_path):
    batchmill.resume(journal=first)  # it fails again, and its keys are those of now
    (tmp_path / "gate").write_text("open")
    connection = sqlite3.connect(first)
    text = connection.execute("SELECT document FROM run").fetchone()[0]
    edited = text.replace('"timeout":5', '"timeout":50').replace('"timeout": 5', '"timeout": 50')
    assert edited != text
    connection.execute("UPDATE run SET document = ?", (edited,))
    connection.commit()
    connection.close()
    run = batchmill.resume(journal=first)
    assert (run.status, run.resumed["kept"], run.resumed["changed"]) == ("success", 12, 0)
    assert len(run.llm_calls) == 6


def test_a_run_of_the_fourth_format_is_read_and_gone_on_with(tmp_path):
    path = tmp_path / "runs.sqlite"
    node = {"id": "a", "type": "shell", "params": {"command": "exit 3"}}
    assert batchmill.run({"nodes": [node]}, journal=path).status == "failed"
    connection = sqlite3.connect(path)
    for table in ("command", "sample", "service_batch", "service_request"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE visit DROP COLUMN source")
    connection.execute("PRAGMA user_version = 4")
    connection.commit()
    connection.close()
    with Reader(Journal(path)) as reader:
        record = reader.run("last")
        (visit,) = reader.visits(record)
        assert [(one.state, one.bytes_out) for one in reader.items(visit)] == [("failed", None)]
        assert (reader.commands(record), reader.last_sample(record)) == ({}, None)
    assert batchmill.resume(journal=path).status == "failed"
    with Reader(Journal(path)) as reader:
        (visit,) = reader.visits(reader.run("last"))
        assert [one.bytes_out for one in reader.items(visit)] == [0]


def test_a_run_of_the_fifth_format_is_read_and_gone_on_with(tmp_path):
    path = tmp_path / "runs.sqlite"
    node = {"id": "a", "type": "shell", "params": {"command": "exit 3"}}
    assert batchmill.run({"nodes": [node]}, journal=path).status == "failed"
    connection = sqlite3.connect(path)
    for table in ("service_batch", "service_request"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE visit DROP COLUMN source")
    connection.execute("PRAGMA user_version = 5")
    connection.commit()
    connection.close()
    with Reader(Journal(path)) as reader:
        assert reader.batches(reader.run("last")) == []
    assert batchmill.resume(journal=path).status == "failed"


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_a_run_of_the_third_format_is_read_and_gone_on_with(tmp_path, monkeypatch, executor):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs.sqlite"
    code = "from pathlib import Path\nif n == 2 and not Path('gate').exists():\n    raise ValueError('shut')"
    batch = {"items": [1, 2, 3], "executor": executor, "error_handling": "continue"}
    node = {"id": "a", "type": "code", "params": {"code": code, "inputs": {"n": "${item}"}}, "batch": batch}
    assert batchmill.run({"nodes": [node]}, journal=path).status == "degraded"
    connection = sqlite3.connect(path)
    for table in ("wait", "effort", "heartbeat", "command", "sample", "service_batch", "service_request"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE visit DROP COLUMN source")
    connection.execute("PRAGMA user_version = 3")
    connection.commit()
    connection.close()
    with Reader(Journal(path)) as reader:
        (visit,) = reader.visits(reader.run("last"))
        assert [(one.state, one.cpu, one.for_limit) for one in reader.items(visit)] == [
            ("ok", None, 0.0),
            ("failed", None, 0.0),
            ("ok", None, 0.0),
        ]
    (tmp_path / "gate").touch()
    again = batchmill.resume(journal=path, failed_only=True)
    assert (again.status, again.resumed["kept"], again.resumed["redone"]) == ("success", 2, 1)
    with Reader(Journal(path)) as reader:
        assert reader.efforts(reader.run("last"))["a"][0] is not None


def test_groups_whose_text_the_sixth_format_stored_are_shown_and_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs.sqlite"
    (tmp_path / "rows.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(400)))
    batch = {"items": {"csv": "rows.csv"}, "batch_size": 200, "where": "${item.n != ''}"}
    node = {"id": "a", "type": "code", "params": {"code": "result = len(x)", "inputs": {"x": "${item}"}}}
    gate = {"id": "b", "type": "shell", "params": {"command": "cat gate"}}
    document = {"nodes": [{**node, "batch": batch}, gate]}
    assert batchmill.run(document, journal=path).status == "failed"
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE visit DROP COLUMN source")
    connection.execute("PRAGMA user_version = 6")
    connection.commit()
    connection.close()
    with Reader(Journal(path)) as reader:
        visit = reader.visits(reader.run("last"))[0]
        assert reader.source(visit) is None
        assert [len(one.item) for one in reader.items(visit)] == [200, 200]
    (tmp_path / "gate").touch()
    again = batchmill.resume(journal=path)
    assert (again.status, again.resumed["kept"]) == ("success", 2)
