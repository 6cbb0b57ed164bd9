"""The choice of the items of a batch, and their groups: a chain of small steps over the items.

The steps apply in this order: ``where``, ``skip``, ``sample``, ``limit``, ``batch_size``. Items in memory
stay a list. Lazy items stay lazy, and are read only as far as needed. Positions, results and errors are those
of the remaining items.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from batchmill.bad_row import BadRow
from batchmill.errors import TooFewItems
from batchmill.items.sources import ChunkedIterable
from batchmill.lists import LazyList
from batchmill.sourced import grouped

Piece = Sequence[Any]
Step = Callable[[Iterator[Piece]], Iterator[Piece]]
"""Takes pieces and gives a piece, perhaps an empty one, for each; at the end, the rest."""


@dataclass(frozen=True)
class Selection:
    """``where`` decides by an item and its position in the source whether to keep it; ``skip`` and ``limit``
    are numbers of items; ``sample`` is a number of them (from 1) or a share (above 0, below 1), drawn by
    ``seed``; ``batch_size`` items make a group; fewer than ``min_items`` items, counted before grouping, fail
    the batch. ``first`` is how many of the remaining items a trial run takes; it may be below ``min_items``.
    """

    where: Callable[[Any, int], bool] | None = None
    skip: int = 0
    limit: int | None = None
    sample: int | float | None = None
    seed: int = 0
    batch_size: int | None = None
    min_items: int = 0
    first: int | None = None

    def of(self, items: Iterable[object]) -> Iterable[Any]:
        """The chosen ones of ``items``. Iteration reads lazy items, and raises
        :class:`~batchmill.errors.TooFewItems`."""
        steps = list(self._steps())
        if not steps:
            return items
        if isinstance(items, ChunkedIterable):
            read = items.read
            return ChunkedIterable(lambda: _through(read(), steps), wake=items.wake, files=items.files)
        if isinstance(items, Sequence):
            whole = replace(self, batch_size=None)
            found = _through(iter((items,)), whole._steps())
            try:
                left = next((piece for piece in found if len(piece)), ())
            except TooFewItems as fault:  # raised where it would be of items that are read as they are needed
                return ChunkedIterable(partial(_failing, fault))
            return left if self.batch_size is None else Groups(left, self.batch_size)
        return chain.from_iterable(_through(((one,) for one in items), steps))

    def count(self, total: int | None) -> int | None:
        """How many items or groups are left of ``total``; None where that is not known before."""
        if total is None or isinstance(self.sample, float) or self.where is not None:
            return None
        most = [limit for limit in (self.sample, self.limit, self.first) if limit is not None]
        left = int(min([max(0, total - self.skip), *most]))
        return left if self.batch_size is None else -(-left // self.batch_size)

    def _steps(self) -> Iterator[Step]:
        if self.where is not None:
            yield partial(self._fitting, self.where)
        if self.skip:
            yield self._without_first
        if isinstance(self.sample, float):
            yield partial(self._share, self.sample)
        elif self.sample is not None:
            yield partial(self._drawn, self.sample)
        if self.limit is not None:
            yield partial(_first, self.limit)
        if self.min_items:
            yield self._at_least
        if self.first is not None:
            yield partial(_first, self.first)
        if self.batch_size is not None:
            yield self._grouped

    def _fitting(self, fits: Callable[[Any, int], bool], pieces: Iterator[Piece]) -> Iterator[Piece]:
        position = 0
        for piece in pieces:
            numbered = enumerate(piece, position)
            yield [one for place, one in numbered if type(one) is BadRow or fits(one, place)]
            position += len(piece)

    def _without_first(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        left = self.skip
        for piece in pieces:
            yield piece[left:] if left else piece
            left -= min(left, len(piece))

    def _share(self, share: float, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Choose each item by its own draw, independent of all others."""
        draw = self._random().random
        for piece in pieces:
            yield [one for one in piece if draw() < share]

    def _drawn(self, size: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """``size`` items, each as likely as any other: a reservoir (Vitter's algorithm R), in input order at
        the end. All items are read first, and no more than the sample is held."""
        draw, kept, number = self._random(), list[tuple[int, Any]](), 0
        for piece in pieces:
            for one in piece:
                if len(kept) < size:
                    kept.append((number, one))
                elif (place := draw.randrange(number + 1)) < size:
                    kept[place] = number, one
                number += 1
            yield ()
        yield [one for _, one in sorted(kept, key=lambda pair: pair[0])]

    def _random(self) -> random.Random:
        """The same draws for one seed on every interpreter."""
        digest = hashlib.sha256(str(self.seed).encode()).digest()
        return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311  # a sample, no secret

    def _at_least(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Nothing runs before it is known that there are enough."""
        held: list[Piece] = []
        count = 0
        for piece in pieces:
            held.append(piece)
            count += len(piece)
            if count >= self.min_items:
                break
            yield ()
        if count < self.min_items:
            wanted = f"`min_items` wants at least {self.min_items}"
            there = f"there is {count} item" if count == 1 else f"there are {count} items"
            raise TooFewItems(f"{there}, and {wanted}; nothing was run")
        yield held[0] if len(held) == 1 else list(chain.from_iterable(held))
        yield from pieces

    def _grouped(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Groups of so many; the last one holds what is left over. A bad row is in none: it fails alone, and
        comes before the group that was begun."""
        size = self.batch_size or 1
        group: list[Any] = []
        for piece in pieces:
            made: list[Any] = []
            bad = [place for place, kind in enumerate(map(type, piece)) if kind is BadRow]
            begin = 0
            for end in (*bad, len(piece)):
                group.extend(piece[begin:end])
                whole = len(group) - len(group) % size
                made.extend(grouped(group[start : start + size]) for start in range(0, whole, size))
                del group[:whole]
                made.extend(piece[end : end + 1])
                begin = end + 1
            yield made
        if group:
            yield [grouped(group)]


EVERY_ITEM = Selection()


class Choosing:
    """A :class:`Selection` of items that another source hands over. Used by one thread."""

    def __init__(self, selection: Selection) -> None:
        self._given: Piece | None = ()
        self._left = _through(iter(self._take, None), selection._steps())  # of this module

    def _take(self) -> Piece | None:
        return self._given

    def put(self, items: Piece) -> Piece | None:
        """The chosen items, given that ``items`` arrived; None once no more can follow."""
        self._given = items
        return next(self._left, None)

    def end(self) -> Piece:
        """The chosen items at the end of the input. Raises :class:`~batchmill.errors.TooFewItems`."""
        self._given = None
        return list(chain.from_iterable(self._left))


def _failing(fault: TooFewItems) -> Iterator[Piece]:
    yield ()
    raise fault


class Groups(LazyList):
    """The elements of ``whole`` in lists of ``size``, made on demand."""

    __slots__ = ("_size", "_whole")
    instant = True

    def __init__(self, whole: Piece, size: int) -> None:
        self._whole, self._size = whole, size

    def __len__(self) -> int:
        return -(-len(self._whole) // self._size)

    def part(self, start: int, stop: int) -> list[Any]:
        """See :meth:`LazyList.part`."""
        size = self._size
        return [list(self._whole[place * size : (place + 1) * size]) for place in range(start, stop)]

    def fitting(self, start: int, stop: int) -> int:
        """See :meth:`LazyList.fitting`."""
        if not isinstance(self._whole, LazyList):
            return stop
        end = self._whole.fitting(start * self._size, min(stop * self._size, len(self._whole)))
        return stop if end == len(self._whole) else max(start + 1, end // self._size)


def _first(left: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
    if not left:
        return
    for piece in pieces:
        yield piece[:left]
        left -= min(left, len(piece))
        if not left:  # a source that is waited for is not asked for one more
            return


def _through(pieces: Iterator[Piece], steps: Iterable[Step]) -> Iterator[Piece]:
    for step in steps:
        pieces = step(pieces)
    return pieces
