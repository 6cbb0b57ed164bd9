"""The orders that one carrier has sent to a Dask cluster, and their workers.

Each order is bound to one worker. So when a worker is asked to leave, Dask does not restart its orders
elsewhere while their items are ending.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from batchmill.executors.remote.contract import Done, Ticket
from batchmill.executors.remote.dask_side import LEAVING_SECONDS, topic_of

WAITED_SECONDS = 1.0  # that an order may wait at a worker while others have nothing to do
MISSED_SECONDS = 3.0  # that an order may be for a worker that nobody knows: news of it may be on their way
LEFT_SECONDS = LEAVING_SECONDS + 5.0  # the same where a reply is to come, as the worker was asked to leave


class Sent:
    """An order that is a task of Dask, called ``name``. ``worker`` is the address of its worker, "" if Dask
    chooses; it was sent at the second ``since``, and ``missed`` is that since when its worker is missing.
    ``ending`` if a reply is on its way or will be handed in: then it gets more time."""

    def __init__(self, name: str, worker: str, done: Done, forget: Callable[[Sent], None]) -> None:
        self.name = name
        self.worker = worker
        self.done = done
        self.future: Any = None
        self.ending = False
        self.missed: float | None = None
        self.since = time.monotonic()
        self._forget = forget

    def drop(self) -> None:
        """See :class:`~batchmill.executors.remote.contract.Ticket`."""
        self._forget(self)


class Orders:
    """Concurrency: any thread may call any method; ``_lock`` guards all fields."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._out: dict[str, Sent] = {}
        self._load: Counter[str] = Counter()
        self._seats: dict[str, int] = {}
        prefix = secrets.token_hex(16)  # one for all: Dask keeps something for each prefix, for ever
        self._names = (f"batchmill-{prefix}-{number}" for number in itertools.count())
        self.topic = topic_of(f"batchmill-{prefix}-0")

    def seats(self, without: Collection[str]) -> int:
        """How many orders the workers that are there, and not ``without``, can have at work."""
        with self._lock:
            return sum(seats for worker, seats in self._seats.items() if worker not in without)

    def new(self, done: Done, forget: Callable[[Sent], None], without: Collection[str]) -> Sent:
        """An order that is out, for the worker not ``without`` that has the fewest for each of its seats."""
        with self._lock:
            free, seats = self._load, self._seats
            able = (worker for worker in seats if worker not in without)
            worker = min(able, key=lambda one: (free[one] + 1) / max(1, seats[one]), default="")
            return self._new(worker, done, forget)

    def beside(self, other: Ticket, done: Done, forget: Callable[[Sent], None]) -> Sent | None:
        """An order for the worker that has the ``other`` one; None if it has no seat without an order."""
        with self._lock:
            out = next((sent for sent in self._out.values() if sent is other), None)
            if out is None or out.ending or self._load[out.worker] >= self._seats.get(out.worker, 0):
                return None
            return self._new(out.worker, done, forget)

    def _new(self, worker: str, done: Done, forget: Callable[[Sent], None]) -> Sent:
        sent = Sent(next(self._names), worker, done, forget)
        self._out[sent.name] = sent
        self._load[worker] += 1
        return sent

    def take(self, name: str) -> Sent | None:
        """Take the order, which is then no longer out; None if it was taken before."""
        with self._lock:
            sent = self._out.pop(name, None)
            if sent is not None:
                self._load[sent.worker] -= 1
                if not self._load[sent.worker]:
                    del self._load[sent.worker]
            return sent

    def ended(self, name: str) -> None:
        """An order has ended, and its reply is on its way."""
        with self._lock:
            if (sent := self._out.get(name)) is not None:
                sent.ending = True

    def waiting(self) -> tuple[str, list[str], int] | None:
        """A worker that has had more orders than seats for a while, although others have free seats; its
        orders, the last one first; and how many of them others could begin at once."""
        late = time.monotonic() - WAITED_SECONDS
        with self._lock:
            free = sum(max(0, seats - self._load[worker]) for worker, seats in self._seats.items())
            for worker, seats in self._seats.items() if free else ():
                more = self._load[worker] - seats
                names = [
                    sent.name for sent in self._out.values() if sent.worker == worker and sent.since < late
                ]
                if more > 0 and names:
                    return worker, names[::-1], min(more, free)
        return None

    def all(self) -> list[str]:
        """The names of the orders that are out."""
        with self._lock:
            return list(self._out)

    def gone(self, worker: str, names: Iterable[str], *, expected: bool) -> list[str]:
        """A worker is gone, and had these orders; returns the lost ones. If it was ``expected``, it returns
        its results so far, and Dask moves orders that any worker may run."""
        with self._lock:
            self._seats.pop(worker, None)
            if not expected:
                return [name for name in names if name in self._out]
            for name in names:
                if (sent := self._out.get(name)) is not None:
                    sent.ending = True
            return []

    def there(self, seats: Mapping[str, int], known: Iterable[str]) -> list[Sent]:
        """These workers can take orders, with so many ``seats`` each; all that are ``known`` may still have
        some. Returns the orders whose worker has been missing for too long."""
        now, there = time.monotonic(), set(known)
        with self._lock:
            self._seats = dict(seats)
            lost = []
            for sent in self._out.values():
                if not sent.worker or sent.worker in there:
                    sent.missed = None
                elif sent.missed is None:
                    sent.missed = now
                elif now - sent.missed > (LEFT_SECONDS if sent.ending else MISSED_SECONDS):
                    lost.append(sent)
            return lost
