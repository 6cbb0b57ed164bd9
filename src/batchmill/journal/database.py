"""Open a journal's file: check it, create it, and report its faults.

A file is a journal by its application id; its format is the ``user_version``. A journal of an older format is
upgraded when it is opened, one of a newer format is refused.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmill.errors import StorageError
from batchmill.journal.folders import OWN_FOLDER, make_own
from batchmill.journal.migrations import MIGRATIONS
from batchmill.journal.statements import one_row, schema

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x626D696C  # "bmil"
VERSION = 7
OLDEST_SQLITE = (3, 35, 0)  # generated columns, RETURNING
BUSY_SECONDS = 30.0  # how long another process that writes is waited for
BUSY_LOOK_SECONDS = 0.005
ELSEWHERE = "use --journal PATH for another file, or --no-journal"

_BESIDE = ("-wal", "-shm", "-journal")  # what SQLite puts beside it
_log = logging.getLogger("batchmill.journal")


def connect(path: Path, *, durable: bool = False, create: bool = True) -> sqlite3.Connection:
    """A connection to the journal at ``path``, which is made if missing (with ``create``).

    Raises :class:`StorageError` for a file that is no journal, is damaged, has a newer format or cannot be
    opened.
    """
    if not create and not path.exists():
        raise StorageError(f"there is no journal {path}; --journal PATH names another one")
    with faults(path):
        _make_file(path)
        connection = _opened(path)
        try:
            _prepare(connection, path, durable)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A read-only connection to an existing journal: neither its rows nor its format change.

    Raises :class:`StorageError` for a file that is no journal, is damaged, has another format or cannot be
    opened.
    """
    if not path.exists():
        raise StorageError(f"there is no journal {path}; --journal PATH names another one")
    with faults(path):
        _require_own(path)
        connection = _opened(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            _require_journal(connection, path)
            _make_own(path)
        except BaseException:
            connection.close()
            raise
    return connection


def _make_file(path: Path) -> None:
    """Folder and file are the user's alone; SQLite gives the files beside it the rights of the file.

    A file that is there must not be opened here: closing it again would drop the locks that SQLite has on
    it in this process (fcntl(2)), and another process would take the journal for its own.
    """
    make_own(path.parent)
    if path.parent.name == OWN_FOLDER and os.stat(path.parent).st_uid != os.geteuid():
        raise StorageError(
            f"the folder {path.parent} belongs to another user, who could replace the journal in it; "
            f"remove it, or {ELSEWHERE}"
        )
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    _require_own(path)


def _require_own(path: Path) -> None:
    """``resume`` runs the content of a journal: so it must belong to this user."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(f"{path} is not a file, so not a journal; {ELSEWHERE}")
    owners = {found.st_uid}
    for beside in _BESIDE:  # SQLite takes what is in it for changes of the journal
        with suppress(FileNotFoundError):
            owners.add(os.lstat(path.with_name(path.name + beside)).st_uid)
    if owners != {os.geteuid()}:
        raise StorageError(
            f"the journal {path} belongs to another user, who could have commands run as you with it; "
            f"copy it to have one of your own, or {ELSEWHERE}"
        )


def _make_own(path: Path) -> None:
    """Make a file that is known to be a journal, and no other program's, accessible to this user alone."""
    found = os.stat(path)
    if not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    for one in (path, *(path.with_name(path.name + beside) for beside in _BESIDE)):
        try:
            os.chmod(one, stat.S_IRUSR | stat.S_IWUSR)
        except OSError:  # it is not there; or the file system has no rights, or is not to be changed
            continue
    if os.stat(path).st_mode != found.st_mode and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        _log.warning("the journal %s could be written to by others; now it is yours alone", path)


def _opened(path: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    import sqlite3  # a run without a journal does not pay for it

    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StorageError(
            f"a journal needs SQLite {oldest} or later, and this Python has {sqlite3.sqlite_version}; "
            "use another Python, or --no-journal"
        )
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri)


def _require_journal(connection: sqlite3.Connection, path: Path) -> None:
    found, version, _ = _identity(connection)
    if found != APPLICATION_ID:
        raise StorageError(f"{path} is not a journal, or is still being created; {ELSEWHERE}")
    if version != VERSION:
        raise StorageError(
            f"{path} has format {version} and this batchmill reads format {VERSION}: "
            + ("update batchmill" if version > VERSION else "`batchmill runs` brings it up to date")
        )


def _prepare(connection: sqlite3.Connection, path: Path, durable: bool) -> None:
    found, version, tables = _identity(connection)
    if found != APPLICATION_ID and (found or version or tables):
        raise StorageError(f"{path} is a database of another program, not a journal; {ELSEWHERE}")
    if version > VERSION:
        raise StorageError(
            f"{path} was written by a newer batchmill (format {version}, this one knows up to {VERSION}); "
            f"update batchmill, or {ELSEWHERE}"
        )
    _make_own(path)
    _use_wal(connection)
    one_row(connection, f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    if version < VERSION:
        _migrate(connection)


def _identity(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Application id, format and number of tables, all of one moment: another may be making the journal."""
    connection.execute("BEGIN")
    try:
        return (
            _one(connection, "PRAGMA application_id"),
            _one(connection, "PRAGMA user_version"),
            _one(connection, "SELECT count(*) FROM sqlite_master"),
        )
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for another that changes the mode at the same moment: so it is done here."""
    import sqlite3

    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            one_row(connection, "PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as fault:
            if "is locked" not in str(fault) or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(BUSY_LOOK_SECONDS)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date in one transaction; another process may have been quicker."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(_one(connection, "PRAGMA user_version") + 1, VERSION + 1):
            for statement in filter(str.strip, schema(version).split(";\n")):
                connection.execute(statement)
            if (rest := MIGRATIONS.get(version)) is not None:
                rest(connection)
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _one(connection: sqlite3.Connection, query: str) -> int:
    found: Any = one_row(connection, query)[0]
    return int(found)


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the system into :class:`StorageError` with a remedy."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as fault:
        raise StorageError(_described(path, fault)) from fault
    except OSError as fault:
        raise StorageError(f"the journal {path} cannot be opened: {fault.strerror}; {ELSEWHERE}") from fault
    except (OverflowError, ValueError, TypeError, LookupError) as fault:  # what stands in it makes no sense
        raise StorageError(_damaged(path, fault)) from fault


def _described(path: Path, fault: sqlite3.Error) -> str:
    """By SQLite's own words, which are the same everywhere; its codes have no names under PyPy."""
    words = str(fault)
    if "not a database" in words:
        return f"{path} is not a journal ({words}); {ELSEWHERE}"
    if "is full" in words:
        return f"the journal {path} cannot be written: the disk is full; make room and resume the run"
    if any(sign in words for sign in ("readonly", "unable to open", "access permission")):
        return f"the journal {path} cannot be written: {words}; {ELSEWHERE}"
    if "is locked" in words:
        return f"the journal {path} is held by another process for more than {BUSY_SECONDS:g} s"
    if "I/O error" in words:
        return f"the journal {path} cannot be read or written: {words}; make sure that its disk has room"
    return _damaged(path, fault)


def _damaged(path: Path, fault: Exception) -> str:
    return f"the journal {path} is damaged ({fault}); move it away to begin a new one"
