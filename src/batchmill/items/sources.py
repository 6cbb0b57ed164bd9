"""The source of a batch's items: anything iterable, read no further than workers ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from batchmill.items.iterator_source import IteratorSource
from batchmill.lists import LazyList


class Source(Protocol):
    """Items in order. Used by one thread at a time."""

    @property
    def instant(self) -> bool:
        """Whether ``take`` would give items now, without waiting or raising."""

    def ready(self, tell: Callable[[], None], most: int, *, here: bool) -> bool:
        """Whether to call ``take`` now. False if it would wait for another thread: ``tell`` is then called
        once, from any thread, when it would not. ``most`` is how many items are about to be taken. ``here``
        says to read them in the thread that takes them, if that matters."""

    def take(self, most: int) -> Sequence[object]:
        """Up to ``most`` further items, empty at the end. Raises the errors of reading, after the items that
        came before."""

    def reader(self) -> Callable[[], Sequence[object]] | None:
        """What reads the next item in the thread that calls it, as :meth:`take` does, if the source is only
        read there; None for all other sources."""

    def remaining(self) -> int | None:
        """The number of remaining items, None if unknown."""

    def stop(self) -> None:
        """Nothing more will be taken: a ``take`` that waits for another batch returns. From any thread."""

    def rest(self) -> Sequence[object]:
        """The remaining items known without reading. Called at the end: no item is taken after it."""

    def close(self) -> None:
        """Release what reading holds, such as open files. Called once, when the batch has ended or was broken
        off; only ``rest`` is called after it."""


class SequenceSource:
    """Items that all exist already, in memory or (not ``instant``) in a file."""

    def __init__(self, items: Sequence[object], *, instant: bool = True) -> None:
        self.instant = instant
        self._items = items
        self._position = 0

    def take(self, most: int) -> Sequence[object]:
        start = self._position
        taken = self._items[start : start + most]
        self._position += len(taken)
        return taken

    def ready(self, tell: Callable[[], None], most: int, *, here: bool) -> bool:
        return True

    def reader(self) -> None:
        return None

    def remaining(self) -> int | None:
        return max(0, len(self._items) - self._position)

    def stop(self) -> None:
        """There is nothing to wake."""

    def rest(self) -> Sequence[object]:
        return self._items[self._position :]

    def close(self) -> None:
        """Nothing is held."""


class ChunkedIterable:
    """Items that come in lists, some of which may be empty. Every iteration reads from the start.

    For a pipe or the like, which can block and gives a second reader nothing, ``wake`` ends the wait:
    :class:`~batchmill.items.byte_streams.InputStopped` is raised there. ``files`` are the paths or
    descriptors to read from.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[Sequence[object]]],
        *,
        wake: Callable[[], None] | None = None,
        files: Sequence[str | int] = (),
    ) -> None:
        self.read = read
        self.wake = wake
        self.files = files

    @property
    def live(self) -> bool:
        """Whether they come out of a pipe or the like."""
        return self.wake is not None

    def __iter__(self) -> Iterator[Any]:
        for piece in self.read():
            yield from piece


class ChunkedSource:
    """Items that arrive in lists: a worker takes those that arrived together without waiting for more."""

    def __init__(self, pieces: ChunkedIterable) -> None:
        self._pieces = pieces.read()
        self._piece: Sequence[object] = ()
        self._position = 0
        self._fault: BaseException | None = None

    @property
    def instant(self) -> bool:
        return self._position < len(self._piece)

    def ready(self, tell: Callable[[], None], most: int, *, here: bool) -> bool:
        return True

    def take(self, most: int) -> Sequence[object]:
        if self._fault is not None:
            raise self._fault
        try:
            while self._position >= len(self._piece):
                self._position, self._piece = 0, next(self._pieces)
        except StopIteration:
            return ()
        except BaseException as fault:
            self._fault = fault
            raise
        taken = self._piece[self._position : self._position + most]
        self._position += len(taken)
        return taken

    def reader(self) -> None:
        return None

    def remaining(self) -> int | None:
        return None

    def stop(self) -> None:
        """A read from a file ends by itself."""

    def rest(self) -> Sequence[object]:
        return ()

    def close(self) -> None:
        # Files are closed here and now, not once the collector finds the batch.
        close = getattr(self._pieces, "close", None)
        if close is not None:
            with suppress(ValueError):  # a worker was given up in the midst of a read
                close()


def as_source(items: Iterable[object]) -> Source:
    """The source of any iterable; lists, tuples and ranges are read by slices."""
    if isinstance(items, (list, tuple, range)):
        return SequenceSource(items)
    if isinstance(items, LazyList):
        return SequenceSource(items, instant=items.instant)
    if not isinstance(items, ChunkedIterable):
        return IteratorSource(items)
    return IteratorSource(items, wake=items.wake) if items.live else ChunkedSource(items)
