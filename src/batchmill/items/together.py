"""Combine several sources: every combination of their items, or their items side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.sources import ChunkedIterable
from batchmill.lists import LazyList
from batchmill.values.words import count

TOGETHER = 256  # items that are made at once of what is read

Sides = Mapping[str, Iterable[Any]]
Item = dict[str, Any]


def combinations(sides: Sides, exclude: Sequence[Mapping[str, object]]) -> Iterable[Item]:
    """An item for every combination, the last side changing fastest. Leaves out combinations with all values
    of an object of ``exclude``. Sides that are read are held in memory, except the first one.

    Raises :class:`InvalidSetting` for an ``exclude`` that can match nothing.
    """
    names, (first, *others) = list(sides), list(sides.values())
    for one in exclude:
        for name in one:
            if name not in sides:
                raise InvalidSetting(f"`exclude` names {name!r}, and the sides are {', '.join(names)}")
    if not exclude and all(isinstance(side, Sequence) for side in sides.values()):
        return _Product(names, [side for side in sides.values() if isinstance(side, Sequence)])

    def made() -> Iterator[Item]:
        held = [list(side) for side in others]
        for one in first:
            for rest in product(*held):
                item = dict(zip(names, (one, *rest), strict=True))
                if not any(_matches(item, values) for values in exclude):
                    yield item

    return _in_pieces(made, sides)


def side_by_side(sides: Sides) -> Iterable[Item]:
    """An item of the first items of all sides, one of the second ones, and so on.

    Raises :class:`InvalidSetting` for lists that are not equally long; of sides that are read
    :class:`StorageError` is raised where the first of them ends, after the items before.
    """
    lengths = {name: len(side) for name, side in sides.items() if isinstance(side, Sequence)}
    if len(set(lengths.values())) > 1:
        raise InvalidSetting(f"the sides of `zip` are not equally long: {_words(lengths)}")
    if len(lengths) == len(sides):
        return _Zip(list(sides), [side for side in sides.values() if isinstance(side, Sequence)])

    def made() -> Iterator[Item]:
        readers, done = {name: iter(side) for name, side in sides.items()}, 0
        while True:
            item = {name: next(reader, _END) for name, reader in readers.items()}
            ended = [name for name, value in item.items() if value is _END]
            if len(ended) == len(item):
                return
            if ended:
                raise StorageError(
                    f"the sides of `zip` are not equally long: {ended[0]!r} has only {count(done, 'item')}"
                )
            yield item
            done += 1

    return _in_pieces(made, sides)


_END = object()


def _words(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} has {count(length, 'item')}" for name, length in lengths.items())


def _matches(item: Item, values: Mapping[str, object]) -> bool:
    return all(_equal(item[name], value) for name, value in values.items())


def _equal(one: object, other: object) -> bool:
    """Equality of JSON, in which true is not 1."""
    return (isinstance(one, bool) is isinstance(other, bool)) and bool(one == other)


def _in_pieces(made: Callable[[], Iterator[Item]], sides: Sides) -> ChunkedIterable:
    """Items that are made on demand; items before an error come first."""

    def pieces() -> Iterator[list[Item]]:
        piece: list[Item] = []
        reading = made()
        try:
            for item in reading:
                piece.append(item)
                if live or len(piece) == TOGETHER:
                    yield piece
                    piece = []
        except Exception:
            yield piece
            raise
        yield piece

    parts = [side for side in sides.values() if isinstance(side, ChunkedIterable)]
    live = [part.wake for part in parts if part.wake is not None]
    files = [file for part in parts for file in part.files]
    return ChunkedIterable(pieces, wake=_all(live) if live else None, files=files)


def _all(wakes: list[Callable[[], None]]) -> Callable[[], None]:
    def wake() -> None:
        for one in wakes:
            one()

    return wake


class _Made(LazyList):
    """Items made on demand from lists."""

    __slots__ = ("_names", "_sides")
    instant = True

    def __init__(self, names: list[str], sides: list[Sequence[object]]) -> None:
        self._names, self._sides = names, sides


class _Product(_Made):
    def __len__(self) -> int:
        return math.prod(map(len, self._sides))

    def part(self, start: int, stop: int) -> list[Any]:
        """See :meth:`LazyList.part`."""
        return [self._at(place) for place in range(start, stop)]

    def _at(self, place: int) -> Item:
        values: list[Any] = []
        for side in reversed(self._sides):
            place, here = divmod(place, len(side))
            values.append(side[here])
        return dict(zip(self._names, reversed(values), strict=True))


class _Zip(_Made):
    def __len__(self) -> int:
        return len(self._sides[0])

    def part(self, start: int, stop: int) -> list[Any]:
        """See :meth:`LazyList.part`."""
        columns = [side[start:stop] for side in self._sides]
        return [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]

    def fitting(self, start: int, stop: int) -> int:
        """See :meth:`LazyList.fitting`."""
        lazy = [side for side in self._sides if isinstance(side, LazyList)]
        return min((side.fitting(start, stop) for side in lazy), default=stop)
