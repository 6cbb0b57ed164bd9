"""What a journal and a report tell of items that ran on a cluster."""

from __future__ import annotations

import os
import signal
import socket
from itertools import pairwise
from pathlib import Path

import pytest

import batchmill
from batchmill.executors.running.runner import MOST_DRIFT
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.report import chrome_trace, joblog, tsv
from batchmill.report.aggregate import report_of
from batchmill.report.live import Watched
from batchmill.report.live_text import lines
from batchmill.report.of_journal import facts_of

CODE = """
import os, signal
if n == 5 and not os.path.exists("seen"):
    open("seen", "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
if n == 7:
    raise ValueError("seven")
result = n
"""
FLOW = {
    "nodes": [
        {
            "id": "each",
            "type": "code",
            "params": {"code": CODE, "inputs": {"n": "${n}"}},
            "batch": {
                "items": {"range": [40]}, "as": "n", "executor": "dask", "max_retries": 2, "retry_wait": 0,
                "error_handling": "continue",
            },
        }
    ]
}  # fmt: skip


@pytest.mark.usefixtures("loop")
def test_items_have_a_begin_and_a_worker_and_deaths_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    host = socket.gethostname()
    journal = Journal(tmp_path / "j.sqlite")
    batchmill.run(FLOW, journal=str(journal.path))
    with Reader(journal) as reader:
        (record,) = reader.runs()
        facts = facts_of(reader, record)
        report = report_of(facts)
        rows = list(facts.rows())
        trace = "".join(chrome_trace.pieces(facts))
        table = [line.rstrip("\n").split("\t") for line in tsv.lines(facts)]
        jobs = [line.split("\t") for line in joblog.lines(facts)]
        look = Watched(reader, record).look(0.0)
    assert len(rows) == 40
    assert all(row.start is not None and row.slot in (0, 1) for row in rows)
    for slot in (0, 1):
        tried = [one for row in rows for one in (row.tried or (row,)) if one.slot == slot]
        times = sorted((one.at if hasattr(one, "at") else one.start, one.wall) for one in tried)
        assert all(end + wall <= begin + MOST_DRIFT + 2e-6 for (end, wall), (begin, _) in pairwise(times))
    assert (rows[5].state, [one.error for one in rows[5].tried]) == ("retried", ["WorkerDied", ""])
    (death,) = report.deaths
    assert (death.host, death.signal, death.index, death.items) == (host, signal.SIGKILL, 5, 1)
    assert death.pid not in (None, os.getpid())
    assert death.slot == rows[5].tried[0].slot
    (node,) = report.nodes
    assert node.cpu is not None
    assert node.peak_rss is not None
    assert [(one.name, one.items) for one in node.hosts] == [(host, 40)]
    assert node.shares is not None
    assert sum(one.seconds for one in node.hosts) == pytest.approx(
        node.shares.work + node.shares.failed_attempts
    )
    assert set(report.lanes[0].names) <= {f"{host}/0", f"{host}/1"}
    assert f'"name": "{host}/0"' in trace
    assert [row[-1] for row in table] == ["host", *[host] * 40]
    assert {job[1] for job in jobs[1:]} == {host}
    assert look.nodes[0].hosts == {host: max(1, len(report.lanes[0].names))}
    assert any(line.startswith(f"  on {host} (") for line in lines(look))
    assert look.died == 1
