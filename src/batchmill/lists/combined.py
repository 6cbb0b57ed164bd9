"""Lists derived from other lists; lazy if those are."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any

from batchmill.lists.lazy import LazyList

_COUNTED_TOGETHER = 64  # elements; to read one that is made of them all of them are read


class MappedList(LazyList):
    """Another list with a function applied to each element on reading."""

    __slots__ = ("_change", "_of")

    def __init__(self, of: LazyList, change: Callable[[Any], object]) -> None:
        self._of = of
        self._change = change

    def __len__(self) -> int:
        return len(self._of)

    def part(self, start: int, stop: int) -> list[Any]:
        return [self._change(one) for one in self._of.part(start, stop)]

    def fitting(self, start: int, stop: int) -> int:
        return self._of.fitting(start, stop)


class JoinedList(LazyList):
    """Lists one behind the other."""

    __slots__ = ("_ends", "_parts")

    def __init__(self, parts: Sequence[Sequence[object]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(map(len, self._parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def part(self, start: int, stop: int) -> list[Any]:
        found: list[Any] = []
        place = bisect_right(self._ends, start)
        while start < stop:
            first = self._ends[place] - len(self._parts[place])
            end = min(stop, self._ends[place])
            found += self._parts[place][start - first : end - first]
            start = end
            place += 1
        return found

    def fitting(self, start: int, stop: int) -> int:
        place = bisect_right(self._ends, start)
        here, end = self._parts[place], self._ends[place]
        if not isinstance(here, LazyList):
            return min(stop, end)
        first = end - len(here)
        return first + here.fitting(start - first, min(stop, end) - first)


class FlatList(LazyList):
    """The lists that a function makes of the elements of another list, concatenated.

    ``expand`` is first called once for every element, to count the results, and again when elements are read:
    it must give the same result each time.
    """

    __slots__ = ("_ends", "_expand", "_of")

    def __init__(self, of: LazyList, expand: Callable[[Any], Sequence[object]]) -> None:
        self._of = of
        self._expand = expand
        self._ends = array("Q")  # where the elements that are made of each so many end
        end = 0
        for number, element in enumerate(of, 1):
            end += len(expand(element))
            if not number % _COUNTED_TOGETHER or number == len(of):
                self._ends.append(end)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def part(self, start: int, stop: int) -> list[Any]:
        first, last = bisect_right(self._ends, start), bisect_left(self._ends, stop)
        skipped = self._ends[first - 1] if first else 0
        read = self._of[first * _COUNTED_TOGETHER : (last + 1) * _COUNTED_TOGETHER]
        made = [one for element in read for one in self._expand(element)]
        return made[start - skipped : stop - skipped]

    def fitting(self, start: int, stop: int) -> int:
        """Elements that come of the same ones are read together, however large they are."""
        first = bisect_right(self._ends, start)
        begin, end = first * _COUNTED_TOGETHER, min((first + 1) * _COUNTED_TOGETHER, len(self._of))
        return stop if self._of.fitting(begin, end) == end else min(stop, self._ends[first])


def mapped(of: Sequence[object], change: Callable[[Any], object]) -> Sequence[Any]:
    """``change`` applied to each element: a list where ``of`` is held."""
    return MappedList(of, change) if isinstance(of, LazyList) else [change(one) for one in of]


def joined(parts: Iterable[Sequence[object]]) -> Sequence[Any]:
    """Lists one behind the other: a list where all of them are held."""
    some = [part for part in parts if len(part)]
    if any(isinstance(part, LazyList) for part in some):
        return some[0] if len(some) == 1 else JoinedList(some)
    return [one for part in some for one in part]


def flattened(of: Sequence[object], expand: Callable[[Any], Sequence[object]]) -> Sequence[object]:
    """The results of ``expand`` for each element, concatenated: a list if they are all in memory."""
    return FlatList(of, expand) if isinstance(of, LazyList) else joined(map(expand, of))
