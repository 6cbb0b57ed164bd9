"""A file for values that should not be in memory, and their format in it.

The file has no name, so no other process can open it, and it disappears with this process however it ends.
Values are pickled, which preserves their types; only the process that wrote the bytes and its workers read
them, never a file that somebody else could have made.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

_BY_PROCESS = "/proc/{}/fd/{}"
_FIRST_READ, _READ = 1 << 12, 1 << 16  # bytes read together once a second value is asked for


class SpillError(OSError):
    """Raised when values cannot be put into the file or read back: a full disk, a file cut short."""

    def __str__(self) -> str:
        return str(self.strerror)


class NotWritable(Exception):  # an answer, not an error of anybody's
    """Raised for a value that can only be held."""


class SpillFile:
    """Bytes at offsets. A copy in another process, made by pickling, can only be read.

    Concurrency: one thread writes; any thread may read bytes that were written before. Reads do not share a
    file position, so they need no lock.
    """

    def __init__(self, number: int, end: int = 0) -> None:
        import pickle  # a small run needs none of this

        from batchmill.lists.basic import BasicPickler

        self.end = end
        self._number = number
        self._dumps, self._loads = pickle.dumps, pickle.loads
        self._basic = BasicPickler()
        weakref.finalize(self, os.close, number)

    @classmethod
    def new(cls) -> SpillFile:
        """An empty file. Raises :class:`SpillError`."""
        return cls(unnamed_file())

    def dump(self, value: object) -> bytes:
        """``value`` as bytes that :meth:`load` turns into an equal value. Raises :class:`NotWritable`."""
        try:
            data = self._dumps(value, 5)
            if b"\x93" in data or b"\x82" in data or b"\x83" in data or b"\x84" in data:
                self._loads(data)  # there may be objects in it, and some pickle one way only
        except Exception as fault:  # whatever an object's own code raises
            raise NotWritable from fault
        return data

    def dump_basic(self, value: object) -> bytes | None:
        """The same for a value of basic types only (:mod:`batchmill.lists.basic`); None for others. After a
        None, only :meth:`dump`."""
        return self._basic.dumped(value)

    def load(self, data: bytes) -> Any:
        """The value that was given to :meth:`dump`: our own bytes, from a file that no other process can
        open."""
        return self._loads(data)

    @property
    def can_be_shared(self) -> bool:
        """Whether another process of this machine can open it."""
        return os.path.exists(_BY_PROCESS.format(os.getpid(), self._number))

    def append(self, data: bytes) -> int:
        """Write ``data`` at the end; the offset it begins at. Raises :class:`SpillError`."""
        start = self.end
        self.write_at(start, data)
        self.end += len(data)
        return start

    def reserve(self, length: int) -> int:
        """The offset of ``length`` bytes that read as zeros until they are written."""
        self.end += length
        return self.end - length

    def write_at(self, offset: int, data: bytes) -> None:
        """Write ``data`` from ``offset`` on. Raises :class:`SpillError`."""
        left = memoryview(data)
        try:
            while left:
                written = os.pwrite(self._number, left, offset)
                left = left[written:]
                offset += written
        except OSError as fault:
            raise _refused(fault) from fault

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes; zeros where space was reserved but not written. Raises :class:`SpillError`."""
        found = b""
        try:
            while len(found) < length:
                more = os.pread(self._number, length - len(found), offset + len(found))
                if not more:
                    return found + bytes(length - len(found))
                found = found + more if found else more
        except OSError as fault:
            raise _refused(fault) from fault
        return found

    def __reduce__(self) -> tuple[object, ...]:
        found = os.fstat(self._number)
        return _opened, (os.getpid(), self._number, (found.st_dev, found.st_ino), self.end)


class SpillReader:
    """Reads neighbouring bytes in few steps, with a growing read-ahead."""

    def __init__(self, file: SpillFile) -> None:
        self._file = file
        self._ahead = 0
        self._start = 0
        self._bytes = b""
        self._list_at = -1
        self._list: list[Any] = []

    def read(self, offset: int, length: int) -> bytes:
        place = offset - self._start
        if place < 0 or place + length > len(self._bytes):
            wanted = max(length, min(self._ahead, self._file.end - offset))
            self._start, self._bytes, place = offset, self._file.read_at(offset, wanted), 0
            self._ahead = _READ if self._ahead else _FIRST_READ
        return self._bytes[place : place + length]

    def value(self, offset: int, length: int, member: int) -> Any:
        """The value in these bytes, or ``member`` (from 1) of the list in them; call it once for each."""
        if not member:
            return self._file.load(self.read(offset, length))
        if offset != self._list_at:
            self._list_at, self._list = offset, self._file.load(self.read(offset, length))
        return self._list[member - 1]


_WHERE = "values that are not held in memory"


def _refused(fault: OSError) -> SpillError:
    import tempfile  # as above

    hint = "set TMPDIR to a folder with room, or `collect` to a file or `none`"
    return SpillError(
        fault.errno, f"{_WHERE} cannot be kept in {tempfile.gettempdir()}: {fault.strerror}; {hint}"
    )


def unnamed_file() -> int:
    """The descriptor of a new file without a name, in the folder for temporary files."""
    import tempfile  # as above

    folder = tempfile.gettempdir()
    try:
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except (AttributeError, OSError):  # not on this system, or not on that file system
        pass
    try:
        number, path = tempfile.mkstemp(prefix="batchmill-")
    except OSError as fault:
        raise _refused(fault) from fault
    os.unlink(path)
    return number


def _opened(process: int, number: int, identity: tuple[int, int], end: int) -> SpillFile:
    """The file of another process of this machine. Raises :class:`SpillError` where it is out of reach."""
    path = _BY_PROCESS.format(process, number)
    try:
        own = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise SpillError(fault.errno, f"{_WHERE} of process {process}: {fault.strerror}") from fault
    file = SpillFile(own, end)
    found = os.fstat(own)
    if (found.st_dev, found.st_ino) != identity:
        raise SpillError(0, f"{_WHERE} of process {process}: the process or its machine is another one")
    return file
