"""Reading large journals: what is asked for, and no more, is read."""

import sqlite3
import time

import pytest

from batchmill.block import Block
from batchmill.errors import UnknownRun
from batchmill.journal.contract import ContentKey, RunRecord
from batchmill.journal.files import LARGE, ValueFiles
from batchmill.journal.journal import Journal, chosen
from batchmill.journal.reading import Reader
from batchmill.outcome import ErrorInfo, Outcome


def filled(path, items, failed=()):
    """A journal with one finished batch."""
    journal = Journal(path)
    log = journal.begin(RunRecord("flow.json", "/", {"nodes": []}))
    kept = log.batch("each", ContentKey(b"key", {}), items)
    for start in range(0, items, 1000):
        count = min(1000, items - start)
        block = Block(
            start, [{"n": start + k} for k in range(count)], [0.001] * count, {}, range(start, start + count)
        )
        for index in (one for one in failed if start <= one < start + count):
            block.values[index - start] = None
            block.special[index - start] = Outcome(index, error=ErrorInfo("ValueError", "no"), attempts=2)
        kept.record(block)
    log.finish("degraded" if failed else "success", 1.0, {}, None)
    log.close()
    return journal


def test_outcomes_come_back_in_order_and_by_position(tmp_path):
    with Reader(filled(tmp_path / "j.sqlite", 2500, failed=(3, 1700))) as reader:
        (visit,) = reader.visits(reader.run("last"))
        assert (visit.done, visit.failed, visit.total, visit.is_batch) == (2500, 2, 2500, True)
        items = list(reader.items(visit))
        assert [one.index for one in items] == [one.item for one in items] == list(range(2500))
        assert items[7].value == {"n": 7}
        assert [one.index for one in reader.items(visit, failed_only=True)] == [3, 1700]
        assert [one.index for one in reader.part(visit, 1699, 1702)] == [1699, 1700, 1701]
        failed = reader.item(visit, 1700)
        assert failed is not None
        assert (failed.state, failed.attempts, failed.error["message"]) == ("failed", 2, "no")
        assert reader.item(visit, 2500) is None


def test_large_values_are_read_one_by_one_and_only_when_asked_for(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j.sqlite")
    log = journal.begin(RunRecord("flow.json", "/", {"nodes": []}))
    values = [{"n": 0}, *({"text": f"{n}" * LARGE} for n in range(1, 4)), {"n": 4}]
    log.batch("each", ContentKey(b"key", {}), 5).record(Block(0, values, [0.001] * 5, {}, range(5)))
    log.finish("success", 1.0, {}, None)
    log.close()
    read = []
    get = ValueFiles.get
    monkeypatch.setattr(ValueFiles, "get", lambda files, digest: read.append(digest) or get(files, digest))
    with Reader(journal) as reader:
        (visit,) = reader.visits(reader.run("last"))
        assert sum(len(figures or ()) + len(others) for figures, others in reader.columns(visit)) == 5
        assert read == []
        items = reader.items(visit)
        assert (next(items).value, next(items).value) == (values[0], values[1])
        assert len(read) == 1
        assert [one.value for one in items] == values[2:]


@pytest.mark.slow
def test_a_large_journal_is_read_where_it_is_asked(tmp_path):
    """Not a figure of speed: a query that reads all rows where it needs one takes a hundred times as long."""
    with Reader(filled(tmp_path / "j.sqlite", 300_000, failed=(299_999,))) as reader:
        (visit,) = reader.visits(reader.run("last"))
        began = time.thread_time()
        for _ in range(100):
            assert reader.item(visit, 299_998) is not None
        by_position = time.thread_time() - began
        began = time.thread_time()
        assert sum(1 for _ in reader.items(visit)) == 300_000
        assert by_position < time.thread_time() - began
    connection = sqlite3.connect(tmp_path / "j.sqlite")
    plan = connection.execute("EXPLAIN QUERY PLAN SELECT * FROM outcome WHERE id >= 1 AND id < 2").fetchall()
    connection.close()
    assert "SEARCH" in plan[0][3]


def test_runs_by_the_beginning_of_their_names():
    runs = [RunRecord("", "", {}, name=name) for name in ("abc1", "abd2", "abc")]
    assert chosen(runs, "last") is runs[0]
    assert chosen(runs, "abd") is runs[1]
    assert chosen(runs, "abc") is runs[2], "a whole name goes before the beginning of another"
    with pytest.raises(UnknownRun, match="several runs"):
        chosen(runs, "ab")
    with pytest.raises(UnknownRun, match="no run 'x'"):
        chosen(runs, "x")
