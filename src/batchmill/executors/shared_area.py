"""The memory a worker process shares with its parent: the cells, and room for chunks both ways.

One file in memory-backed storage, mapped by both sides:

    cells | in 0 | in 1 | out 0 | out 1

Chunk number n goes in through ``in n % 2`` and its results come back through ``out n % 2``; at most
two chunks are under way, so neither side writes where the other still reads. What does not fit
travels in a file of its own. Space is reserved when the file is made: a full disk is an error then,
not a bus error in the middle of an item.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Any

from batchmill.executors.cells import CELLS, Cells

HEADER = 4096
REGION = 256 << 10
SIZE = HEADER + 4 * REGION


class SharedArea:
    """The mapping. The parent makes it with :meth:`create`, the worker attaches by path."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)
        self._view = memoryview(self._map)
        self.cells: Cells = self._view[: CELLS * 8].cast("q")  # type: ignore[assignment]  # indexes like a list of int

    @classmethod
    def create(cls, path: str) -> SharedArea:
        """Make the file. Raises OSError when there is no room for it."""
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            _reserve(descriptor)
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        return cls(path)

    def inward(self, seq: int) -> memoryview:
        """Where chunk ``seq`` goes to the worker."""
        return self._region(seq % 2)

    def outward(self, seq: int) -> memoryview:
        """Where the results of chunk ``seq`` come back."""
        return self._region(2 + seq % 2)

    def _region(self, number: int) -> memoryview:
        start = HEADER + number * REGION
        return self._view[start : start + REGION]

    def remove(self) -> None:
        """Delete the file; the mapping goes when nobody refers to it any more."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:  # the folder was cleaned up before us
            pass


def _reserve(descriptor: int) -> None:
    fallocate: Callable[..., Any] | None = getattr(os, "posix_fallocate", None)
    if fallocate is not None:
        fallocate(descriptor, 0, SIZE)
        return
    for _ in range(SIZE // HEADER):  # no such call: writing reserves as well
        os.write(descriptor, bytes(HEADER))
