"""Append to a file that others append to at the same time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from batchmill.nodes.files import destination, make_folders, write_into


def append_whole(path: str, data: bytes, mode: int = 0o666) -> None:
    """Add ``data`` to the end of ``path`` completely or not at all; ``mode`` is that of a new file, less the
    umask. Raises :class:`OSError`.

    Every appender of this program holds a lock on the file meanwhile, so pieces never mix, and a write that a
    full disk cut off can be undone.
    """
    target, there = destination(path)
    if there is None:
        make_folders(target)
    elif not stat.S_ISREG(there):
        write_into(target, (data,))
        return
    number = os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
    try:
        _lock(number)
        _write(number, data)
    finally:
        os.close(number)  # and the lock is gone


def _lock(number: int) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
    except OSError as error:
        # Some network file systems have no locks; there, only a single write is reliable.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def _write(number: int, data: bytes) -> None:
    before = os.fstat(number).st_size
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(number, left) :]
    except OSError:
        os.ftruncate(number, before)
        raise
