"""The progress of a worker, visible from outside: which item of which chunk, and since when.

The worker writes it without a lock, and others read it, also after its death. So it is a row of 64-bit
integers, a list for a thread and shared memory for a process, where each is one store and one load. Values
that belong together are one integer: the chunk and its item are two halves of a word, so a reader never sees
one from before a change and the other from after it.

Readers rely on the order of the stores, which is documented only here. The data about a chunk is there before
the word says that the worker is on it. The word says that an item has begun before the worker checks whether
it may begin one, and before it touches the item. So a thread that pauses a worker and looks a moment later,
or finds it dead, sees every item that was begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

_WORD = 0  # number of the chunk << _ITEM_BITS | how many of its items were begun; 0 before the first chunk
_PHASE = 1
_ATTEMPT = 2  # number of the attempt being run, from 1
_STARTED = 3  # time.monotonic_ns() at which that attempt started, 0 while none runs
_STOP = 4  # _STOPPED or _PAUSED, 0 while items may start
_PUBLISHED = 5  # bytes of finished results that lie in the outgoing region
_FOR_GOOD = 7  # 1 once it was stopped
_BEGAN = 6  # time.monotonic_ns() at which the first item of the chunk did
_TIMED = 8  # time.monotonic_ns() from which its timeout counts, 0 while none does: _STARTED or later
CELLS = 9

_ITEM_BITS = 32
_ITEMS = (1 << _ITEM_BITS) - 1  # the half of the word that counts items
MOST_CHUNKS = 1 << 31  # a worker is replaced before their number would need more bits than are left

LOADING, RUNNING, PACKING = 1, 2, 3  # phases of a chunk: it is unpickled, its items run, results are pickled
_NO_DEADLINE = nullcontext()
_STOPPED, _PAUSED = 1, 2  # for good; until what was not begun has been taken back

Cells = MutableSequence[int]


class Position(NamedTuple):
    """A worker's place: in chunk ``seq`` (0 before the first) the first ``begun`` items have begun. The last
    of them is running, or has just finished."""

    seq: int
    begun: int


class Progress:
    """The progress of one worker. ``cells`` is shared memory of :data:`CELLS` integers, by default a list.

    Concurrency: only the worker calls ``begin_*``, ``end_*``, ``postpone``, ``enter`` and ``publish``. Any
    thread may call ``stop`` and read. ``pause``, ``resume`` and ``reset`` are for one other thread at a time,
    under its own lock.
    """

    __slots__ = ("_cells",)

    def __init__(self, cells: Cells | None = None) -> None:
        self._cells: Cells = [0] * CELLS if cells is None else cells

    def begin_chunk(self, seq: int) -> None:
        """The worker is on chunk ``seq``, from 1, and has begun none of its items."""
        cells = self._cells
        cells[_PUBLISHED] = 0
        cells[_PHASE] = LOADING
        cells[_WORD] = seq << _ITEM_BITS

    def begin_items(self) -> Callable[[], bool]:
        """The items of the chunk are there, and run from now on. Call the function before each: the next item
        is begun; False if none may be."""
        cells = self._cells
        cells[_BEGAN] = time.monotonic_ns()
        cells[_ATTEMPT] = 1
        word = cells[_WORD] = cells[_WORD] & ~_ITEMS
        cells[_PHASE] = RUNNING

        def begin_item() -> bool:
            nonlocal word
            word += 1
            cells[_WORD] = word  # before the look at _STOP: who stops us and looks here later knows all
            if cells[_STOP]:
                word -= 1
                cells[_WORD] = word
                return False
            return True

        return begin_item

    def begin_attempt(self, number: int) -> None:
        """Attempt ``number`` of the item is made, without a deadline."""
        self._cells[_ATTEMPT] = number

    def begin_timed(self) -> int:
        """Work with a deadline began at this nanosecond of ``time.monotonic_ns``."""
        now = self._cells[_STARTED] = self._cells[_TIMED] = time.monotonic_ns()
        return now

    def postpone(self, nanoseconds: int) -> None:
        """Delay the timeout of the running work by so much from now, if it has one. Its start stays."""
        if self._cells[_TIMED]:
            self._cells[_TIMED] = time.monotonic_ns() + nanoseconds

    def end_timed(self) -> None:
        """The work with a deadline has ended."""
        self._cells[_STARTED] = self._cells[_TIMED] = 0

    def deadline(self, timed: bool) -> AbstractContextManager[None]:
        """Pickling runs the items' own code, so where attempts are ``timed`` it has a deadline of its own."""
        return self._deadline() if timed else _NO_DEADLINE

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        self.begin_timed()
        try:
            yield
        finally:
            self.end_timed()

    def enter(self, phase: int) -> None:
        """Set the phase of the chunk that the worker is in."""
        self._cells[_PHASE] = phase

    def publish(self, length: int) -> None:
        """So many bytes of finished results lie in the outgoing region, whole."""
        self._cells[_PUBLISHED] = length

    def stop(self) -> None:
        """Let no further item begin."""
        # A thread that pauses or resumes at the same moment stores first and checks _FOR_GOOD then. So either
        # it sees our store, or its own came before ours.
        self._cells[_FOR_GOOD] = 1
        self._cells[_STOP] = _STOPPED

    def pause(self) -> None:
        """Let no item begin until :meth:`resume`, unless all is stopped for good."""
        self._cells[_STOP] = _PAUSED
        self._stay_stopped()

    def resume(self) -> None:
        """Let items begin again that were paused."""
        self._cells[_STOP] = 0
        self._stay_stopped()

    def _stay_stopped(self) -> None:
        if self._cells[_FOR_GOOD]:
            self._cells[_STOP] = _STOPPED

    def reset(self) -> None:
        """Make ready for another batch."""
        self._cells[_FOR_GOOD] = 0
        self._cells[_STOP] = 0
        self._cells[_STARTED] = self._cells[_TIMED] = 0

    @property
    def position(self) -> Position:
        """Where the worker is, from one look."""
        word = self._cells[_WORD]
        return Position(word >> _ITEM_BITS, word & _ITEMS)

    @property
    def phase(self) -> int:
        return self._cells[_PHASE]

    @property
    def attempt(self) -> int:
        return self._cells[_ATTEMPT]

    @property
    def started(self) -> int:
        """Since when what runs has a deadline, in ``time.monotonic_ns``; 0 if nothing has."""
        return self._cells[_STARTED]

    @property
    def timed(self) -> int:
        """From when its timeout counts, in the same: the start, or later while it is being ended (see
        :meth:`postpone`); 0 if nothing has a timeout."""
        return self._cells[_TIMED]

    @property
    def began(self) -> int:
        """Since when items of the chunk run, in the same."""
        return self._cells[_BEGAN]

    @property
    def published(self) -> int:
        return self._cells[_PUBLISHED]

    @property
    def stopped(self) -> bool:
        return self._cells[_STOP] == _STOPPED

    @property
    def paused(self) -> bool:
        return self._cells[_STOP] == _PAUSED
