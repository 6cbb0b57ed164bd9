"""A file that is written beside the one that it replaces, and replaces it when it is complete.

Until then the old file stays. An incomplete file stays beside it under another name, for people who want its
content. The file is locked while it is written, so two runs never write to one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from batchmill.batch.results.compression import pack_for
from batchmill.errors import StorageError
from batchmill.file_table import PARTIAL
from batchmill.nodes.files import destination, make_folders

MEMBER_BYTES = 1 << 20  # of text that make one part of a compressed file, which can be read by itself
_PAUSE = 0.05


class StagedFile:
    """Replaces ``path`` once it is complete, with the mode of the old file. Makes missing folders.

    A symbolic link stays one: its target is replaced. Anything but a regular file, such as a pipe, is written
    directly. If the name ends in ``.gz``, ``.bz2``, ``.xz`` or ``.zst``, the content is compressed.
    ``patience`` is how many seconds to wait for another writer of the file.

    Raises :class:`~batchmill.errors.StorageError` for a file that cannot be written, and
    :class:`~batchmill.errors.MissingExtra` if the compressor is not installed. Used by one thread.
    """

    def __init__(self, path: str, *, patience: float = 0.0) -> None:
        self._path = path
        self._pack = pack_for(path)
        self._waiting: list[bytes] = []  # of a member that is not full yet
        self._waiting_bytes = 0
        self._target = self._partial = path
        self._completed = False
        self._number: int | None = None
        try:
            self._open(time.monotonic() + patience)
        except (OSError, ValueError) as fault:
            self.close()
            raise self._fault(fault) from fault

    def _open(self, patient_until: float) -> None:
        path = os.path.abspath(self._path)
        make_folders(path)
        self._target, mode = destination(path)
        if mode is not None and not stat.S_ISREG(mode):
            self._partial = ""
            self._number = os.open(self._target, os.O_WRONLY | os.O_CLOEXEC)
            return
        self._partial = partial_of(self._target)
        private = 0o666 if mode is None else stat.S_IMODE(mode)
        self._number = _locked(self._partial, private & 0o666, patient_until)
        os.ftruncate(self._number, 0)
        if mode is not None:
            os.fchmod(self._number, private)

    @property
    def path(self) -> str:
        """Where it can be read: the path that was given; beside that where it has not been completed."""
        if self._completed or not self._partial:
            return self._path
        return self._partial if os.path.islink(self._path) else partial_of(self._path)

    def write(self, data: bytes) -> None:
        """Write all of ``data``; packed, it reaches the disk a member at a time."""
        if self._pack is None:
            self._write(data)
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= MEMBER_BYTES:
            self._write_member()

    def _write_member(self) -> None:
        data = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        self._write(data if self._pack is None else self._pack(data))

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left and self._number is not None:
                left = left[os.write(self._number, left) :]
        except OSError as fault:
            raise self._fault(fault) from fault

    def complete(self) -> None:
        """Move the file to its place. A compressed file is a valid one even if nothing was written."""
        if self._number is None:
            return
        if self._pack is not None and (self._waiting or os.fstat(self._number).st_size == 0):
            self._write_member()
        try:
            if self._partial:
                os.fsync(self._number)
                os.replace(self._partial, self._target)
        except OSError as fault:  # some file systems tell of a full disk only now
            raise self._fault(fault) from fault
        self._completed = True
        self._end()

    def close(self) -> None:
        """Leave what there is where it is. May be called again."""
        try:
            if self._number is not None and self._waiting:
                self._write_member()
        finally:
            self._end()

    def _end(self) -> None:
        number, self._number = self._number, None
        if number is None:
            return
        try:
            os.close(number)
        except OSError as fault:
            raise self._fault(fault) from fault

    def _fault(self, fault: Exception) -> StorageError:
        reason = (fault.strerror if isinstance(fault, OSError) else None) or fault
        return StorageError(f"results cannot be written to {self._path}: {reason}")


def partial_of(path: str) -> str:
    """The name of a file until it is complete; a very long one is shortened to the limit of systems."""
    folder, name = os.path.split(path)
    short = os.fsdecode(os.fsencode(name)[: 255 - len(PARTIAL)])
    return os.path.join(folder, short + PARTIAL)


def _locked(path: str, mode: int, patient_until: float) -> int:
    """The descriptor of a file that only this process writes; creates the file if it does not exist. Raises
    OSError."""
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            if os.fstat(number).st_uid != os.geteuid():
                raise PermissionError(errno.EACCES, f"{path} is another user's: remove it", path)
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, number):  # it may have got its final name just before the lock was free
                return number
        except BlockingIOError:
            if time.monotonic() >= patient_until:
                os.close(number)
                raise OSError(errno.EBUSY, "another run is writing it", path) from None
        except OSError as fault:
            if fault.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):  # some network file systems
                return number
            os.close(number)
            raise
        os.close(number)
        time.sleep(_PAUSE)


def _is_at(path: str, number: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(number))
    except OSError:
        return False
