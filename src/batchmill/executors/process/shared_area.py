"""The memory that a worker process shares with its parent: its progress, and room for chunks both ways.

Five files in memory-backed storage, mapped by both sides: the progress, two regions for chunks going in and
two for results coming out. Chunk number n uses the regions n % 2; at most two chunks are in flight, so
neither side writes where the other still reads. A region grows with its content, up to :data:`MOST_BYTES`;
larger content travels in a file of its own. Space is reserved before it is written: so a full disk is an
error, not a bus error in the middle of an item.
"""

from __future__ import annotations

import mmap
import os
import platform
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from batchmill.executors.running.progress import CELLS, Progress

CELLS_BYTES = 4096
FIRST_BYTES = 256 << 10
MOST_BYTES = 4 << 20


class Region:
    """One mapped file. One side writes and grows it, the other reads it; a side is one thread at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._view = memoryview(b"")
        self._map()

    @classmethod
    def create(cls, path: str, n_bytes: int) -> Region:
        """Create the file. Without room for it, raises OSError and leaves no file."""
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            _reserve(descriptor, 0, n_bytes)
            return cls(path)
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)

    def view(self, n_bytes: int) -> memoryview:
        """The region's memory, of which the other side has written at least ``n_bytes``."""
        if n_bytes > len(self._view):
            self._map()
        return self._view

    def room_for(self, n_bytes: int) -> memoryview | None:
        """The region's memory with at least ``n_bytes``, None when it cannot grow that far."""
        if n_bytes > len(self._view) and not self._grow(n_bytes):
            return None
        return self._view

    def _grow(self, n_bytes: int) -> bool:
        if n_bytes > MOST_BYTES:
            return False
        old, new = len(self._view), FIRST_BYTES
        while new < n_bytes:
            new *= 2
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except OSError:  # no descriptor to be had: it stays as it is
            return False
        try:
            _reserve(descriptor, old, new)
            self._map()
        except OSError:  # no room, or nothing to map it with
            os.ftruncate(descriptor, old)
            return False
        finally:
            os.close(descriptor)
        return True

    def _map(self) -> None:
        with open(self.path, "r+b") as file:
            self._view = memoryview(mmap.mmap(file.fileno(), 0))

    def remove(self) -> None:
        """Delete the file; the mapping goes when nothing refers to it any more."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:  # the folder was cleaned up before us
            pass


class SharedArea:
    """The files of one worker. The parent makes them with :meth:`create`, the worker attaches by path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._head = Region(path)
        self._inward = [Region(f"{path}-in{side}") for side in (0, 1)]
        self._outward = [Region(f"{path}-out{side}") for side in (0, 1)]
        cells = self._head.view(0)[: CELLS * 8].cast("q")
        self.progress = Progress(cells)  # type: ignore[arg-type]  # indexes like a list of int

    @classmethod
    def create(cls, path: str) -> SharedArea:
        """Create the files. Without room for them, raises OSError and leaves no file."""
        made: list[Region] = []
        try:
            made.append(Region.create(path, CELLS_BYTES))
            for name in ("in0", "in1", "out0", "out1"):
                made.append(Region.create(f"{path}-{name}", FIRST_BYTES))
            return cls(path)
        except BaseException:
            for region in made:
                region.remove()
            raise

    def inward(self, seq: int) -> Region:
        """Where chunk ``seq`` goes to the worker."""
        return self._inward[seq % 2]

    def outward(self, seq: int) -> Region:
        """Where the results of chunk ``seq`` come back."""
        return self._outward[seq % 2]

    def remove(self) -> None:
        """Delete the files, each even if another cannot be deleted. Raises OSError."""
        with ExitStack() as steps:
            for region in (self._head, *self._inward, *self._outward):
                steps.callback(region.remove)


def _reserve(descriptor: int, start: int, end: int) -> None:
    fallocate: Callable[..., Any] | None = getattr(os, "posix_fallocate", None)
    if fallocate is not None and platform.python_implementation() != "PyPy":  # which ignores its errors
        fallocate(descriptor, start, end - start)
        return
    os.lseek(descriptor, start, os.SEEK_SET)
    for _ in range(start, end, CELLS_BYTES):  # writing reserves as well
        os.write(descriptor, bytes(CELLS_BYTES))
