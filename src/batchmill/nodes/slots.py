"""Numbers from 1 for concurrent work: the lowest free one, across threads and processes.

Each number is a file that its holder keeps locked, so the number of a killed process is free again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def slot(folder: str) -> Iterator[int]:
    """A number that no other caller with the same ``folder`` has meanwhile. Raises OSError."""
    number = 0
    while True:
        number += 1
        path = os.path.join(folder, f"slot-{number}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            try:
                yield number
            finally:
                # Closing is not enough: a command that another thread is starting has the descriptor too,
                # until it becomes its program, and with it the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            return
        finally:
            os.close(descriptor)
