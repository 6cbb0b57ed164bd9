"""A log that processes of one machine share: lines of JSON in a file without a name.

Each process reads on from where it was, and writes at the end, while it holds the file's lock. Others open
the file by the descriptor of the process that made it, for as long as that lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from batchmill.lists.spill import unnamed_file

LogAddress = tuple[int, int, tuple[int, int]]
"""Process, descriptor, and the inode it must have."""

_BY_PROCESS = "/proc/{}/fd/{}"


class SharedLog:
    """Concurrency: used by one thread at a time; the owner sees to that."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._read = 0
        self._close = weakref.finalize(self, os.close, number)

    @classmethod
    def new(cls) -> SharedLog | None:
        """An empty log; None where other processes could not open it."""
        try:
            log = cls(unnamed_file())
        except OSError:
            return None
        if os.path.exists(_BY_PROCESS.format(os.getpid(), log._number)):
            return log
        log.close()
        return None

    @classmethod
    def at(cls, address: LogAddress) -> SharedLog | None:
        """The log of another process; None where it is out of reach."""
        process, number, identity = address
        try:
            log = cls(os.open(_BY_PROCESS.format(process, number), os.O_RDWR | os.O_CLOEXEC))
        except OSError:
            return None
        if log.address[2] == identity:
            return log
        log.close()
        return None

    @property
    def address(self) -> LogAddress:
        """The argument for :meth:`at` in another process."""
        found = os.fstat(self._number)
        return os.getpid(), self._number, (found.st_dev, found.st_ino)

    @contextmanager
    def locked(self) -> Iterator[list[dict[str, object]]]:
        """Hold the lock; gives what others have written since the last time."""
        fcntl.flock(self._number, fcntl.LOCK_EX)
        try:
            size = os.fstat(self._number).st_size
            data = os.pread(self._number, size - self._read, self._read)
            self._read = size
            yield [json.loads(line) for line in data.splitlines()]
        finally:
            fcntl.flock(self._number, fcntl.LOCK_UN)

    def append(self, change: dict[str, object]) -> None:
        """Write a change of our own, with the lock held."""
        data = json.dumps(change).encode() + b"\n"
        os.pwrite(self._number, data, self._read)
        self._read += len(data)

    def close(self) -> None:
        """Let go of the file."""
        self._close()
