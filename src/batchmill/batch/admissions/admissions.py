"""The admissions of a batch: a list that each chunk passes in one order.

    Window --take--> wait at each, first to last --> admit at each, last to first --> worker
       ^                                                                                |
       +----------------- ended at each, and free again where a chunk is done ----------+

The order is: rate gate, permit of the run, seat of the worker. A waiting chunk counts at no limit, and at the
gate it only has a place in the line. Once its first item could start, it waits for a permit, and then for a
worker. When both are there, the gate checks again, as much may have changed, and only then counts the starts:
a chunk that passes begins at once. If the gate refuses by then, permit and worker are returned, and the
wait begins again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from batchmill.batch.admissions.contract import Admission, Claim
from batchmill.block import Block
from batchmill.executors.contract import Chunk, Seat
from batchmill.outcome import LEAST_WAIT, NO_WAITS, Waits


class NoSeat(Exception):  # no error: the worker gives up
    """Raised when the worker's own seat is not available."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A chunk that was admitted: the chunk as taken, the number of its items that still run, the claims that
    admitted it, and the wait of its first item."""

    chunk: Chunk
    left: int
    claims: Sequence[Claim]
    waits: Waits


class Admissions:
    """See the module. ``stopped`` returns whether the batch no longer starts items.

    Concurrency: any thread may call any method; ``_lock`` guards ``_tickets`` and their content, and is never
    held while waiting or while another lock is taken.
    """

    def __init__(self, parts: Sequence[Admission], stopped: Callable[[], bool]) -> None:
        self._parts = tuple(parts)
        self._stopped = stopped
        self._lock = threading.Lock()
        self._tickets: dict[int, Ticket] = {}  # by index of the item
        self.start_attempts = any(one.starts_attempts for one in self._parts)

    def __bool__(self) -> bool:
        return bool(self._parts)

    def begin_taking(self, most: int) -> int:
        """The calling thread is about to take up to ``most`` items: how many it may take."""
        for one in self._parts:
            one.begin_taking()
        limits = (limit for one in self._parts if (limit := one.most()) is not None)
        return min([most, *limits])

    def enter(self, chunk: Chunk, seat: Seat | None) -> int:
        """Wait until items of ``chunk`` may start; returns how many of the first ones start now, 0 if none
        ever will.

        Raises :class:`NoSeat` if no seat is available; a seat is always asked for last.
        """
        with ExitStack() as line:
            claims: list[Claim] = []
            for one in self._parts:
                claims.append(one.claim(chunk, self._stopped))
                line.callback(claims[-1].leave_line)
            while _wait(claims, seat):
                count = len(chunk)
                try:
                    for claim in reversed(claims):
                        count = claim.admit(count) if count else 0
                except BaseException:  # Ctrl-C, say
                    _give_up(claims, seat)
                    raise
                if count:
                    self._let_start(chunk.part(0, count), claims)
                    return count
                _give_up(claims, seat)
        return 0

    def _let_start(self, chunk: Chunk, claims: Sequence[Claim]) -> None:
        waits = NO_WAITS
        for claim in claims:
            waits = waits.plus(claim.waits)
        ticket = Ticket(chunk, len(chunk), claims, waits)
        with self._lock:
            self._tickets.update(dict.fromkeys(range(chunk.start, chunk.start + len(chunk)), ticket))

    def wake(self) -> None:
        """Make all waiting threads check whether to give up."""
        for one in self._parts:
            one.wake()

    def ended(self, block: Block) -> None:
        """Items ended: enter in their blocks how long they waited."""
        for offset in range(len(block)):
            ticket, over = self._punch(block.start + offset)
            if ticket is None:  # settled before, which the window says
                continue
            if ticket.chunk.start == block.start + offset and max(ticket.waits) >= LEAST_WAIT:
                block.wait_before(offset, ticket.waits)
            for claim in ticket.claims:
                claim.ended(block, offset)
            if over:
                _settle(ticket)

    def lost(self, chunk: Chunk) -> Waits | None:
        """Whether the one item of ``chunk`` was lost in an attempt that was let start here: what was waited
        for that. None if the attempt was not begun."""
        with self._lock:
            ticket = self._tickets.get(chunk.start)
        if ticket is None or chunk.attempts <= ticket.chunk.attempts:
            return None
        ticket, over = self._punch(chunk.start)
        if ticket is None:
            return None
        for claim in ticket.claims:
            claim.lost(chunk)
        if over:
            _settle(ticket)
        return ticket.waits if max(ticket.waits) >= LEAST_WAIT else NO_WAITS

    def withdraw(self, chunk: Chunk) -> Chunk:
        """Items did not start after all: returns the chunk to take again. If attempts are started one by one,
        a single item is put back as the chunk that was taken, which knows its earlier attempts."""
        again = chunk
        for index in range(chunk.start, chunk.start + len(chunk)):
            ticket, over = self._punch(index)
            if ticket is None:
                continue
            if self.start_attempts and len(ticket.chunk) == 1:
                again = ticket.chunk
            for claim in ticket.claims:
                claim.withdrawn(index)
            if over:
                _settle(ticket)
        return again

    def _punch(self, index: int) -> tuple[Ticket | None, bool]:
        """An item is under way no more: its ticket, and whether that was the last one on it."""
        with self._lock:
            ticket = self._tickets.pop(index, None)
            if ticket is None:
                return None, False
            ticket.left -= 1
            return ticket, not ticket.left


def _wait(claims: Sequence[Claim], seat: Seat | None) -> bool:
    """Wait at each for the first item; False if it will never start, and then nothing is held."""
    got: list[Claim] = []
    complete = False
    try:
        for claim in claims:
            got.append(claim)  # before it waits: it may be interrupted when it has what it waits for
            if not claim.wait():
                return False
        if seat is not None and not seat.get():
            raise NoSeat
        complete = True
    finally:
        if not complete:
            _give_up(got, None)
    return True


def _give_up(claims: Sequence[Claim], seat: Seat | None) -> None:
    if seat is not None:
        seat.give_back()
    for claim in reversed(claims):
        claim.give_up()


def _settle(ticket: Ticket) -> None:
    for claim in ticket.claims:
        claim.settled()
