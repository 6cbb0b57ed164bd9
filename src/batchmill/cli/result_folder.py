"""``--results DIR``: the output of each command, in files of its own.

::

    DIR/7/stdout    DIR/7/stderr    DIR/7/exit_code    DIR/7/item
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Mapping

from batchmill.cli.item_rows import Printed
from batchmill.errors import StorageError
from batchmill.nodes.command import STREAMS
from batchmill.nodes.placeholders import text_of
from batchmill.values.words import count


class ResultFolder:
    """A folder for each item, named by its number from 1. Folders of items that are not this run's are those
    of an earlier run: they stay, as they may be all that is left of it, and :meth:`left_over` tells of them.
    Until it is closed, no other run writes there, as its items have the same numbers.
    Not locked: its owner calls it under a lock. Raises :class:`StorageError`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._added = bytearray()  # 1 for each item of this run, by index
        self._descriptor = -1
        try:
            os.makedirs(path, exist_ok=True)
            self._descriptor = _reserved(path)
            self._before = {int(one) - 1 for one in os.listdir(path) if _is_number(one)}
        except OSError as fault:
            self.close()
            raise self._fault(fault) from fault

    def has(self, index: int) -> bool:
        """Whether the files of an item were written in this pass."""
        return index < len(self._added) and bool(self._added[index])

    def add(self, index: int, item: object, outputs: Mapping[str, object]) -> None:
        """Write the files of an item that has ended."""
        folder = self._of(index)
        try:
            os.makedirs(folder, exist_ok=True)
            for stream in STREAMS:
                with open(os.path.join(folder, stream), "wb") as file:
                    for chunk in Printed.of(outputs, stream).chunks():
                        file.write(chunk)
            self._note(folder, "exit_code", str(outputs.get("exit_code", "")))
            self._note(folder, "item", text_of(item))
        except OSError as fault:
            raise self._fault(fault) from fault
        self._added.extend(bytes(max(0, index + 1 - len(self._added))))
        self._added[index] = 1
        self._before.discard(index)

    def close(self) -> None:
        """Nothing more is written; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def left_over(self) -> str:
        """What to tell the user of folders that an earlier run has left; "" if there are none."""
        if not self._before:
            return ""
        first, last = min(self._before) + 1, max(self._before) + 1
        which = f"{first}" if first == last else f"between {first} and {last}"
        return f"{self._path} still has {count(len(self._before), 'folder')} from before ({which})"

    def _of(self, index: int) -> str:
        return os.path.join(self._path, str(index + 1))

    def _note(self, folder: str, name: str, text: str) -> None:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def _fault(self, fault: OSError) -> StorageError:
        return StorageError(f"results cannot be written into {self._path}: {fault.strerror or fault}")


def _reserved(path: str) -> int:
    """The descriptor of a folder that stays this process's as long as it is open. Raises OSError if it is
    another's."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OSError(errno.EBUSY, "another run is writing there") from None
    except OSError:  # some network file systems have no locks
        pass
    return descriptor


def _is_number(name: str) -> bool:
    """Whether it is the name of an item's folder."""
    return name.isascii() and name.isdecimal() and not name.startswith("0")
