"""A bounded buffer that passes items in order from one batch to the next while both run.

    batch --put--> StreamBuffer --take--> workers of the next batch

The producer is the one thread that consumes the first batch's blocks, so items arrive in that batch's order
and have its numbers. It waits while the buffer is full: a slow stage slows those before it, and the buffer
between two stages stays bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from batchmill.errors import BatchmillError
from batchmill.executors.running.weighing import bytes_in
from batchmill.items.selection import EVERY_ITEM, Choosing, Selection

LEAST_ROOM = 64  # items; a stage rides out that many while the one before it pauses
BYTES_OF_ROOM = 64 << 20  # that fewer, larger items may take
CHUNKS_OF_ROOM = 4  # of the size the consumer asks for, so that short items still travel in large chunks


class StreamBuffer:
    """A :class:`~batchmill.items.sources.Source` that another batch fills.

    ``total`` is how many items will be put, None if unknown before the producer ends; ``selection`` says
    which of them are passed on.

    Concurrency: one thread calls ``put`` and ``end``, workers call the methods of a source, one at a time,
    any thread ``stop``. ``_lock`` guards every field; ``_filled`` wakes those who wait for items or for the
    end, ``_emptied`` the producer.
    """

    def __init__(self, total: int | None = None, selection: Selection = EVERY_ITEM) -> None:
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._items: deque[object] = deque()
        self._total = selection.count(total)
        self._choosing = None if selection == EVERY_ITEM else Choosing(selection)  # the producer's
        self._fault: BatchmillError | None = None  # of choosing: there is no further item
        self._taken = 0
        self._room = LEAST_ROOM
        self._each = 0.0  # bytes that an item takes
        self._ended = False
        self._stopped = False
        self._tell: Callable[[], None] | None = None  # somebody waits for items

    @property
    def instant(self) -> bool:
        """Whether a ``take`` would not wait now; true stays true until one is made."""
        with self._lock:
            return bool(self._items) or (self._is_ready() and self._fault is None)

    def _is_ready(self) -> bool:
        return bool(self._items) or self._ended or self._stopped

    def ready(self, tell: Callable[[], None], most: int, *, here: bool) -> bool:
        """Whether a ``take`` would not wait now; else ``tell`` is called when it would not."""
        with self._lock:
            ready = self._is_ready()
            self._tell = None if ready else tell
            return ready

    def _tell_of_it(self) -> None:
        """Outside the lock: there is something for who waits."""
        with self._lock:
            tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def put(self, items: Sequence[object], waits: Callable[[bool], None] | None = None) -> None:
        """Hand items over; waits first while the buffer is full and somebody still takes from it.

        ``waits`` is told True before such a wait and False after it. A wait ends when half of the buffer
        is gone, so that the two sides do not wake each other for every item.
        """
        if self._choosing is None:
            self._put(items, waits)
            return
        try:
            chosen = self._choosing.put(items)
        except BatchmillError as fault:
            self._end(fault)
            return
        if chosen is None:
            self._end()
        elif len(chosen):
            self._put(chosen, waits)

    def _put(self, items: Sequence[object], waits: Callable[[bool], None] | None) -> None:
        each = bytes_in(items) / max(1, len(items))
        with self._lock:
            self._each = max(0.9 * self._each, each)
            full = self._is_full(self._limit())
        if full:
            if waits is not None:
                waits(True)
            with self._lock:
                while self._is_full(self._limit() // 2 + 1):
                    self._emptied.wait()
            if waits is not None:
                waits(False)
        with self._lock:
            self._items.extend(items)
            self._filled.notify_all()
        self._tell_of_it()

    def _limit(self) -> int:
        """Under the lock: how many items may lie here before the producer waits."""
        return max(1, min(self._room, int(BYTES_OF_ROOM / self._each))) if self._each else self._room

    def _is_full(self, most: int) -> bool:
        return not self._stopped and len(self._items) >= most

    def end(self) -> None:
        """No more items will come."""
        fault: BatchmillError | None = None
        if self._choosing is not None:
            try:
                if chosen := self._choosing.end():
                    self._put(chosen, None)
            except BatchmillError as error:
                fault = error
        self._end(fault)

    def _end(self, fault: BatchmillError | None = None) -> None:
        with self._lock:
            self._fault = self._fault or fault
            self._ended = True
            self._filled.notify_all()
        self._tell_of_it()

    def take(self, most: int) -> Sequence[object]:
        """What there is, at least one item, without waiting for more to fill a chunk; empty at the end.

        While more may come at most half of what is there is taken, so that other workers find some too.
        Raises what choosing among the items has raised, after all that was chosen before.
        """
        with self._lock:
            self._room = max(self._room, CHUNKS_OF_ROOM * most)
            while not (self._items or self._ended or self._stopped):
                self._filled.wait()
            if self._stopped:
                return ()
            if self._fault is not None and not self._items:
                raise self._fault
            there = len(self._items)
            n = min(most, there if self._ended else (there + 1) // 2)
            taken = [self._items.popleft() for _ in range(n)]
            self._taken += n
            if len(self._items) <= self._limit() // 2:
                self._emptied.notify()
            return taken

    def reader(self) -> None:
        return None

    def remaining(self) -> int | None:
        with self._lock:
            if self._fault is not None:
                return None
            if self._ended:
                return len(self._items)
            return None if self._total is None else max(0, self._total - self._taken)

    def stop(self) -> None:
        """Nothing more will be taken: a waiting ``take`` returns, and ``put`` waits no longer."""
        with self._lock:
            self._stopped = True
            self._filled.notify_all()
            self._emptied.notify_all()
        self._tell_of_it()

    def rest(self) -> Sequence[object]:
        """The items that nobody took; waits until the producer has ended."""
        with self._lock:
            while not self._ended:
                self._filled.wait()
            return list(self._items)

    def close(self) -> None:
        """Nothing is held beyond the items."""
