"""``--results DIR``: the output of each command, in files of its own.

::

    DIR/7/stdout    DIR/7/stderr    DIR/7/exit_code    DIR/7/item
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from batchmill.cli.item_rows import Printed
from batchmill.errors import StorageError
from batchmill.nodes.command import STREAMS
from batchmill.nodes.placeholders import text_of
from batchmill.values.words import count

OURS = frozenset({*STREAMS, "exit_code", "item"})


class ResultFolder:
    """A folder for each item, named by its number from 1. Folders of items that are not this run's are those
    of an earlier run; :meth:`tidy` removes them. Not locked: its owner calls it under a lock. Raises
    :class:`StorageError`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._added = bytearray()  # 1 for each item of this run, by index
        try:
            os.makedirs(path, exist_ok=True)
            self._before = {int(one) - 1 for one in os.listdir(path) if _is_number(one)}
        except OSError as fault:
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

    def tidy(self, *, whole: bool) -> str:
        """Remove the folders that an earlier run has left, and return what to tell the user; "" for nothing.
        If the run is not ``whole``, they stay, and so do folders with other files in them."""
        removed = [index for index in sorted(self._before) if whole and self._removed(self._of(index))]
        stay = sorted(self._before.difference(removed))
        told = []
        if removed:
            told.append(f"removed {count(len(removed), 'folder')} of an earlier run from {self._path}")
        if stay:
            which = f"{stay[0] + 1}" if len(stay) == 1 else f"between {stay[0] + 1} and {stay[-1] + 1}"
            told.append(f"{self._path} still has {count(len(stay), 'folder')} of an earlier run ({which})")
        return "; ".join(told)

    def _of(self, index: int) -> str:
        return os.path.join(self._path, str(index + 1))

    def _removed(self, folder: str) -> bool:
        """Remove a folder that holds only our files; whether it is gone."""
        try:
            names = os.listdir(folder)
            if not OURS.issuperset(names):
                return False
            for name in names:
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)
        except OSError:
            return False
        return True

    def _note(self, folder: str, name: str, text: str) -> None:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def _fault(self, fault: OSError) -> StorageError:
        return StorageError(f"results cannot be written into {self._path}: {fault.strerror or fault}")


def _is_number(name: str) -> bool:
    """Whether it is the name of an item's folder."""
    return name.isascii() and name.isdecimal() and not name.startswith("0")
