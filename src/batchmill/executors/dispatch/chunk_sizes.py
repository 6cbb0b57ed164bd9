"""How many items go to a worker together: sized by time, not by count.

A chunk should take ``target`` seconds: long enough that the cost of handing it over is negligible, short
enough that no worker holds work that others could do. The mean time of an item is a running average; the
first chunk holds one item and later ones grow at most eightfold, so one lucky measurement cannot send away
the whole batch. Near the end chunks shrink to a share of what is left (guided self-scheduling:
Polychronopoulos and Kuck, "Guided Self-Scheduling", IEEE Transactions on Computers, 1987), and no further
than to ten times what a hand-over costs while all workers can have as much, but never below what it costs. A
batch that repeats the work of an earlier one begins with that one's figures.
"""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

GROWTH = 8
WINDOW_PER_WORKER = 64  # items a slow one may hold up behind it; 2 loses a third of the machine
CHUNKS_AHEAD = 6  # per worker, so that an ordered consumer never starves workers of large chunks
KEPT = 0.6  # of what earlier chunks told, when another one has ended
PATIENCE, LEAST_PATIENCE = 5 / 3, 0.002  # of the time a chunk was meant to take; in seconds
BYTES_PER_CHUNK = 1 << 20
SHORT_SECONDS, VERY_SHORT_SECONDS = 0.1, 0.01  # a round trip is 2 % of the latter
BYTES_AHEAD = 256 << 20
SHARES = 2.0  # that what is left for a worker is divided into, near the end
WORTH = 10  # times its minimum a chunk should be while there is as much for each worker
KEPT_PACES = 64


class ItemPace(NamedTuple):
    """The known pace of a batch's items: their mean seconds, and how many bytes one may travel as."""

    seconds: float
    n_bytes: float


class Paces:
    """The paces of the latest :data:`KEPT_PACES` kinds of batches, by their digests.

    Concurrency: any thread may call any method; ``_lock`` guards ``_known``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, ItemPace] = {}

    def of(self, digest: bytes) -> ItemPace | None:
        """The measurements that the last batch of the kind made of its items."""
        with self._lock:
            return self._known.get(digest)

    def keep(self, digest: bytes, pace: ItemPace) -> None:
        """Remember what a batch learned of its items, for the next one of the kind."""
        with self._lock:
            self._known.pop(digest, None)
            self._known[digest] = pace
            if len(self._known) > KEPT_PACES:
                del self._known[next(iter(self._known))]


def bounded(ahead: int, least: int, n_bytes: float) -> int:
    """How many of ``ahead`` items may be ahead of a consumer if each is ``n_bytes`` large (0 if unknown):
    those that fit into :data:`BYTES_AHEAD`, at least ``least``."""
    return min(ahead, max(least, int(BYTES_AHEAD / n_bytes))) if n_bytes else ahead


class ChunkSizer:
    """Decides the next chunk's size from the times of finished chunks.

    ``target`` and ``least`` are seconds of items: the wanted length of a chunk, and its minimum, as far as
    ``most`` items, ``most_bytes`` and the number of remaining items allow. Items are ``short`` below so many
    seconds: then a second chunk waits at each worker. ``known`` is the pace of an earlier batch of the kind.

    Concurrency: workers and collectors call it from their own threads; ``_lock`` guards all fields.
    """

    def __init__(
        self,
        workers: int,
        target: float,
        most: int,
        fixed: int | None = None,
        *,
        least: float = 0.0,
        short: float = SHORT_SECONDS,
        most_bytes: int | None = None,
        known: ItemPace | None = None,
        shares: float = SHARES,
    ) -> None:
        self._lock = threading.Lock()
        self._workers = workers
        self._target = target
        self._least = least
        self._shares = shares  # for each of them
        self._most = most
        self._short = short
        self._most_bytes = most_bytes or BYTES_PER_CHUNK
        self._fixed = fixed
        self._mean, self._bytes = known or (0.0, 0.0)
        self._items = 1.0 if known else 0.0
        self._seconds = self._mean
        self._size = self._wanted(GROWTH**2) if known else 1

    @property
    def pace(self) -> ItemPace | None:
        """The learned measurements; None without any."""
        with self._lock:
            return ItemPace(self._mean, self._bytes) if self._mean else None

    def share(self, workers: int) -> None:
        """From now on so many workers share what is left."""
        with self._lock:
            self._workers = workers

    def next(self, remaining: int | None) -> tuple[int, int]:
        """How many items to take, and how many may be ahead of the consumer when taking them."""
        with self._lock:
            size = self._fixed or self._size
            if remaining is not None and not self._fixed and self._workers > 1:
                least = self._least / self._mean if self._mean else 0.0
                equal = remaining / self._workers
                share = max(equal / self._shares, min(equal, WORTH * least))
                size = min(size, max(math.ceil(share), int(least), 1))
            ahead = self._workers * max(WINDOW_PER_WORKER, CHUNKS_AHEAD * size)
            return size, bounded(ahead, 2 * self._workers * size, self._bytes)

    def observe(self, items: int, seconds: float, n_bytes: int | None = 0) -> None:
        """Learn from ``items`` items that took ``seconds`` and hold, or travelled as, ``n_bytes`` in all,
        None if they were not weighed."""
        if not items:
            return
        with self._lock:
            # Not a mean of the chunks' means, because one disturbed item says less than a hundred items.
            self._seconds = KEPT * self._seconds + seconds
            self._items = KEPT * self._items + items
            self._mean = self._seconds / self._items
            if n_bytes is not None:
                self._bytes = max(0.9 * self._bytes, n_bytes / items)
            self._size = self._wanted(GROWTH * max(self._size, items))

    def _wanted(self, most: int) -> int:
        """As many items as come nearest to the target's seconds, at most ``most``."""
        wanted = self._target / max(self._mean, 1e-9)
        if self._bytes:
            wanted = min(wanted, self._most_bytes / self._bytes)
        return max(1, min(round(wanted), self._most, most))

    def patience(self, items: int) -> float:
        """Seconds after which a worker should hand in a chunk of so many items, done or not: one that takes
        much longer than it was meant to holds items that others could run."""
        with self._lock:
            meant = min(self._target, items * self._mean) if self._mean else self._target
        return max(LEAST_PATIENCE, PATIENCE * meant)

    def depth(self, remaining: int | None) -> int:
        """How many chunks a worker should have: while items are short, a second one waits there, so the
        worker never idles for a round trip. Near the end, or if its distance is unknown, only very short
        items wait behind others, because other workers could need them."""
        with self._lock:
            plenty = remaining is not None and remaining > 2 * self._workers
            short = self._short if plenty else VERY_SHORT_SECONDS
            return 2 if 0 < self._mean < short else 1
