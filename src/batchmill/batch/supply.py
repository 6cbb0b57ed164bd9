"""The supply of items to take: read from the source and numbered, returned, or put off."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from batchmill.batch.delay_queue import DelayQueue
from batchmill.batch.keeping import Judge, judged_again
from batchmill.batch.matched_together import MatchedTogether
from batchmill.executors.contract import Chunk
from batchmill.items.sources import Source
from batchmill.journal.contract import ItemLog
from batchmill.outcome import Outcome


class Reading(NamedTuple):
    """One read: items, known outcomes by offset, and the exception of reading or matching."""

    items: Sequence[Any] = ()
    known: Mapping[int, Outcome] = {}  # nobody changes it
    error: BaseException | None = None


class Supply:
    """Supplies a batch's items, the first time and again.

    ``returned`` are chunks to take before new items: they have waited longest, and an ordered consumer waits
    for them. Items that were *put off* return when they are due. Items whose outcome the ``log`` knows are
    not taken: while it may know some, items are read in larger numbers and matched with it, and the ``judge``
    checks these outcomes again.

    Concurrency: none of its own. Its owner calls everything under one lock, except :meth:`read`, which one
    thread at a time calls outside of it (``reading`` says that one does), because a source may block for any
    time.
    """

    def __init__(self, source: Source, log: ItemLog | None, judge: Judge | None) -> None:
        self.taken = 0  # items read from the source, which is the index of the next one
        self.exhausted = False  # the source is known to have no more
        self.reading = False
        self.returned: deque[Chunk] = deque()
        self._put_off = DelayQueue()
        self._source = source
        self._judge = judge
        self._log = log
        self._matching = log is not None and log.knows
        self._together = MatchedTogether()

    @property
    def instant(self) -> bool:
        """Whether reading never waits: then :meth:`take_now` may be called."""
        return self._source.instant and not self._matching

    @property
    def waiting(self) -> bool:
        """Whether there is something to take again."""
        return bool(self.returned or self._put_off)

    @property
    def remaining(self) -> int | None:
        """The number of items that were not read, None if unknown."""
        return self._source.remaining()

    def stop_reading(self) -> None:
        """End a wait in the source, from any thread."""
        self._source.stop()

    def put_off(self, chunk: Chunk, seconds: float) -> None:
        """Have ``chunk`` returned, but not before ``seconds`` have passed."""
        self._put_off.put(chunk, seconds)

    def return_due(self) -> float | None:
        """Return what is due; seconds until there is something, None if nothing was put off."""
        if not self._put_off:
            return None
        self.returned.extend(self._put_off.due())
        return 0.0 if self.returned else self._put_off.seconds()

    def clear(self) -> list[Chunk]:
        """Take out all that waits to be taken again."""
        found = [*self.returned, *self._put_off.clear()]
        self.returned.clear()
        return found

    def retake(self, most: int) -> Chunk:
        """Up to ``most`` items of the chunk that was returned first."""
        chunk = self.returned.popleft()
        if len(chunk) > most:
            self.returned.appendleft(chunk.part(most))
            chunk = chunk.part(0, most)
        return chunk

    def can_give(self, most: int, tell: Callable[[], None], *, here: bool) -> bool:
        """Whether the source has items, or the taker should wait for it. Otherwise the source notifies when
        it has items."""
        return self._source.instant or self._source.ready(tell, self._at_once(most), here=here)

    def _at_once(self, most: int) -> int:
        return max(most, self._together.count) if self._matching else most

    def take_now(self, most: int) -> Sequence[object]:
        """Read up to ``most`` items of an instant source, under the lock."""
        return self._source.take(most)

    def reader(self, chunk: Chunk) -> Callable[[], Sequence[object]] | None:
        """What reads the items that follow those of ``chunk``, each in the thread that takes it; None where
        the source is read otherwise."""
        last = chunk.start + len(chunk) == self.taken
        return self._source.reader() if last and not (self.waiting or self.exhausted) else None

    def read(self, most: int) -> Reading:
        """Read about ``most`` items. Errors are returned, not raised."""
        items: Sequence[Any] = ()
        known: Mapping[int, Outcome] = {}
        try:
            items = self._source.take(self._at_once(most))
            if self._matching and self._log is not None:
                known = self._log.match(self.taken, items)
                self._together.note(items, known)
            if self._judge is not None:
                known = judged_again(known, items, self._judge)
        except BaseException as error:  # noqa: BLE001  # raised again where the results are consumed
            return Reading(items, {}, error)
        return Reading(items, known)

    def number(self, items: Sequence[object], *, stopped: bool) -> Chunk | None:
        """Give the read items their indices. An empty result is the end of the source, unless the source was
        stopped."""
        if (not items and not stopped) or self._source.remaining() == 0:
            self.exhausted = True
        if not items:
            return None
        chunk = Chunk(self.taken, items)
        self.taken += len(items)
        return chunk

    def look_whether_matching(self) -> bool:
        """Whether items were being matched until now; they are, from now on, while there may be known
        ones."""
        was = self._matching
        self._matching = was and self._log is not None and self._log.knows
        return was
