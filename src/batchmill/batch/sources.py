"""Where the items of a batch come from: anything iterable, read no further than workers ask for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

READ_SECONDS = 0.001  # how long one read may go on gathering once it has an item


class Source(Protocol):
    """Items in order. Used by one thread at a time; ``instant`` says that ``take`` never blocks."""

    instant: bool

    def take(self, most: int) -> Sequence[Any]:
        """Up to ``most`` further items, empty at the end. Raises what reading raises, after the items
        that came before it were taken."""

    def remaining(self) -> int | None:
        """How many are left, None where nobody knows."""

    def stop(self) -> None:
        """Nothing more will be taken: a ``take`` that waits for another batch returns. From any thread."""

    def rest(self) -> Sequence[Any]:
        """What is left and known without reading."""


class SequenceSource:
    """Items that are all there already."""

    instant = True

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items
        self._position = 0

    def take(self, most: int) -> Sequence[Any]:
        start = self._position
        taken = self._items[start : start + most]
        self._position += len(taken)
        return taken

    def remaining(self) -> int | None:
        return max(0, len(self._items) - self._position)

    def stop(self) -> None:
        """There is nothing to wake."""

    def rest(self) -> Sequence[Any]:
        return self._items[self._position :]


class IteratorSource:
    """Items that come as they are asked for, perhaps slowly, perhaps for ever."""

    instant = False

    def __init__(self, items: Iterable[Any]) -> None:
        self._iterator: Iterator[Any] = iter(items)
        self._fault: BaseException | None = None

    def take(self, most: int) -> Sequence[Any]:
        if self._fault is not None:
            raise self._fault
        taken: list[Any] = []
        end = 0.0
        try:
            for item in self._iterator:
                taken.append(item)
                if len(taken) >= most:
                    break
                now = time.perf_counter()
                end = end or now + READ_SECONDS
                if now >= end:
                    break
        except BaseException as fault:
            if not taken:
                raise
            self._fault = fault
        return taken

    def remaining(self) -> int | None:
        return None

    def stop(self) -> None:
        """Whoever waits in an iterator of the user's cannot be woken."""

    def rest(self) -> Sequence[Any]:
        return ()


def as_source(items: Iterable[Any]) -> Source:
    """The source of any iterable; lists, tuples and ranges are read by slices."""
    if isinstance(items, (list, tuple, range)):
        return SequenceSource(items)
    return IteratorSource(items)
