"""The whole output of a command: in memory while it is small, in a file from then on."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import deque
from typing import BinaryIO

IN_MEMORY = 16 << 10
"""Bytes of each stream of an item that are held; a window of thousands of items holds as many of them."""
_END_BYTES = 4096  # of what is in a file, for messages


class Spool:
    """Receives a stream of a command; see :class:`~batchmill.nodes.process.Sink`. Files are created in
    ``folder``, which only the user can access, and belong to the reader of :attr:`path`.

    If a file cannot be written, :attr:`fault` says so once the command has ended: the command is not
    disturbed.
    """

    truncated = False  # nothing is ever thrown away

    def __init__(self, folder: str, name: str, in_memory: int = IN_MEMORY) -> None:
        self._folder = folder
        self._name = name
        self._left = in_memory
        self._pieces: list[bytes] = []
        self._end: deque[bytes] = deque()
        self._file: BinaryIO | None = None
        self.path: str | None = None
        self.size = 0
        self.fault: OSError | None = None

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.path is None and self.fault is None and len(piece) <= self._left:
            self._left -= len(piece)
            self._pieces.append(piece)
            return
        if self.fault is not None:
            return
        try:
            self._write(piece)
        except OSError as fault:
            self.fault = fault
            self._pieces.clear()

    def _write(self, piece: bytes) -> None:
        if self._file is None:
            descriptor, self.path = tempfile.mkstemp(dir=self._folder, prefix=f"{self._name}.")
            self._file = os.fdopen(descriptor, "wb", buffering=0)
            held = b"".join(self._pieces)
            self._pieces.clear()
            self._write_all(held)
            self._keep_end(held)
        self._write_all(piece)
        self._keep_end(piece)

    def _write_all(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left and self._file is not None:
            left = left[self._file.write(left) or 0 :]

    def _keep_end(self, piece: bytes) -> None:
        self._end.append(piece[-_END_BYTES:])
        while sum(map(len, self._end)) - len(self._end[0]) >= _END_BYTES:
            self._end.popleft()

    def value(self) -> bytes:
        """All of it where it is in memory, else its end."""
        return b"".join(self._pieces or self._end)

    def close(self) -> None:
        """Nothing more comes."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def discard(self) -> None:
        """Remove the file, if there is one."""
        self.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
            self.path = None
