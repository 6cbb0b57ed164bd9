"""Calls under way: each is entered before it is made, so none is lost however its process ends.

A call has a file of its own, named by its id, in a folder of the run:

    begin   a line that says who calls which service, and the use to count if the call never returns
    end     a second line, with the result of the call
    forget  removes the file: the call was not made, or is in the ledger

So a folder holds as many files as calls are under way. After a kill the files describe the calls of that
moment: completely with the second line; the first one alone only says that they were made. Prompts and
answers are not written, because only the process of the run itself knows the secrets in them.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from batchmill.errors import StorageError
from batchmill.record.call import LLMCall

NUMBER_KEY = "pass"  # in a line, beside the fields of the call: the number of the pass


@dataclass(frozen=True, slots=True)
class CallsUnderWay:
    """Where an attempt enters its calls; ``node`` and ``index`` are the ones that make them.

    Travels to worker processes of the same machine. If the folder does not exist (on another machine, or once
    the run has ended) calls are not entered, and only the records of their attempts have them.

    Concurrency: any thread and process may call any method; each call is one caller's.
    """

    folder: str
    number: int = 1
    durable: bool = False
    node: str = ""
    index: int | None = None

    def of(self, node: str, index: int | None = None) -> CallsUnderWay:
        """The same for calls of ``node``, of its item ``index`` where it is a batch."""
        return replace(self, node=node, index=index)

    def begin(self, call: LLMCall) -> None:
        """Enter a call that is about to be made. Raises :class:`StorageError`: then it must not be."""
        try:
            self._write(call, os.O_CREAT | os.O_EXCL)
        except OSError as error:
            self.forget([call.id])
            message = f"a call of {call.model!r} cannot be entered in {self.folder}: {error.strerror}"
            raise StorageError(f"{message}; it was not made") from error

    def end(self, call: LLMCall) -> None:
        """Enter the result of a call. A failed write loses nothing, because the attempt records the
        call too."""
        try:
            self._write(call, 0)
        except OSError:
            pass

    def forget(self, ids: Iterable[str]) -> None:
        """Remove calls that were not made, or that are in the ledger."""
        for one in ids:
            try:
                os.unlink(os.path.join(self.folder, one))
            except OSError:  # it was not entered here
                pass

    def _write(self, call: LLMCall, flags: int) -> None:
        index = self.index if call.index is None else call.index
        shown = replace(call, node=call.node or self.node, index=index, prompt="", response="")
        line = json.dumps({NUMBER_KEY: self.number, **shown.as_json()}).encode("ascii") + b"\n"
        path = os.path.join(self.folder, call.id)
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
        except FileNotFoundError:
            return
        try:
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.durable:
                os.fsync(file)
        finally:
            os.close(file)


def calls_left(folder: str | Path) -> Iterator[dict[str, object]]:
    """The calls in a folder, as plain data with the number of their pass under :data:`NUMBER_KEY`."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # there is none
        return
    for name in names:
        found = _last_line(os.path.join(folder, name))
        if found is not None:
            yield found


def _last_line(path: str) -> dict[str, object] | None:
    """The last whole line; None for a file whose process was killed before its call began."""
    try:
        lines = Path(path).read_bytes().split(b"\n")[:-1]
    except OSError:  # its call came to stand in the ledger just now
        return None
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("id"):
            return found
    return None
