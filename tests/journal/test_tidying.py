"""Journals that nobody looks after stay small, and forget nothing that may be gone on with."""

import itertools
import os
import sqlite3
import time
from dataclasses import replace

import pytest

from batchmill.errors import StorageError
from batchmill.journal.contract import READER_LEFT, RunRecord
from batchmill.journal.journal import Journal
from batchmill.journal.places import map_journal
from batchmill.journal.reading import Reader
from batchmill.journal.tidying import is_of_map, size_of, tidy, tidy_abandoned

DAY = 86400


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Journal(map_journal("/data"))


NUMBERS = itertools.count(1)


def kept(journal, status="success", age=0.0, size=0):
    """A run that has ended, with so many bytes of output; its name."""
    outputs = f"{next(NUMBERS):016x}"
    log = journal.begin(RunRecord("batchmill map", "/data", {}, settings={"outputs": outputs}))
    log.finish(status, 1.0, {}, None)
    log.close()
    if size:
        folder = journal.outputs_of(outputs)
        folder.mkdir(parents=True)
        (folder / "stdout.x").write_bytes(bytes(size))
    connection = sqlite3.connect(journal.path)
    connection.execute("UPDATE run SET started_at = ? WHERE name = ?", (time.time() - age, log.name))
    connection.commit()
    connection.close()
    return log.name


def names(journal):
    with Reader(journal) as reader:
        return [run.name for run in reader.runs()]


def test_nothing_goes_while_there_is_room(journal):
    runs = [kept(journal, age=DAY), kept(journal, "degraded")]
    assert tidy(journal) == []
    assert names(journal) == runs[::-1]


def test_what_is_too_much_goes_the_oldest_finished_run_first(journal):
    first = kept(journal, size=300_000)
    failed = kept(journal, "interrupted", size=300_000)
    look = kept(journal, READER_LEFT, size=300_000)
    latest = kept(journal, size=1000)
    assert [run.name for run in tidy(journal, most_bytes=1_100_000)] == []
    assert [run.name for run in tidy(journal, most_bytes=900_000)] == [first, look]
    assert names(journal) == [latest, failed]
    assert size_of(journal) < 900_000
    assert [run.name for run in tidy(journal, most_bytes=1)] == [latest], "the latest, if it must be"
    assert names(journal) == [failed], "what may be gone on with stays"


def test_what_is_old_or_too_many_goes(journal):
    old = [kept(journal, status, age=40 * DAY) for status in ("failed", "success")]
    young = [kept(journal, age=20 * DAY) for _ in range(8)]
    assert {run.name for run in tidy(journal)} == set(old)
    assert {run.name for run in tidy(journal, most_runs=6)} == set(young[:4])
    assert names(journal) == young[:3:-1]


def test_a_run_that_is_running_is_left_alone(journal):
    log = journal.begin(RunRecord("batchmill map", "/data", {}))
    try:
        assert tidy(journal, most_bytes=1, most_runs=0, oldest=0.0) == []
    finally:
        log.close()


def test_journals_of_folders_that_nobody_works_in_any_more(journal):
    kept(journal, age=40 * DAY)
    other = Journal(map_journal("/other"))
    kept(other, "failed", age=10 * DAY, size=10)
    for one in (journal, other):
        os.utime(one.path, (0, 0))
    assert is_of_map(other)
    tidy_abandoned()
    assert not journal.path.exists()
    assert len(names(other)) == 1
    assert other.path.stat().st_mtime > DAY, "not looked at again for a while"


def test_only_folders_of_runs_are_ever_deleted(journal, tmp_path):
    name = kept(journal)
    with Reader(journal) as reader:
        run = replace(reader.run(name), settings={"outputs": "../../.."})
    with pytest.raises(StorageError, match="which is no name"):
        journal.outputs_of(run.outputs)
