"""Items of an iterator, read by its own thread, so a worker that waits for the next item holds none back.

    iterator --next--> reading thread --items--> worker

An iterator does not say when its next item comes: at once, when a request arrives, or only after an answer to
the last one. A worker that kept reading to fill its chunk would hold back its items until then. So workers
take the items that are there, and wait where they can be woken; the thread that waits in the iterator holds
no items. A worker that takes one item at a time needs no reader: the thread is started for the first larger
chunk, and reads a few chunks ahead.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from batchmill.items.byte_streams import InputStopped

CHUNKS_AHEAD = 4  # threads that wake each other for every chunk spend more on that than on short items


class IteratorSource:
    """A :class:`~batchmill.items.sources.Source` over any iterable. ``wake`` ends a wait in the iterator,
    which then raises :class:`~batchmill.items.byte_streams.InputStopped`; giving it says that any thread may
    read the iterator. Others may be tied to one thread and are read ``here`` on request.

    Concurrency: one thread at a time takes, any may call ``stop``, the reading thread reads. ``_lock`` guards
    all fields except ``_items``, to which the reading thread appends without it, because there may be a
    million items. The reader appends and then looks at ``_tell``; the taker sets ``_tell`` and then looks at
    ``_items``. So one of the two sees the other. Between setting and looking, the taker acquires ``_fence``,
    as appending acquires the deque's own lock on an interpreter without a GIL: so no processor reorders the
    two.
    """

    def __init__(self, items: Iterable[object], *, wake: Callable[[], None] | None = None) -> None:
        self._iterator: Iterator[object] = iter(items)
        self._wake = wake
        self._context = contextvars.copy_context()  # what the caller set is what the iterator sees
        self._lock = threading.Lock()
        self._fence = threading.Lock()
        self._asked = threading.Condition(self._lock)
        self._items: deque[object] = deque()
        self._tell: Callable[[], None] | None = None  # somebody waits
        self._room = 1  # items that may be there before reading pauses
        self._paused = False
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None
        self._over = False  # read to its end, or stopped

    @property
    def instant(self) -> bool:
        return bool(self._items)

    def ready(self, tell: Callable[[], None], most: int, *, here: bool) -> bool:
        with self._lock:
            self._room = 1 if most == 1 else max(self._room, CHUNKS_AHEAD * most)
            if here and self._wake is None and self._thread is None:
                return True
            self._tell = tell
            with self._fence:
                there = bool(self._items)
            if not (there or self._over) and self._has_reader():
                self._asked.notify()
                return False
            self._tell = None
            return True

    def _has_reader(self) -> bool:
        """Under the lock: whether the thread reads, or can be started."""
        if self._thread is None:
            read = self._context.run
            thread = threading.Thread(target=read, args=(self._read,), name="batchmill-source", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has none to give: who takes reads, one item at a time
                return False
            self._thread = thread
        return True

    def _read(self) -> None:
        """In the reading thread."""
        items, append = self._items, self._items.append
        try:
            for item in self._iterator:
                append(item)
                if (self._tell is not None or len(items) >= self._room) and not self._goes_on():
                    return
        except InputStopped:
            pass
        except BaseException as fault:  # noqa: BLE001  # raised again where the items are taken
            self._fault = fault
        with self._lock:
            self._over = True
        self._tell_of_it()

    def _goes_on(self) -> bool:
        """Wake a waiting taker; pause while enough items are there; False once no more are needed. If chunks
        hold one item, the next is read when a taker waits for it."""
        self._tell_of_it()
        with self._lock:
            if len(self._items) >= self._room or self._room == 1:
                self._paused = True
                while not (self._over or self._tell is not None or self._is_low()):
                    self._asked.wait()
                self._paused = False
            return not self._over

    def _is_low(self) -> bool:
        return self._room > 1 and len(self._items) <= self._room // 2

    def _tell_of_it(self) -> None:
        with self._lock:
            tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def take(self, most: int) -> Sequence[object]:
        if self._thread is None:
            return self._read_here()
        came = threading.Event()
        if not (self._items or self.ready(came.set, most, here=False)):
            came.wait()
        with self._lock:
            pop = self._items.popleft
            taken = [pop() for _ in range(min(most, len(self._items)))]
            if not taken and self._fault is not None:
                raise self._fault
            if self._paused and self._is_low():
                self._asked.notify()
            return taken

    def _read_here(self) -> Sequence[object]:
        """Read the next item in the taker's own thread: more might not come at once."""
        if self._over:
            return ()
        try:
            return [next(self._iterator)]
        except (StopIteration, InputStopped):
            self._over = True
            return ()

    def reader(self) -> Callable[[], Sequence[object]] | None:
        return self._read_here if self._wake is None and self._thread is None else None

    def remaining(self) -> int | None:
        return None

    def stop(self) -> None:
        """End a wait in the iterator where that can be ended; a thread that waits in one of the user's is
        left to it."""
        with self._lock:
            self._over = True
            self._asked.notify()
        self._tell_of_it()
        if self._wake is not None:
            self._wake()

    def rest(self) -> Sequence[object]:
        """Items that were read but never taken."""
        while True:
            try:
                return list(self._items)
            # The reading thread has appended meanwhile: once it is stopped, it does so once at most.
            except RuntimeError:
                continue

    def close(self) -> None:
        """The iterator belongs to the caller, who may read on."""
