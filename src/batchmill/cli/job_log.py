"""``--joblog FILE``: a line for each item as it ends, in the columns of GNU parallel's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from batchmill.cli.item_rows import Printed
from batchmill.errors import StorageError

HEAD = ("Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command")
_SIGNALLED = 128


class JobLog:
    """``command`` gives the command of an item as text. Used under the lock of the printer.

    Appends lines to an existing file. Raises :class:`StorageError` if it cannot be written.
    """

    def __init__(self, path: str, command: Callable[[Any, int], str]) -> None:
        self._path = path
        self._command = command
        try:
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115  # until the run has ended
            if not os.fstat(self._file.fileno()).st_size:
                self._file.write("\t".join(HEAD).encode() + b"\n")
        except OSError as fault:
            raise self._fault(fault) from fault

    def add(self, index: int, item: object, outputs: Mapping[str, object], wall: float) -> None:
        """Enter an item that took ``wall`` seconds and has just ended."""
        code = outputs.get("exit_code")
        number = code - _SIGNALLED if isinstance(code, int) and code > _SIGNALLED else 0
        received = Printed.of(outputs, "stdout").size()
        fields = (
            index + 1,
            ":",
            f"{time.time() - wall:.3f}",
            f"{wall:.3f}",
            0,
            received,
            -1 if code is None else 0 if number else code,
            number,
            self._command(item, index).replace("\n", " ").replace("\t", " "),
        )
        try:
            self._file.write("\t".join(map(str, fields)).encode("utf-8", "surrogateescape") + b"\n")
        except OSError as fault:
            raise self._fault(fault) from fault

    def close(self) -> None:
        """End it."""
        self._file.close()

    def _fault(self, fault: OSError) -> StorageError:
        return StorageError(f"the job log {self._path} cannot be written: {fault.strerror or fault}")
