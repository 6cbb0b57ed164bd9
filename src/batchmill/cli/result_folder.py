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


class ResultFolder:
    """A folder for each item, named by its number from 1. Raises :class:`StorageError`."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as fault:
            raise self._fault(fault) from fault

    def add(self, index: int, item: object, outputs: Mapping[str, object]) -> None:
        """Write the files of an item that has ended."""
        folder = os.path.join(self._path, str(index + 1))
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

    def _note(self, folder: str, name: str, text: str) -> None:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def _fault(self, fault: OSError) -> StorageError:
        return StorageError(f"results cannot be written into {self._path}: {fault.strerror or fault}")
