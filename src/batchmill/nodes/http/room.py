"""Room for exchanges: as many at once as this process may open connections; the others wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from batchmill.attempt import Attempt
from batchmill.concurrency.descriptors import free_descriptors
from batchmill.concurrency.resources import process_resource
from batchmill.errors import AttemptTimeout, Stopped
from batchmill.nodes.few_files import warn_of_few_files

LOOK_SECONDS = 0.2  # between two looks whether the attempt that waits is cancelled


class Room:
    """Concurrency: any thread may call any method; the semaphore guards itself."""

    def __init__(self) -> None:
        self.most = free_descriptors()
        self._free = threading.Semaphore(self.most)

    def enter(self, attempt: Attempt) -> None:
        """Take a place, which :meth:`leave` gives back. Raises :class:`AttemptTimeout` if none is free before
        the deadline of the attempt, and :class:`Stopped` if it is cancelled."""
        if self._free.acquire(blocking=False):
            return
        warn_of_few_files(attempt, self.most)
        while not self._free.acquire(timeout=LOOK_SECONDS):
            if attempt.cancel.cancelled:
                raise Stopped("the run was cancelled")
            if attempt.remaining() == 0:
                raise AttemptTimeout("no connection was free in time: the limit of open files is too low")

    def leave(self) -> None:
        """The exchange is over."""
        self._free.release()

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def room_for(attempt: Attempt) -> Iterator[None]:
    """A place in the room of this process."""
    room: Room = process_resource("http room", Room)
    room.enter(attempt)
    try:
        yield
    finally:
        room.leave()
