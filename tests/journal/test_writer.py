"""The writer: order, back-pressure, waiting for a commit, and what happens when it cannot write."""

import sqlite3
import threading

import pytest

from batchmill.errors import StorageError
from batchmill.journal import writer as writing
from batchmill.journal.database import connect
from batchmill.journal.writer import Writer


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "runs.sqlite"
    connect(path).close()
    return path


@pytest.fixture
def failures():
    return []


@pytest.fixture
def writer(path, failures):
    writer = Writer(connect(path), path, failures.append)
    yield writer
    writer.close()


def row(identity, value="1"):
    return (identity, 1, 0, None, "0", value, 0.0, None)


def stored(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT id, value FROM outcome ORDER BY id").fetchall()
    finally:
        connection.close()


def test_what_was_waited_for_is_on_disk(writer, path):
    writer.wait(writer.put("add_outcome", [row(1)]))
    assert stored(path) == [(1, "1")]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000])
def test_every_row_is_written_however_many(writer, path, count):
    writer.put("add_outcome", [row(n) for n in range(count)])
    writer.flush()
    assert [identity for identity, _ in stored(path)] == list(range(count))


def test_rows_are_written_in_their_order(writer, path):
    writer.put("add_outcome", [row(1, "old"), row(2, "x")])
    writer.put("copy_outcome", [(3, 1, 1)])
    writer.put("add_outcome", [row(1, "new")])
    writer.flush()
    assert stored(path) == [(1, "new"), (2, "x"), (3, "old")]


def test_whoever_puts_too_much_waits(writer, path, monkeypatch):
    monkeypatch.setattr(writing, "MOST_PENDING", 10)
    blocker = connect(path)
    blocker.execute("BEGIN IMMEDIATE")
    put = threading.Event()

    def work():
        for n in range(40):
            writer.put("add_outcome", [row(n)])
        put.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not put.wait(0.3)
    blocker.execute("COMMIT")
    blocker.close()
    thread.join()
    writer.flush()
    assert len(stored(path)) == 40


def test_many_threads_lose_nothing(writer, path):
    def work(start):
        for n in range(start, start + 500):
            writer.put("add_outcome", [row(n)])

    threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    assert len(stored(path)) == 2000


def test_a_journal_that_is_deleted_is_told_once(writer, path, failures):
    writer.wait(writer.put("add_outcome", [row(1)]))
    path.unlink()
    writer.wait(writer.put("add_outcome", [row(2)]))
    with pytest.raises(StorageError, match="deleted or replaced"):
        writer.flush()
    assert writer.put("add_outcome", [row(3)]) == 0
    assert [str(fault) for fault in failures] == [str(writer.fault)]
    for left in path.parent.glob("runs.sqlite-*"):
        left.unlink()


def test_a_row_that_cannot_be_written_is_a_fault(writer, failures):
    writer.put("add_outcome", [("too", "few")])
    with pytest.raises(StorageError):
        writer.flush()
    assert len(failures) == 1
