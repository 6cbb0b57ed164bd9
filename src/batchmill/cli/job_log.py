"""``--joblog FILE``: a line for each item as it ends, in the columns of GNU parallel's."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import RawIOBase
from typing import Any

from batchmill.cli.item_rows import Printed
from batchmill.errors import StorageError
from batchmill.events import Event, WorkerJoined
from batchmill.outcome import Outcome
from batchmill.report import joblog, text

HEADING_SECONDS = 1.0  # that another run may take to begin the file; who locks it for longer is no run
_PAUSE = 0.01


class JobLog:
    """``command`` gives the command of an item as text. Appends lines to an existing file, to
    which other runs may append at the same time. Raises :class:`StorageError` if it cannot be written.

    Concurrency: ``add`` and ``close`` are called under the printer's lock, ``heard`` by any thread; ``_lock``
    guards ``_hosts``.
    """

    def __init__(self, path: str, command: Callable[[Any, int], str]) -> None:
        self._path = path
        self._command = command
        self._lock = threading.Lock()
        self._hosts: dict[int | None, str] = {}  # by worker of a cluster
        try:
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115  # until the run has ended
            self._begin()
        except OSError as fault:
            raise self._fault(fault) from fault

    def _begin(self) -> None:
        """Write the heading, unless another run has begun the file, which may be at this moment."""
        patient_until = time.monotonic() + HEADING_SECONDS
        while not _locked(self._file) and time.monotonic() < patient_until:
            time.sleep(_PAUSE)
        if not os.fstat(self._file.fileno()).st_size:
            self._file.write(joblog.HEAD.encode())
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def heard(self, event: Event) -> None:
        """Workers of a cluster have joined before any item of theirs is added."""
        if isinstance(event, WorkerJoined):
            with self._lock:
                self._hosts[event.worker] = text.line(event.host)

    def add(self, item: object, outputs: Mapping[str, object], outcome: Outcome) -> None:
        """Enter an item that has just ended."""
        with self._lock:
            host = self._hosts.get(outcome.worker) or joblog.LOCAL
        code, error = outputs.get("exit_code"), outcome.error
        how = joblog.ended(
            code if isinstance(code, int) else None,
            failed=error is not None,
            overdue=error is not None and error.kind == "timeout",
        )
        fields = (
            outcome.index + 1, host, f"{time.time() - outcome.wall:.3f}", f"{outcome.wall:10.3f}", 0,
            Printed.of(outputs, "stdout").size(), *how, joblog.one_line(self._command(item, outcome.index)),
        )  # fmt: skip
        try:
            self._file.write("\t".join(map(str, fields)).encode("utf-8", "surrogateescape") + b"\n")
        except OSError as fault:
            raise self._fault(fault) from fault

    def close(self) -> None:
        """End it."""
        self._file.close()

    def _fault(self, fault: OSError) -> StorageError:
        return StorageError(f"the job log {self._path} cannot be written: {fault.strerror or fault}")


def _locked(file: RawIOBase) -> bool:
    """Whether it is ours for now, or cannot be locked at all, as on some network file systems."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
