"""Semaphores between processes without shared memory, for systems that have none to give.

The system's own named semaphores are files in ``/dev/shm``. If that is full or missing, loky cannot make its
queues of them. A pipe works as well, for two descriptors and a few microseconds more: the bytes in it are the
semaphore's tokens.
"""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Pipe
from types import TracebackType
from typing import Any

from batchmill.executors.process.loky_private import Context


class PipeSemaphore:
    """A counting semaphore, of value 1 a lock; pickles to a process that is being started.

    Concurrency: any thread of any process that has it may call any method; the system serves one reader
    of the pipe at a time.
    """

    def __init__(self, value: int = 1) -> None:
        self._reader, self._writer = Pipe(duplex=False)
        os.set_blocking(self._reader.fileno(), False)
        os.write(self._writer.fileno(), bytes(value))

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take a token, waiting for one at most ``timeout`` seconds; whether there was one."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                os.read(self._reader.fileno(), 1)
            except BlockingIOError:
                left = None if end is None else max(0.0, end - time.monotonic())
                if not block or not self._reader.poll(left):
                    return False
            else:
                return True

    def release(self) -> None:
        """Give a token back."""
        os.write(self._writer.fileno(), b"\0")

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def _semlock(self) -> PipeSemaphore:
        """What a multiprocessing queue asks whether it is full."""
        return self

    def _is_zero(self) -> bool:
        return not self._reader.poll(0)


class PipeContext(Context):  # type: ignore[misc]  # loky has no types
    """loky's way to start processes, with these semaphores instead of the system's."""

    def Lock(self) -> Any:  # noqa: N802  # the name multiprocessing gives it
        """A lock."""
        return PipeSemaphore()

    def Semaphore(self, value: int = 1) -> Any:  # noqa: N802  # same
        """A semaphore."""
        return PipeSemaphore(value)

    def BoundedSemaphore(self, value: int = 1) -> Any:  # noqa: N802  # same
        """A semaphore; that nobody gives back too many is for its users to see to."""
        return PipeSemaphore(value)
