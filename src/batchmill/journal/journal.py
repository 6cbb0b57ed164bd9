"""A journal: an SQLite file and the folders beside it.

::

    .batchmill/runs.sqlite          the journal, with -wal and -shm beside it during writes
    .batchmill/runs.sqlite.files/   large values, by digest
    .batchmill/runs.sqlite.locks/   a file for each running run
    .batchmill/runs.sqlite.outputs/ the output of commands of `map`, a folder for each run
    .batchmill/runs.sqlite.calls/   calls of language models in flight, in a folder for each run
    .batchmill/runs.sqlite.items/   the work inside unfinished items, in a folder for each run
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from batchmill.errors import StorageError, UnknownRun
from batchmill.journal.calls import Ledger
from batchmill.journal.contract import READER_LEFT, REUSE_ALL, Codec, Reuse, RunRecord
from batchmill.journal.database import connect, faults
from batchmill.journal.encoding import encode_shown
from batchmill.journal.files import ValueFiles
from batchmill.journal.locks import RunLock, is_locked
from batchmill.journal.rows import RowWriter
from batchmill.journal.runlog import SqliteRunLog
from batchmill.journal.statements import one_row, statement
from batchmill.journal.writer import Writer
from batchmill.values.masking import Masker

DEFAULT_PATH = Path(".batchmill/runs.sqlite")
LAST = "last"
_FOLDER_NAME = re.compile(r"[0-9a-f]{16}")
_NO_CODEC = Codec(list, tuple)


class Journal:
    """The journal at ``path``. With ``durable`` every commit reaches the disk: it survives a power cut, not
    only the end of the process. A ``temporary`` journal is removed when its run has ended and only reports
    what the run did: nothing in it is reused, and the run continues if it cannot be written; ``fault`` then
    says why it is incomplete. Nothing is opened or created before you call a method."""

    def __init__(
        self, path: str | Path = DEFAULT_PATH, *, durable: bool = False, temporary: bool = False
    ) -> None:
        self.path = Path(path).absolute()
        self.durable = durable
        self.temporary = temporary
        self.fault: StorageError | None = None
        self.files = ValueFiles(self.path.with_name(self.path.name + ".files"), durable=durable)
        self.locks = self.path.with_name(self.path.name + ".locks")
        self.outputs = self.path.with_name(self.path.name + ".outputs")
        self.calls = self.path.with_name(self.path.name + ".calls")
        self.items = self.path.with_name(self.path.name + ".items")

    def begin(
        self,
        run: RunRecord,
        *,
        codec: Codec = _NO_CODEC,
        masker: Masker | None = None,
        failed: Callable[[StorageError], None] = lambda fault: None,
        order: Sequence[str] = (),
        asks: bool = True,
    ) -> SqliteRunLog:
        """Begin a run under a new name. ``failed`` is called, from a thread, when the journal can no longer
        be written. ``order`` has the addresses of the nodes in the order of the document, ``asks`` says that
        some of them call language models. Raises :class:`StorageError`."""
        run = replace(run, name=secrets.token_hex(4), started_at=time.time(), passes=1)
        masker = masker or Masker()
        connection = connect(self.path, durable=self.durable)
        with _closing_on_error(connection):
            lock = RunLock(self.locks, run.name)
        try:
            with faults(self.path), _closing_on_error(connection):
                fields = {"name": run.name, "at": run.started_at, **_texts(run, masker)}
                paths = {"source": _path(run.source), "folder": _path(run.folder)}
                added = connection.execute(statement("begin_run"), {**fields, **paths})
                run = replace(run, id=int(added.lastrowid or 0))
            return self._log(run, REUSE_ALL, connection, lock, codec, masker, failed, order, asks=asks)
        except BaseException:
            lock.release()
            raise

    def resume(
        self,
        name: str,
        run: RunRecord,
        reuse: Reuse = REUSE_ALL,
        *,
        lock: RunLock,
        codec: Codec = _NO_CODEC,
        masker: Masker | None = None,
        failed: Callable[[StorageError], None] = lambda fault: None,
        order: Sequence[str] = (),
        asks: bool = True,
    ) -> SqliteRunLog:
        """Begin a further pass of the run ``name``, with the present document, inputs and settings in
        ``run``; takes over ``lock``, that of the run. The rest is as for :meth:`begin`. Raises
        :class:`StorageError`."""
        masker = masker or Masker()
        connection = connect(self.path, durable=self.durable, create=False)
        with faults(self.path), _closing_on_error(connection):
            fields = {"id": run.id, **_texts(run, masker)}
            passes = one_row(connection, statement("begin_pass"), fields)[0]
            run = replace(run, name=name, passes=int(passes))
        return self._log(run, reuse, connection, lock, codec, masker, failed, order, asks=asks)

    def _log(
        self,
        run: RunRecord,
        reuse: Reuse,
        connection: Any,
        lock: RunLock,
        codec: Codec,
        masker: Masker,
        failed: Callable[[StorageError], None],
        order: Sequence[str],
        *,
        asks: bool,
    ) -> SqliteRunLog:
        with _closing_on_error(connection):
            writer = Writer(connect(self.path, durable=self.durable, create=False), self.path, failed)

        def refer(digest: str) -> None:
            writer.put("add_file", [(digest, run.id)])

        epoch = time.time() - time.perf_counter()
        rows = RowWriter(self.files, codec, masker, run.passes, refer, epoch)
        folder = self.calls / run.name
        ledger = Ledger(run.id, run.passes, folder, writer, codec, masker, order, durable=self.durable)
        how = {"temporary": self.temporary, "durable": self.durable}
        log = SqliteRunLog(run, connection, writer, lock, self.path, rows, ledger, reuse=reuse, **how)
        try:
            ledger.absorb()  # what the pass before was at when its process ended
            if asks:
                ledger.open()
        except BaseException:
            log.close()
            raise
        return log

    def outputs_of(self, name: str) -> Path:
        """The folder called ``name`` for the output of a run's commands. Raises :class:`StorageError` for an
        invalid name, because the folder is deleted with the run."""
        if not _FOLDER_NAME.fullmatch(name):
            raise StorageError(
                f"the journal {self.path} has a run with outputs in {name!r}, which is no name"
            )
        return self.outputs / name

    def lock(self, name: str) -> RunLock:
        """Take the run ``name`` for this process. Raises :class:`~batchmill.errors.RunLocked`."""
        return RunLock(self.locks, name)

    def is_running(self, name: str) -> bool:
        """Whether a process runs it now."""
        return is_locked(self.locks, name)


class _closing_on_error:  # noqa: N801  # used like a function
    """Close a connection if its use fails."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: object, trace: object) -> None:
        if kind is not None:
            self._connection.close()


def _texts(run: RunRecord, masker: Masker) -> dict[str, str]:
    """The parts of a run that are stored as JSON."""
    parts = {"document": run.document, "inputs": dict(run.inputs), "settings": dict(run.settings)}
    return {name: encode_shown(masker.value(value)) for name, value in parts.items()}


def _path(path: str) -> str | bytes:
    """A path as SQLite takes it: as bytes where it is not UTF-8."""
    encoded = os.fsencode(path)
    return path if encoded.decode(errors="replace") == path else encoded


def chosen(runs: Sequence[RunRecord], name: str) -> RunRecord:
    """The run that ``name`` means: its name, a beginning that no other has, the latest that its caller gave
    this name, or ``last``. ``runs`` are in order, the latest first. Raises :class:`UnknownRun`."""
    if name == LAST and runs:
        return runs[0]
    found = [run for run in runs if run.name == name] or [run for run in runs if run.label == name][:1]
    found = found or [run for run in runs if run.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownRun(f"several runs begin with {name!r}: {', '.join(run.name for run in found[:5])}")
    raise UnknownRun(f"the journal has no run {name!r}; `batchmill runs` lists all")


def unfit_name(name: str) -> str:
    """Why a run cannot be called ``name``, "" if it can: no command would find it."""
    if not name.strip():
        return "it is empty"
    if name == LAST:
        return f"{LAST!r} means the latest run"
    if "=" in name:
        return "a word with `=` is an input"
    return "a word that begins with `-` is an option" if name.startswith("-") else ""


def _is_open(run: RunRecord, failed_only: bool) -> bool:
    return not run.finished or (failed_only and run.status == "degraded")


def chosen_to_resume(runs: Sequence[RunRecord], name: str | None, failed_only: bool = False) -> RunRecord:
    """The run called ``name``; with None the latest that was interrupted or failed, with ``failed_only`` also
    a degraded one; without such a run the latest that is running, or the latest of all. A run whose reader
    left was a look at the first results: it is resumed by its name only. Raises :class:`UnknownRun` if there
    is none."""
    if name is not None:
        return chosen(runs, name)
    looks = [run for run in runs if run.status == READER_LEFT]
    open_ones = [run for run in runs if _is_open(run, failed_only) and run not in looks]
    found = [run for run in open_ones if run.status != "running"] or open_ones
    found = found or [run for run in runs if run.finished]
    if found:
        return found[0]
    if looks:
        raise UnknownRun(f"the only run to continue is {looks[0].name}, whose reader stopped: give its name")
    raise UnknownRun("the journal has no runs yet")
