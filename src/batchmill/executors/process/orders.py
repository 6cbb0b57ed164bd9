"""The messages between a worker process and its parent.

They travel as plain tuples: with cold caches, looking up the names of classes takes longer than all the
rest of reading a message.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, NamedTuple

from batchmill.executors.process.payload import Payload

if TYPE_CHECKING:  # a first worker process is started before these are imported
    from batchmill.outcome import ErrorInfo, Tried


class Order(NamedTuple):
    """One chunk as it is sent: the place of its items, and the job unless the worker already has it. After
    ``seconds`` the worker returns its results and leaves the rest to others."""

    seq: int
    digest: bytes
    job: Payload | None
    start: int
    attempts: int
    lost: ErrorInfo | None
    tried: tuple[Tried, ...]
    wait: float
    items: Payload
    seconds: float

    def packed(self) -> bytes:
        """It as bytes, for :meth:`unpacked`."""
        return pickle.dumps((*self[:8], tuple(self.items), self.seconds), 5)

    @classmethod
    def unpacked(cls, message: bytes) -> Order:
        """The order that those bytes are."""
        *head, items, seconds = pickle.loads(message)  # noqa: S301  # from our own parent
        return cls._make((*head, Payload(*items), seconds))


class Reply(NamedTuple):
    """The reply to an order: ``done`` with results in the shared area, ``no_job`` if the job is missing,
    ``unloadable`` with the reason if the job cannot be unpickled, ``unreadable`` if the items cannot, or
    ``failed`` for a fault of ours. ``seconds`` is the items' own time, ``cpu`` the CPU seconds of the
    process, ``peak`` its peak memory so far, in bytes."""

    seq: int
    status: str
    kept: int = 0
    seconds: float = 0.0
    error: ErrorInfo | None = None
    cpu: float | None = None
    peak: int | None = None

    def packed(self) -> bytes:
        """It as bytes: the pickle of a tuple of its fields."""
        return pickle.dumps(tuple(self), 5)
