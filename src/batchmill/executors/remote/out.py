"""The orders of a batch that are out, and which of them others should help.

An order that takes much longer than its items were expected to holds items that nobody has begun: behind a
long one, or at a worker process that still starts. Once nothing is left to send, a free seat beside it can
run them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from batchmill.executors.contract import Chunk
from batchmill.executors.remote.contract import Ticket

LATE = 1.25  # of the time that its items were expected to take, when an order is late, and
LATE_SECONDS = 0.1  # so much more
ALONE_SECONDS = 1.0  # more where it is one item, which is only late if its worker process does not start
UNKNOWN_SECONDS = 0.5  # where nothing is known of the items
LOOK_SECONDS = 1.0  # between looks of who waits: seats may have come meanwhile
PAUSE_SECONDS = 0.25  # before more help where there was nothing to do, and
MOST_PAUSES = 8  # how often it is doubled


@dataclass(slots=True, eq=False)
class Out:
    """An order with the items of ``chunk``, ``n_bytes`` in all, that was ``sent`` at a second of
    :func:`time.perf_counter`; or help for another one, which has no items. Whoever helped found nothing to do
    ``in_vain`` times, and is not to come again until the second ``pause``."""

    chunk: Chunk
    sent: float
    n_bytes: int = 0
    helps: Out | None = None
    ticket: Ticket | None = None
    in_vain: int = 0
    pause: float = 0.0

    def was_helped(self, now: float, *, helped: bool) -> None:
        """Somebody is back who was to help; ``helped`` if there was something to do."""
        if helped:
            self.in_vain = 0
            return
        self.pause = now + PAUSE_SECONDS * 2.0**self.in_vain
        self.in_vain = min(self.in_vain + 1, MOST_PAUSES)

    def late(self, mean: float, now: float) -> bool:
        """Whether it is late if items take ``mean`` seconds, 0 if that is unknown."""
        items = len(self.chunk)
        if self.helps is not None or self.ticket is None or not items or now < self.pause:
            return False
        if not mean:
            return items > 1 and now - self.sent > UNKNOWN_SECONDS
        return now - self.sent > LATE * items * mean + (LATE_SECONDS if items > 1 else ALONE_SECONDS)


class OutOrders:
    """The orders that are out, or are being settled. Orders that end without having run give their chunk to
    ``give_back``.

    Concurrency: any thread may call any method; ``_changed`` guards all fields.
    """

    def __init__(self, give_back: Callable[[Chunk], None]) -> None:
        self._give_back = give_back
        self._changed = threading.Condition()
        self._out: dict[int, Out] = {}
        self._sent = 0
        self._busy = 0
        self._over = False

    @property
    def busy(self) -> int:
        """How many there are."""
        with self._changed:
            return self._busy

    @property
    def sent(self) -> int:
        """The number of the latest one."""
        with self._changed:
            return self._sent

    @property
    def over(self) -> bool:
        """Whether the batch is over."""
        with self._changed:
            return self._over

    def post(self, out: Out, send: Callable[[int], Ticket | None]) -> bool:
        """Have an order sent, with its number; False if it was not, as there is no seat for it."""
        with self._changed:
            self._sent += 1
            number = self._sent
            self._out[number] = out
            self._busy += 1
        try:
            ticket = send(number)
        except BaseException:
            self.take_back([number])
            raise
        with self._changed:
            out.ticket = ticket
        if ticket is None:
            self.take_back([number])
        return ticket is not None

    def take(self, number: int) -> Out | None:
        """An order that has ended, to be settled: :meth:`settled` follows. None if it was taken before."""
        with self._changed:
            return self._out.pop(number, None)

    def settled(self) -> None:
        """An order that was taken is settled."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def take_back(self, numbers: Iterable[int] | None = None) -> None:
        """Return what these orders hold, or all, unless they have come to an end."""
        if numbers is None:
            with self._changed:
                numbers = list(self._out)
        for number in numbers:
            out = self.take(number)
            if out is None:
                continue
            if out.ticket is not None:
                out.ticket.drop()
            self._give_back(out.chunk)
            self.settled()

    def late(self, mean: float, now: float) -> list[Out]:
        """The orders that need help, first the one that has the least. Items take ``mean`` seconds, 0 if that
        is unknown, and ``now`` is a second of :func:`time.perf_counter`."""
        with self._changed:
            helpers = Counter(out.helps for out in self._out.values())
            late = [
                one for one in self._out.values() if one.late(mean, now) and helpers[one] < len(one.chunk)
            ]
        return sorted(late, key=lambda one: helpers[one])

    def helped(self, late: Out, now: float, *, helped: bool) -> None:
        """See :meth:`Out.was_helped`."""
        with self._changed:
            late.was_helped(now, helped=helped)

    def wake(self) -> None:
        """Have those look again that wait for something."""
        with self._changed:
            self._changed.notify_all()

    def wait_until(self, there: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until that is so, called with the lock, or the batch is over; at most some ``seconds``."""
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while not (self._over or there()):
                left = LOOK_SECONDS if end is None else end - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(min(left, LOOK_SECONDS))

    def end(self) -> None:
        """The batch is over."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self.take_back()
