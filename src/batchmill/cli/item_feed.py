"""The items of ``batchmill map`` from its sources: of one source, all combinations of several, or their
values side by side. Files of the run itself are left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click

from batchmill.cli.item_source import FORMS, ItemSource
from batchmill.errors import InvalidSetting
from batchmill.file_table import FileTable, without
from batchmill.items.sources import ChunkedIterable
from batchmill.lists import LazyList

TOGETHER = 256  # items of a product that are made at once


class NothingThere(click.UsageError):
    """Raised if a source names nothing, which is rarely intended."""


class ItemFeed:
    """The items, to be read once, by calling it.

    The first ones are read when it is made, so a source that names nothing is reported before anything runs.
    With ``allow_empty`` it gives no items instead. ``group`` makes lists of so many items. ``say`` gets
    messages about files that were left out.
    """

    def __init__(
        self,
        sources: Sequence[ItemSource],
        own: FileTable,
        say: Callable[[str], object],
        *,
        link: bool = False,
        allow_empty: bool = False,
        limit: int | None = None,
        change: Callable[[Any], object] | None = None,
        group: int = 1,
    ) -> None:
        self._sources = sources
        self._own = own
        self._say = say
        self._allow_empty = allow_empty
        opened = [self._opened(source) for source in sources]
        items = opened[0] if len(opened) == 1 else self._together(opened, link)
        if change is not None:
            items = _changed(items, change)
        items = _limited(items, limit)
        if group > 1:
            items = _grouped(items, group)
        self._items, self.first = _looked_into(items)
        if not self.first and not allow_empty and limit != 0:
            raise _nothing(sources)

    def __call__(self) -> Iterable[object]:
        return self._items

    def _opened(self, source: ItemSource) -> Iterable[object]:
        if source.missing:
            if self._allow_empty:
                return []
            raise _nothing([source])
        if meant := source.perhaps_meant:
            self._say(f"note: {meant}")
        items = source.opened()
        if isinstance(items, range):
            return items
        if isinstance(items, ChunkedIterable):
            return ChunkedIterable(
                lambda: map(self._without_own, items.read()), wake=items.wake, files=items.files
            )
        return self._without_own(list(items))

    def _without_own(self, items: Sequence[object]) -> Sequence[object]:
        own = self._own.among(items)
        if not own:
            return items
        self._say(f"note: left out, as files of this run: {', '.join(str(items[one]) for one in own)}")
        return without(items, own)

    def _together(self, opened: Sequence[Iterable[object]], link: bool) -> Iterable[object]:
        """A list of a value of each source for every item. All but the first are read at once."""
        first, others = opened[0], [list(one) for one in opened[1:]]
        for source, values in zip(self._sources[1:], others, strict=True):
            if not values and not self._allow_empty:
                raise _nothing([source])
        wake = first.wake if isinstance(first, ChunkedIterable) else None
        if link:
            return self._linked(first, others, wake)
        return ChunkedIterable(lambda: _product(_pieces(first), others), wake=wake)

    def _linked(
        self, first: Iterable[object], others: list[list[object]], wake: Callable[[], None] | None
    ) -> Iterable[object]:
        """The items of all sources side by side. Those of a pipe, which may take long to come, are compared
        with the others as they come."""
        known = others if wake is not None else [list(first), *others]
        lengths = [len(values) for values in known]
        if len(set(lengths)) > 1:
            named = zip(self._sources[-len(known) :], lengths, strict=True)
            told = ", ".join(f"{source.written!r} has {length:,}" for source, length in named)
            raise click.UsageError(f"--link takes sources side by side, and they differ in length: {told}")
        start = first if wake is not None else known[0]
        return ChunkedIterable(lambda: _side_by_side(_pieces(start), others), wake=wake)


def _nothing(sources: Sequence[ItemSource]) -> NothingThere:
    told = "; ".join(dict.fromkeys(source.emptiness for source in sources))
    return NothingThere(f"nothing to do: {told} (--allow-empty accepts that)\n{FORMS}")


def _pieces(items: Iterable[object]) -> Iterator[Sequence[object]]:
    if isinstance(items, ChunkedIterable):
        yield from items.read()
        return
    source = iter(items)
    while piece := list(itertools.islice(source, TOGETHER)):
        yield piece


def _product(first: Iterator[Sequence[object]], others: list[list[object]]) -> Iterator[Sequence[object]]:
    for piece in first:
        every = itertools.product(piece, *others)
        while made := [list(one) for one in itertools.islice(every, TOGETHER)]:
            yield made


def _side_by_side(
    first: Iterator[Sequence[object]], others: list[list[object]]
) -> Iterator[Sequence[object]]:
    place = 0
    for piece in first:
        rows = [
            list(one)
            for one in zip(piece, *(other[place : place + len(piece)] for other in others), strict=False)
        ]
        place += len(piece)
        yield rows
        if len(rows) < len(piece):
            raise InvalidSetting(
                f"--link: the first source has more items than the others, {len(others[0]):,}"
            )
    if place < len(others[0]):
        raise InvalidSetting(f"--link: the first source has {place:,} items, the others {len(others[0]):,}")


def _changed(items: Iterable[object], change: Callable[[Any], object]) -> Iterable[object]:
    wake = items.wake if isinstance(items, ChunkedIterable) else None
    return ChunkedIterable(lambda: ([change(item) for item in piece] for piece in _pieces(items)), wake=wake)


def _limited(items: Iterable[object], limit: int | None) -> Iterable[object]:
    if limit is None:
        return items
    if isinstance(items, (list, range)):
        return items[:limit]
    return ChunkedIterable(
        lambda: _first(_pieces(items), limit), wake=items.wake if isinstance(items, ChunkedIterable) else None
    )


def _grouped(items: Iterable[object], size: int) -> Iterable[object]:
    wake = items.wake if isinstance(items, ChunkedIterable) else None
    return ChunkedIterable(lambda: _groups(_pieces(items), size), wake=wake)


def _groups(pieces: Iterator[Sequence[object]], size: int) -> Iterator[Sequence[object]]:
    """Lists of ``size`` items; the last one has the rest."""
    begun: list[Any] = []
    for piece in pieces:
        begun.extend(piece)
        whole = len(begun) - len(begun) % size
        if whole:
            yield [begun[start : start + size] for start in range(0, whole, size)]
            begun = begun[whole:]
    if begun:
        yield [begun]


def _first(pieces: Iterator[Sequence[object]], limit: int) -> Iterator[Sequence[object]]:
    """The first ``limit`` items; what is behind them is not read."""
    left = limit
    while left > 0:
        piece = next(pieces, None)
        if piece is None:
            return
        yield piece[:left]
        left -= len(piece)


def _looked_into(items: Iterable[object]) -> tuple[Iterable[object], Sequence[object]]:
    """The same items, and the first of them."""
    if isinstance(items, (list, range, LazyList)):
        return items, items[:1]
    pieces = _pieces(items)
    first = next((piece for piece in pieces if piece), ())
    wake = items.wake if isinstance(items, ChunkedIterable) else None
    return ChunkedIterable(lambda: itertools.chain([first], pieces), wake=wake), first[:1]
