"""What workers have and have not begun goes to workers that have nothing to do.

A chunk is sized by what its items should take. When one of them takes long the others wait behind it,
and near the end of a batch nobody else has work left. Then its worker is held: it begins nothing more.
A moment later what it has begun can be read from its cells for certain, and the rest is given back.

The moment stands in for a memory barrier between the two processes: a worker writes which item it is on
before it looks whether it is held, so either it sees that or the parent, which looks much later than any
write takes to be seen, finds the item begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from batchmill.executors.cells import Position
from batchmill.executors.contract import Channel
from batchmill.executors.driver import Driver

LOOK_SECONDS = 0.005  # an item this long is worth a look at who else is waiting
HOLD_SECONDS = 0.002


class Sharing:
    """Watches the end of one batch. ``drivers`` are those at work, ``widen`` adds one where workers may be
    idle that have none yet.

    Concurrency: :meth:`begin` may be called in any thread, ``_lock`` guards ``_begun``. The rest runs in
    the thread that ``run`` provides.
    """

    def __init__(
        self,
        channel: Channel,
        run: Callable[[Callable[[], None]], None],
        drivers: Callable[[], list[Driver]],
        widen: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._run = run
        self._drivers = drivers
        self._widen = widen
        self._lock = threading.Lock()
        self._begun = False
        self._over = threading.Event()

    def begin(self) -> None:
        """Start watching, until the end of the batch."""
        with self._lock:
            begun, self._begun = self._begun, True
        if not begun:
            self._run(self._watch)

    def end(self) -> None:
        """The batch is over."""
        self._over.set()

    def _watch(self) -> None:
        before: dict[Driver, Position] = {}
        while not self._over.wait(LOOK_SECONDS) and not self._channel.stopped:
            now = {driver: place for driver in self._drivers() if driver.spare() and (place := driver.at())}
            stuck = [driver for driver, place in now.items() if before.get(driver) == place]
            before = now
            if stuck and not self._channel.more():
                self._take_back(stuck)

    def _take_back(self, drivers: list[Driver]) -> None:
        for driver in drivers:
            driver.hold()
        time.sleep(HOLD_SECONDS)
        for driver in drivers:
            driver.take_back()
        self._widen()
