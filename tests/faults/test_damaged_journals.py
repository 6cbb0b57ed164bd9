"""Journals that are cut off, hit by bit flips, foreign, empty or from the future: recovered or refused."""

import json
import random
import shutil
import sqlite3
from contextlib import closing, suppress

import pytest

import batchmill
from batchmill.errors import BatchmillError, StorageError, UnknownRun
from batchmill.journal.database import APPLICATION_ID, connect
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader

DOCUMENT = {
    "nodes": [
        {
            "id": "each",
            "type": "code",
            "params": {"code": "result = 1 / x if x else None\nassert x != 3", "inputs": {"x": "${item}"}},
            "batch": {"items": {"range": [8]}, "error_handling": "continue"},
        },
        {"id": "end", "type": "echo", "params": {"message": "${each.count}"}},
    ]
}


@pytest.fixture
def journal(tmp_path):
    """A small journal, all of it in one file."""
    path = tmp_path / "good.sqlite"
    batchmill.run(DOCUMENT, journal=path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()  # to its end: on PyPy it goes on else
        connection.execute("VACUUM")
    return path


def read_all(path):
    """Everything a command would read of a journal."""
    with Reader(Journal(path)) as reader:
        for run in reader.runs():
            reader.result(run)
            reader.nodes(run)
            for visit in reader.visits(run):
                for one in reader.items(visit):
                    json.dumps(one.as_json())
        return reader.runs()


def try_all(path):
    """Read, resume and add to a journal: each does it or refuses with an error of ours."""
    for work in (
        lambda: read_all(path),
        lambda: batchmill.resume("last", journal=path, failed_only=True),
        lambda: batchmill.run(DOCUMENT, journal=path),
    ):
        with suppress(BatchmillError, OSError):
            work()


def damaged(journal, tmp_path, data):
    path = tmp_path / "bad.sqlite"
    for left in tmp_path.glob("bad.sqlite*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    path.write_bytes(data)
    return path


def test_the_whole_is_readable(journal):
    runs = read_all(journal)
    assert [run.status for run in runs] == ["degraded"]


STEP = 509  # a prime, so that pages are cut at all kinds of places


@pytest.mark.parametrize(
    "start", [pytest.param(0, id="some"), pytest.param(1, marks=pytest.mark.slow, id="all")]
)
def test_cut_off_anywhere(journal, tmp_path, start):
    whole = journal.read_bytes()
    places = range(0, len(whole), STEP) if not start else [*range(4096), *range(4096, len(whole), 61)]
    for place in places:
        path = damaged(journal, tmp_path, whole[:place])
        with suppress(BatchmillError, OSError):
            read_all(path)


@pytest.mark.parametrize(
    "count", [pytest.param(40, id="some"), pytest.param(1000, marks=pytest.mark.slow, id="thousand")]
)
@pytest.mark.slow
def test_bit_flips(journal, tmp_path, count):
    whole = journal.read_bytes()
    chosen = random.Random(count)
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(chosen.choice((1, 1, 3, 10))):
            data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        try_all(damaged(journal, tmp_path, data))


def test_an_empty_file_becomes_a_journal(tmp_path):
    path = tmp_path / "empty.sqlite"
    path.touch()
    assert batchmill.run(DOCUMENT, journal=path).status == "degraded"
    assert len(read_all(path)) == 1


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but a text that is long enough" * 10)
    with pytest.raises(StorageError, match="is not a journal"):
        batchmill.run(DOCUMENT, journal=path)
    assert path.read_text().startswith("not a database")


def test_the_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE people (name)")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="of another program"):
        batchmill.run(DOCUMENT, journal=path)


def test_a_journal_from_a_newer_version_is_refused(journal):
    connection = sqlite3.connect(journal)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="newer batchmill"):
        batchmill.resume("last", journal=journal)


def test_a_journal_that_is_a_folder_is_refused(tmp_path):
    with pytest.raises(StorageError, match="is not a file, so not a journal"):
        batchmill.run(DOCUMENT, journal=tmp_path)


def test_reading_a_journal_that_is_not_there(tmp_path):
    with pytest.raises(StorageError, match="there is no journal"):
        batchmill.resume(journal=tmp_path / "none.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_journal_without_runs(tmp_path):
    connect(tmp_path / "new.sqlite").close()
    with pytest.raises(UnknownRun, match="no runs yet"):
        batchmill.resume(journal=tmp_path / "new.sqlite")


def test_the_application_id_names_the_file(journal):
    connection = sqlite3.connect(journal)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()
