"""Keep the journals of ``map`` small: they lie outside of their folders, where nobody cleans up.

The output of a finished run has been printed, so only the latest are kept. Runs that can be resumed are kept
until they are old.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from batchmill.errors import StorageError
from batchmill.journal.contract import READER_LEFT, RunRecord
from batchmill.journal.journal import Journal
from batchmill.journal.places import all_map_journals, maps_folder
from batchmill.journal.reading import Reader
from batchmill.journal.sweeping import forget

MOST_BYTES = 256 << 20  # of a folder's journal; what is above goes, the oldest finished runs first
MOST_RUNS = 200
OLDEST = 30 * 86400.0  # seconds
_AT_ONCE = 5  # journals of other folders that one call looks at


def tidy(
    journal: Journal, *, most_bytes: int = MOST_BYTES, most_runs: int = MOST_RUNS, oldest: float = OLDEST
) -> list[RunRecord]:
    """Remove runs of a journal of ``map`` that are old, too many or too large; returns the removed ones.

    If they are too large together, it removes enough to have room for a while.
    """
    size = size_of(journal)
    with Reader(journal) as reader:
        number, first = reader.count_runs()
        if number <= most_runs and size <= most_bytes and (first is None or time.time() - first < oldest):
            return []
        runs = [run for run in reader.runs() if run.status != "running"]
    before = time.time() - oldest
    late = [run for run in runs if run.started_at < before]
    if number > most_runs:
        late += [run for run in runs[most_runs * 3 // 4 :] if run not in late]
    gone = forget(journal, late)
    for run in reversed(runs):
        if size <= most_bytes or size_of(journal) <= most_bytes // 2:
            break
        if run not in late and run.status in ("success", READER_LEFT):
            gone += forget(journal, [run])
    return gone


def tidy_abandoned(oldest: float = OLDEST) -> None:
    """Forget what is old in the journals of other folders, which may never be worked in again; remove those
    that hold nothing any more."""
    before = time.time() - oldest
    for path in _unused_since(before):
        journal = Journal(path)
        with contextlib.suppress(StorageError):
            tidy(journal, oldest=oldest)
            with Reader(journal) as reader:
                empty = reader.count_runs()[0] == 0
            if empty:
                _remove(journal)
            else:
                os.utime(path)  # it is looked at again when that has become old


def _unused_since(before: float) -> list[Path]:
    found = []
    for path in reversed(all_map_journals()):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                found.append(path)
    return found[:_AT_ONCE]


def is_of_map(journal: Journal) -> bool:
    """Whether this journal is in the default place for ``map``."""
    return journal.path.parent == maps_folder()


def size_of(journal: Journal) -> int:
    """Bytes on disk, of the journal with all that is beside it."""
    total = 0
    for folder in (journal.files.folder, journal.outputs):
        total += sum(_sizes(folder))
    with contextlib.suppress(OSError):
        total += journal.path.stat().st_size
    return total


def _sizes(folder: Path) -> Iterator[int]:
    for above, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.stat(os.path.join(above, name)).st_size


def _remove(journal: Journal) -> None:
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.unlink(f"{journal.path}{end}")
    for folder in (journal.files.folder, journal.outputs, journal.locks):
        shutil.rmtree(folder, ignore_errors=True)
