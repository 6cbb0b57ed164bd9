"""The contract of an admission, which must let items start before a worker runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from batchmill.block import Block
from batchmill.executors.contract import Chunk
from batchmill.outcome import NO_WAITS, Waits


class Claim:
    """One worker's claim to start a chunk, from the first wait until everything that started has ended.

    The thread that takes the chunk calls :meth:`wait`, :meth:`admit`, :meth:`give_up` and :meth:`leave_line`.
    The other methods are called once for each admitted item, by the thread that ends it. A kind of admission
    only overrides the methods that it needs.
    """

    @property
    def waits(self) -> Waits:
        """The time that was spent waiting here."""
        return NO_WAITS

    def wait(self) -> bool:
        """Wait until the first item could start; False if it never will. A scarce resource, such as a permit,
        is held from now on; a countable one, such as a start, is not counted so far."""
        return True

    def admit(self, count: int) -> int:
        """Count the first items of the chunk, at most ``count``, as started now; returns how many. 0 if none
        may start any more: then nothing is counted, and another wait follows."""
        return count

    def give_up(self) -> None:
        """Return what :meth:`wait` got."""

    def leave_line(self) -> None:
        """The taking has ended, with any result."""

    def ended(self, block: Block, offset: int) -> None:
        """An item that was admitted ended so."""

    def lost(self, chunk: Chunk) -> None:
        """An admitted item was lost with its worker and will be retried: ``chunk`` has the reason."""

    def withdrawn(self, index: int) -> None:
        """An item that was admitted did not start after all."""

    def settled(self) -> None:
        """None of the items that were admitted is under way any more."""


class Admission(Protocol):
    """Lets the items of one batch start. Any thread may call any method."""

    @property
    def starts_attempts(self) -> bool:
        """Whether each attempt has to be let start, and not only each item."""

    def most(self) -> int | None:
        """How many items may start together, None if it does not matter."""

    def begin_taking(self) -> None:
        """The calling thread is about to take; what it worked on before is over for it."""

    def claim(self, chunk: Chunk, stopped: Callable[[], bool]) -> Claim:
        """A claim for a chunk; a waiting claim gives up once ``stopped`` returns True."""

    def wake(self) -> None:
        """Make all waiting threads check whether to give up."""
