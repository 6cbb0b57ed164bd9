"""The writer: order, back-pressure, waiting for a commit, and what happens when it cannot write."""

import sqlite3
import threading

import pytest

from batchmill.errors import StorageError
from batchmill.journal import writer as writing
from batchmill.journal.database import connect
from batchmill.journal.outcome_rows import FullRow, OutcomeRows
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
    return (identity, 1, 0, "0", value, 0.0, None, None)


def outcomes(rows):
    made = OutcomeRows()
    for one in rows:
        made.add(one)
    return made


def stored(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT id, value FROM outcome ORDER BY id").fetchall()
    finally:
        connection.close()


def test_what_was_waited_for_is_on_disk(writer, path):
    writer.wait(writer.put_outcomes(outcomes([row(1)])))
    assert stored(path) == [(1, "1")]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000])
def test_every_row_is_written_however_many(writer, path, count):
    writer.put_outcomes(outcomes(row(n) for n in range(count)))
    writer.flush()
    assert [identity for identity, _ in stored(path)] == list(range(count))


@pytest.mark.parametrize("count", [3, 130])
def test_outcomes_with_and_without_a_key_are_written_together(writer, path, count):
    rows = [row(n) if n % 3 else FullRow(*row(n), b"key", '{"attempts":2}') for n in range(count)]
    writer.put_outcomes(outcomes(rows))
    writer.flush()
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT id, key, detail FROM outcome ORDER BY id").fetchall()
    connection.close()
    full = (b"key", '{"attempts":2}')
    assert found == [(n, *((None, None) if n % 3 else full)) for n in range(count)]


def test_a_row_in_the_place_of_another_leaves_nothing_of_it(writer, path):
    writer.wait(writer.put_outcomes(outcomes([FullRow(*row(1), b"key", '{"attempts":2}')])))
    writer.wait(writer.put_outcomes(outcomes([row(1)])))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT key, detail FROM outcome").fetchall() == [(None, None)]
    connection.close()


def test_rows_are_written_in_their_order(writer, path):
    writer.put_outcomes(outcomes([row(1, "old"), row(2, "x")]))
    writer.put("copy_outcome", [(3, 1, 1)])
    writer.put_outcomes(outcomes([row(1, "new")]))
    writer.flush()
    assert stored(path) == [(1, "new"), (2, "x"), (3, "old")]


@pytest.mark.parametrize(
    ("limit", "most", "one"),
    [
        ("MOST_PENDING", 10, lambda n: row(n)),
        ("MOST_PENDING_CHARACTERS", 5_000, lambda n: row(n, "x" * 999)),
        ("MOST_PENDING_CHARACTERS", 5_000, lambda n: FullRow(*row(n), None, "x" * 999)),
    ],
    ids=["rows", "values", "details"],
)
def test_whoever_puts_too_much_waits(writer, path, monkeypatch, limit, most, one):
    monkeypatch.setattr(writing, limit, most)
    blocker = connect(path)
    blocker.execute("BEGIN IMMEDIATE")
    put = threading.Event()

    def work():
        for n in range(40):
            writer.put_outcomes(outcomes([one(n)]))
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
            writer.put_outcomes(outcomes([row(n)]))

    threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    assert len(stored(path)) == 2000


def test_a_journal_that_is_deleted_is_told_once(writer, path, failures):
    writer.wait(writer.put_outcomes(outcomes([row(1)])))
    path.unlink()
    writer.wait(writer.put_outcomes(outcomes([row(2)])))
    with pytest.raises(StorageError, match="deleted or replaced"):
        writer.flush()
    assert writer.put_outcomes(outcomes([row(3)])) == 0
    assert [str(fault) for fault in failures] == [str(writer.fault)]
    for left in path.parent.glob("runs.sqlite-*"):
        left.unlink()


def test_a_row_that_cannot_be_written_is_a_fault(writer, failures):
    writer.put_outcomes(outcomes([(1, object(), *row(1)[2:])]))
    with pytest.raises(StorageError):
        writer.flush()
    assert len(failures) == 1


def test_a_mistake_of_ours_leaves_nobody_waiting(writer, failures):
    writer.put("no such statement", [(1,)])
    writer.wait(writer.put_outcomes(outcomes([row(1)])))
    with pytest.raises(StorageError):
        writer.flush()
    assert len(failures) == 1


def test_an_unforeseen_fault_leaves_nobody_waiting(writer, failures, monkeypatch):
    def broken(name):
        raise AssertionError("unforeseen")

    monkeypatch.setattr(writing, "statement", broken)
    writer.put("add_event", [(1, 0.0, "kind", "{}")])
    with pytest.raises(StorageError, match="AssertionError: unforeseen"):
        writer.flush()
    assert len(failures) == 1
