"""Items of an iterator, read by a thread of their own: what has been read is never kept by who reads on.

        iterator --next--> reading thread --items--> whoever takes

An iterator says nothing of when its next item comes: at once, when a request arrives, or once somebody has
answered the last one. A worker that went on reading to fill its chunk would sit on what it has until then. So
workers take what is there, and wait where they can be woken; the one who waits in the iterator has nothing in
hand. The thread is started for the first worker that has to wait, and reads no further than one chunk.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from batchmill.batch.byte_streams import InputStopped


class IteratorSource:
    """A :class:`~batchmill.batch.sources.Source` of anything iterable. ``wake`` ends a wait in the iterator,
    which then raises :class:`~batchmill.batch.byte_streams.InputStopped`, and says that it may be read in any
    thread; others, which may be tied to one, are read ``here`` where that is asked for.

    Concurrency: one thread at a time takes, any may call ``stop``, the reading thread reads. ``_lock`` guards
    all fields but ``_items``, to which the reading thread appends without it, for there may be a million
    items: it looks at ``_tell`` after it has appended, and who waits looks at ``_items`` after having set
    ``_tell``. So one of the two sees the other.
    """

    def __init__(self, items: Iterable[Any], *, wake: Callable[[], None] | None = None) -> None:
        self._iterator: Iterator[Any] = iter(items)
        self._wake = wake
        self._context = contextvars.copy_context()  # what the caller set is what the iterator sees
        self._lock = threading.Lock()
        self._asked = threading.Condition(self._lock)
        self._items: deque[Any] = deque()
        self._tell: Callable[[], None] | None = None  # somebody waits
        self._most = 1
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None
        self._over = False  # read to its end, or stopped

    @property
    def instant(self) -> bool:
        return bool(self._items)

    def ready(self, tell: Callable[[], None], most: int, *, here: bool) -> bool:
        with self._lock:
            self._most = most
            if here and self._wake is None and self._thread is None:
                return True
            self._tell = tell
            if not (self._items or self._over) and self._has_reader():
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
                if (self._tell is not None or len(items) >= self._most) and not self._wait_until_asked():
                    return
        except InputStopped:
            pass
        except BaseException as fault:  # noqa: BLE001  # raised again where the items are taken
            self._fault = fault
        self._end()

    def _wait_until_asked(self) -> bool:
        """Tell who waits, and wait while as much is there as one chunk holds; False once nothing is wanted
        any more. Where chunks hold one item, none is read before somebody waits for it."""
        self._tell_of_it()
        with self._lock:
            while not self._over and self._tell is None and len(self._items) >= self._room():
                self._asked.wait()
            return not self._over

    def _room(self) -> int:
        return self._most if self._most > 1 else 0

    def _tell_of_it(self) -> None:
        with self._lock:
            tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def _end(self) -> None:
        with self._lock:
            self._over = True
        self._tell_of_it()

    def take(self, most: int) -> Sequence[Any]:
        came = threading.Event()
        if not self.ready(came.set, most, here=self._thread is None):
            came.wait()
        if self._thread is None:
            return self._read_here()
        with self._lock:
            pop = self._items.popleft
            taken = [pop() for _ in range(min(most, len(self._items)))]
            if not taken and self._fault is not None:
                raise self._fault
            self._asked.notify()
            return taken

    def _read_here(self) -> Sequence[Any]:
        """The next item, read by whoever takes it: more might not come at once."""
        if self._over:
            return ()
        try:
            return [next(self._iterator)]
        except (StopIteration, InputStopped):
            self._over = True
            return ()

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

    def rest(self) -> Sequence[Any]:
        """What was read and never taken."""
        return list(self._items.copy())
