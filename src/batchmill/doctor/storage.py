"""SQLite, and the folder in which the journal of runs is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from batchmill.doctor.finding import CheckResult
from batchmill.journal.places import maps_folder

AREA = "storage"
OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING
LEAST_FREE_BYTES = 16 << 20
ELSEWHERE = "use --journal PATH with a path on a local disk that can be written, or --no-journal"


def findings(journal: Path) -> Iterator[CheckResult]:
    """``journal`` is the file; its folder need not exist."""
    sqlite = _sqlite()
    folder = existing(journal.absolute().parent)
    yield from (sqlite, _free(folder, "journal's folder"))
    of_map = existing(maps_folder())
    yield _free(of_map, "folder of map")
    if sqlite.level != "problem":
        yield _write_ahead(folder, "write-ahead log")
        if os.stat(of_map).st_dev != os.stat(folder).st_dev:
            yield _write_ahead(of_map, "log of map")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there, in which it would be made."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _sqlite() -> CheckResult:
    try:
        import sqlite3
    except ImportError as error:
        remedy = "install a Python that has sqlite3, or run with --no-journal"
        return CheckResult(AREA, "sqlite", f"cannot be imported: {error}", "problem", remedy)
    if sqlite3.sqlite_version_info >= OLDEST_SQLITE:
        return CheckResult(AREA, "sqlite", sqlite3.sqlite_version)
    wanted = ".".join(map(str, OLDEST_SQLITE))
    remedy = f"install a Python built with SQLite {wanted} or later"
    return CheckResult(AREA, "sqlite", sqlite3.sqlite_version, "problem", remedy)


def _free(folder: Path, name: str) -> CheckResult:
    if not os.access(folder, os.W_OK | os.X_OK):
        return CheckResult(AREA, name, f"{folder} cannot be written", "problem", ELSEWHERE)
    free = shutil.disk_usage(folder).free
    value = f"{folder}, {free >> 20:,} MB free"
    if free >= LEAST_FREE_BYTES:
        return CheckResult(AREA, name, value)
    return CheckResult(AREA, name, value, "problem", f"free some, or {ELSEWHERE}")


def _write_ahead(folder: Path, name: str) -> CheckResult:
    """A write-ahead log really written there: network file systems often cannot share its memory."""
    import sqlite3  # known to be there

    try:
        with tempfile.TemporaryDirectory(prefix=".batchmill-doctor-", dir=folder) as made:
            path = Path(made) / "trial.sqlite"
            with closing(sqlite3.connect(path)) as first, closing(sqlite3.connect(path)) as second:
                mode = first.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                first.execute("CREATE TABLE trial (number INTEGER)")
                first.execute("INSERT INTO trial VALUES (7)")
                first.commit()
                read = second.execute("SELECT number FROM trial").fetchone()[0]
    except (OSError, sqlite3.Error) as error:
        return CheckResult(AREA, name, str(error), "problem", ELSEWHERE)
    if mode == "wal" and read == 7:
        return CheckResult(AREA, name, "works there")
    return CheckResult(AREA, name, f"SQLite falls back to {mode!r} there", "problem", ELSEWHERE)
