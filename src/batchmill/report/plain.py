"""Ordinary items, in columns: most items of most runs.

A row for each would cost more than everything that is counted of it, so items that are done at the first
attempt are counted column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import add, itemgetter
from typing import TypeVar

from batchmill.report.rows import Row

Times = tuple[list[float], list[float], list[float]]
"""When items came, when they began and when they ended (run time)."""

T = TypeVar("T")


class Plain:
    """Items of the batch ``node`` that are ``ok`` after one attempt, in the order of their positions.

    The columns have the same length and are those of :class:`~batchmill.report.rows.Row`: ``indexes``,
    ``starts``, ``walls``, ``slots``, seconds that items waited for a limit (``waited``) and for a permit
    (``queued``), None if none of them did, and ``costs``, ``cpu`` and ``bytes_out``, None if none of them has
    any. ``turn`` names the visit if the node ran more than once, as in a loop; the first of its items has the
    index ``base``. Used by one thread."""

    __slots__ = (
        "_by_slot", "base", "bytes_out", "costs", "cpu", "ends", "indexes", "node", "queued", "slots",
        "starts", "turn", "waited", "walls",
    )  # fmt: skip

    def __init__(
        self,
        node: str,
        indexes: Sequence[int],
        starts: Sequence[float],
        walls: Sequence[float],
        slots: Sequence[int],
        waited: Sequence[float] | None = None,
        queued: Sequence[float] | None = None,
        turn: str = "",
        base: int = 0,
        costs: Sequence[float | None] | None = None,
        cpu: Sequence[float | None] | None = None,
        bytes_out: Sequence[int | None] | None = None,
    ) -> None:
        self.node, self.indexes, self.starts, self.walls, self.slots = node, indexes, starts, walls, slots
        self.waited, self.queued, self.turn, self.base, self.costs = waited, queued, turn, base, costs
        self.cpu, self.bytes_out = cpu, bytes_out
        self.ends = list(map(add, starts, walls))
        self._by_slot: dict[int, Times] | None = None

    def __len__(self) -> int:
        return len(self.indexes)

    def by_slot(self) -> Mapping[int, Times]:
        """The times of the items of each slot. An item comes when it begins to wait."""
        if self._by_slot is None:
            found: dict[int, Times] = {}
            for slot, came, start, end in zip(self.slots, self._came(), self.starts, self.ends, strict=True):
                times = found.get(slot)
                if times is None:
                    times = found[slot] = ([], [], [])
                times[0].append(came)
                times[1].append(start)
                times[2].append(end)
            self._by_slot = found
        return self._by_slot

    def _came(self) -> Sequence[float]:
        came = self.starts
        for waits in (self.waited, self.queued):
            if waits is not None:
                came = [at - wait for at, wait in zip(came, waits, strict=True)]
        return came

    def row(self, position: int) -> Row:
        """The item at a position of the columns."""
        index = self.indexes[position]
        return Row(
            self.node, index, "ok", self.starts[position], self.walls[position], self.slots[position],
            waited=self.waited[position] if self.waited is not None else 0.0,
            queued=self.queued[position] if self.queued is not None else 0.0,
            cost=self.costs[position] if self.costs is not None else None,
            cpu=self.cpu[position] if self.cpu is not None else None,
            bytes_out=self.bytes_out[position] if self.bytes_out is not None else None,
            address=f"{self.turn}, item {index - self.base}" if self.turn else "",
        )  # fmt: skip

    def rows(self) -> Iterator[Row]:
        """The items one by one."""
        return map(self.row, range(len(self)))


Page = Sequence[Row | Plain]
"""Neighbouring items of a node: those of the next page come after all of them."""


def in_order(page: Page, of_plain: Callable[[Plain], Iterable[T]], of_row: Callable[[Row], T]) -> Iterable[T]:
    """What is made of each item of a page, in the order of their positions: of those in columns by
    ``of_plain``, which gives as many as there are, of any other by ``of_row``."""
    if len(page) == 1:
        (one,) = page
        return of_plain(one) if isinstance(one, Plain) else (of_row(one),)
    made: list[tuple[int, T]] = []
    for one in page:
        if isinstance(one, Plain):
            made.extend(zip(one.indexes, of_plain(one), strict=True))
        else:
            made.append((one.index, of_row(one)))
    made.sort(key=itemgetter(0))
    return map(itemgetter(1), made)
