"""The workers that a batch has left while they still start.

A short batch may be over before its second worker is up. That worker is in no batch, but cannot be leased
either until it has told that it ran nothing. If the next batch started another process, that one would be up
even later, would take a core from the items meanwhile, and would be one too many from then on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the pool imports it
    from batchmill.executors.process.slot import Slot

LOOK_SECONDS = 0.05  # after which it is asked anew whether a worker still starts
START_SECONDS = 10.0  # that a worker is waited for, before another one is started


class LeftSlots:
    """Slots that come back to the pool by themselves. ``fits`` says, under the pool's lock, which idle
    slots can be leased for some modules.

    Concurrency: any thread may call any method, but ``returned`` and ``clear`` need the pool's ``lock``. It
    guards ``_slots`` and ``_waiting``.
    """

    def __init__(self, lock: threading.Lock, fits: Callable[[frozenset[str]], Sequence[int]]) -> None:
        self._back = threading.Condition(lock)
        self._fits = fits
        self._slots: list[Slot] = []
        self._waiting = 0

    def add(self, slots: Sequence[Slot]) -> None:
        """The batch that leased these is over. Call it before they are released."""
        with self._back:
            self._slots += slots

    def returned(self, slot: Slot) -> None:
        """A slot was released, whether a batch had left it or not."""
        if slot in self._slots:
            self._slots.remove(slot)
        self._back.notify_all()

    def clear(self) -> None:
        """The pool is closed."""
        self._slots.clear()
        self._back.notify_all()

    def wait(self, modules: frozenset[str], given_up: Callable[[], bool]) -> None:
        """Wait until a slot can be leased, while more workers with these modules start than others wait for.
        Returns as soon as ``given_up`` returns True; see :meth:`wake`."""
        end, looks = time.monotonic() + START_SECONDS, 2
        with self._back:
            self._waiting += 1
            try:
                while not (self._fits(modules) or given_up()) and time.monotonic() < end:
                    starting = [slot.starting for slot in self._slots if slot.modules <= modules]
                    # One that has begun just now is about to come back, unless its batch is stuck.
                    looks -= sum(starting) < self._waiting
                    if len(starting) < self._waiting or not looks:
                        return
                    self._back.wait(LOOK_SECONDS)
            finally:
                self._waiting -= 1

    def wake(self) -> None:
        """Make all threads that wait check whether they have given up."""
        with self._back:
            self._back.notify_all()
