"""Open the inputs of items as bytes: files, pipes, standard input, decompressed if needed.

A stream gives what there is as it comes, so that a line in a pipe need not wait for the next one.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import stat
import sys
import termios
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import FileIO
from typing import Any

from batchmill.errors import StorageError
from batchmill.items.unpacking import DAMAGED, Read, unpacked

Opened = Callable[[], AbstractContextManager[Read]]
"""Opens a stream from its beginning, and closes it."""

STDIN = "standard input"

READ_BYTES = 1 << 16
READING_FAULTS = DAMAGED
CHANGED = "the file was changed while it was read; read a copy that nobody writes to"


class InputStopped(Exception):  # an answer to who reads, not an error of anybody's
    """Raised while waiting for input that is no longer needed."""


class Waker:
    """Ends a wait for a pipe or a terminal.

    Concurrency: one thread waits, any thread may wake it; no field ever changes.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        for number in (self._reading, self._writing):
            weakref.finalize(self, os.close, number)

    def wake(self) -> None:
        """End a wait that is, and all to come."""
        with suppress(BlockingIOError):  # there are wakings enough in there
            os.write(self._writing, b"\0")

    def wait(self, number: int) -> None:
        """Wait until there is something to read or the end. Raises :class:`InputStopped`."""
        poll = select.poll()
        poll.register(number, select.POLLIN)
        poll.register(self._reading, select.POLLIN)
        if any(ready == self._reading for ready, _ in poll.poll()):
            raise InputStopped


def is_live(place: str) -> bool:
    """Whether a path leads to a pipe, a terminal or the like: reading waits, and takes away what is there."""
    try:
        mode = os.stat(place).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode))


@contextmanager
def opened(place: str, waker: Waker | None = None) -> Iterator[Read]:
    """The bytes of a file or pipe, decoded where they are compressed; ``waker`` is given for a live one.

    Raises :class:`StorageError` where it cannot be opened. Reading raises :data:`READING_FAULTS` and
    :class:`InputStopped`.
    """
    if place in _STDIN_NAMES and sys.stdin is None:  # the number may be that of another file by now
        raise StorageError(_CLOSED)
    # Opening a pipe without a writer would block, so the pipe is awaited when it is first read.
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if waker is None else os.O_NONBLOCK)
    try:
        file = open(place, "rb", buffering=0, opener=lambda path, _: os.open(path, flags))  # noqa: SIM115  # closed below, opened here for its errors alone
    except (OSError, ValueError) as fault:
        reason = (fault.strerror if isinstance(fault, OSError) else None) or fault
        raise StorageError(f"items cannot be read from {place}: {reason}") from fault
    with file:
        read = _watched(file) if waker is None else _waiting(file.fileno(), waker)
        yield unpacked(read)


def _watched(file: FileIO) -> Read:
    """The bytes of a file, until the file changes: a mix of old and new content would be wrong data."""

    def read(size: int = -1) -> bytes:
        data = file.read(size)
        if file_state(file.fileno()) != before:
            raise OSError(CHANGED)
        return data or b""

    before = file_state(file.fileno())
    return read


def file_state(file: str | int) -> tuple[int, ...] | None:
    """A value that changes with the content of a file, given by path or descriptor; None if it is no file."""
    found = os.stat(file)
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


_STDIN_NAMES = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_CLOSED = "items cannot be read from standard input: it is closed"


def _waiting(number: int, waker: Waker) -> Read:
    def read(size: int = READ_BYTES) -> bytes:
        while True:
            waker.wait(number)
            try:
                return os.read(number, size if size > 0 else READ_BYTES)
            except BlockingIOError:  # somebody else was quicker
                continue

    return read


def standard_input_numbers() -> tuple[int, ...]:
    """The descriptor of standard input, none where it has none."""
    try:
        return () if sys.stdin is None else (sys.stdin.fileno(),)
    except (AttributeError, OSError, ValueError):  # closed, or somebody put text in its place
        return ()


@contextmanager
def standard_input(waker: Waker) -> Iterator[Read]:
    """Standard input. Raises :class:`StorageError` where there is none.

    It is read past Python's own buffer: a thread that waits in there when the program ends would hang it.
    """
    stream: Any = sys.stdin
    if stream is None or stream.closed:
        raise StorageError(_CLOSED)
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):  # somebody put text in its place
        yield lambda size: stream.readline(size).encode("utf-8", "surrogateescape")
        return
    yield unpacked(_waiting(number, waker))


def standard_input_is_empty(*, wait: bool = True) -> bool:
    """Whether there is no standard input, or it is at its end; no data is consumed. For a pipe, waits for the
    first bytes or the end; without ``wait`` a pipe without data at the moment counts as empty. A terminal is
    never empty, because somebody may still type."""
    stream: Any = sys.stdin
    if stream is None or stream.closed:
        return True
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):  # somebody put text in its place
        return _nothing_left(stream)
    found = os.fstat(number)
    if stat.S_ISREG(found.st_mode):
        return os.lseek(number, 0, os.SEEK_CUR) >= found.st_size
    if stat.S_ISCHR(found.st_mode):
        return os.path.exists(os.devnull) and found.st_rdev == os.stat(os.devnull).st_rdev
    poll = select.poll()
    poll.register(number, select.POLLIN)
    poll.poll(None if wait else 0)
    waiting = array.array("i", [0])
    fcntl.ioctl(number, termios.FIONREAD, waiting)
    return not waiting[0]


def _nothing_left(stream: Any) -> bool:
    place = stream.tell()
    found = stream.read(1)
    stream.seek(place)
    return not found
