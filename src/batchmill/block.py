"""Outcomes of neighbouring items in columns: the form in which results cross threads and processes.

A million successes are cheaper to carry as one list than as a million objects. So only items that failed,
were retried or recorded calls have an :class:`~batchmill.outcome.Outcome` of their own in a :class:`Block`,
and only the block touches its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, TypedDict, TypeVar

from batchmill.outcome import NO_WAITS, Commands, Outcome, Tried, Waits

V = TypeVar("V")


Columns = tuple[
    list[Any],
    Sequence[float],
    Mapping[int, Outcome],
    Mapping[int, float | None],
    Mapping[int, Commands],
]


class _Figures(TypedDict):
    """What an outcome tells of how it came about, which a block keeps in columns."""

    wall: float
    began: float | None
    worker: int | None
    waits: Waits
    cpu: float | None
    commands: Commands | None


@dataclass(slots=True)
class Block:
    """Outcomes of the items ``start`` to ``start + len(values) - 1``, in columns.

    ``values`` and ``walls`` (seconds) are aligned; ``special`` maps an offset into them to the Outcome of an
    item that is more than a plain success at the first attempt. A failed item's value is None. ``items`` are
    the items themselves; the parent adds them, and they never travel back from a worker.

    ``began`` maps an offset to the second, of :func:`time.perf_counter`, at which that item began, None if
    unknown; an item without an entry began when the one before it ended. So one entry covers all items that a
    worker ran one right after another. ``worker`` is the number of the worker that ran them, from 0, which
    runs one item at a time; None without a worker. ``workers`` are those of each item, if there were several;
    ``worker`` is the first one then. ``waits`` maps offsets to the waits of items that had to
    wait, ``commands`` to the resources of the commands that items ran. ``cpu`` is the CPU seconds of all of
    them together, and ``peak`` the most memory, in bytes, that the process of their worker had used by then;
    None if unknown. ``shares_cpu`` says that ``cpu`` also covers other items of the batch that ran at the
    same time.

    Only the methods here write to the columns, so they stay aligned; ``cpu``, ``shares_cpu`` and ``peak`` are
    set by the code that ran them.
    """

    start: int
    values: list[Any] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    special: dict[int, Outcome] = field(default_factory=dict)
    items: Sequence[Any] = ()
    began: dict[int, float | None] = field(default_factory=dict)
    worker: int | None = None
    waits: dict[int, Waits] = field(default_factory=dict)
    cpu: float | None = None
    peak: int | None = None
    commands: dict[int, Commands] = field(default_factory=dict)
    shares_cpu: bool = False
    workers: Sequence[int | None] = ()

    @classmethod
    def of(cls, outcome: Outcome, item: object) -> Block:
        """A block of one item."""
        return cls.made(outcome.index, [outcome], (item,))

    @classmethod
    def of_values(
        cls,
        start: int,
        values: Sequence[Any],
        items: Sequence[Any],
        walls: Sequence[float],
        begins: Sequence[float],
        workers: Sequence[int],
    ) -> Block:
        """A block of neighbouring items that succeeded at their first attempts, with nothing else to report.
        All columns are aligned, with at least one item."""
        block = cls(start, list(values), list(walls), {}, items, dict(enumerate(begins)), workers[0])
        block.workers = workers if len(workers) > 1 else ()
        return block

    @classmethod
    def made(cls, start: int, outcomes: Sequence[Outcome], items: Sequence[object]) -> Block:
        """A block of neighbouring items whose outcomes are known; all are of the first one's worker."""
        special = {offset: one for offset, one in enumerate(outcomes) if not one.plain}
        began = {offset: one.began for offset, one in enumerate(outcomes)}
        return cls(
            start,
            [one.value for one in outcomes],
            [one.wall for one in outcomes],
            special,
            items,
            began if any(second is not None for second in began.values()) else {},
            outcomes[0].worker if outcomes else None,
            {offset: one.waits for offset, one in enumerate(outcomes) if one.waits != NO_WAITS},
            together(one.cpu for one in outcomes),
            commands={place: one.commands for place, one in enumerate(outcomes) if one.commands is not None},
        )

    def __len__(self) -> int:
        return len(self.values)

    def longer(self, seconds: float) -> int:
        """How many items took longer than that."""
        return sum(wall > seconds for wall in self.walls)

    def appenders(self) -> tuple[Callable[[Any], None], Callable[[float], None]]:
        """The functions that add a value and its wall time, for the one loop that runs every item: two calls
        without a lookup. Add the wall time last: of a block that is being filled, other threads rely only on
        the items with wall times."""
        return self.values.append, self.walls.append

    def note(self, outcome: Outcome) -> None:
        """The item at the outcome's index, whose value is being added, is more than a plain success."""
        self.special[outcome.index - self.start] = outcome

    def begin(self, offset: int, second: float | None) -> None:
        """The item at ``offset`` began, or is about to, at that second of :func:`time.perf_counter`."""
        self.began[offset] = second

    def extend(self, other: Block) -> None:
        """Add the items that follow these."""
        offset = len(self.values)
        if self.workers or other.workers:
            self.workers = [*self.each_worker(), *other.each_worker()]
        if other.began or self.began:
            self.began[offset] = None
        self.grow((other.values, other.walls, other.special, other.began, other.commands))
        for place, waits in other.waits.items():
            self.waits[offset + place] = waits
        self.cpu = together((self.cpu, other.cpu))
        self.shares_cpu |= other.shares_cpu
        self.peak = max(self.peak or 0, other.peak or 0) or None

    def growth(self, first: int) -> Columns:
        """What was added since the block had ``first`` items: values, walls, and the entries of ``special``,
        ``began`` and ``commands`` by their offset from there."""
        special, began, commands, end = self.special, self.began, self.commands, len(self.values)
        return (
            self.values[first:],
            self.walls[first:],
            _cut(special, first, end) if special else special,
            _cut(began, first, end) if began and max(began) >= first else {},
            _cut(commands, first, end) if commands else commands,
        )

    def grow(self, columns: Columns) -> None:
        """Add what a block with as many items has grown by."""
        offset = len(self.values)
        values, walls, special, began, commands = columns
        self.values.extend(values)
        self.walls.extend(walls)
        for place, outcome in special.items():
            self.special[offset + place] = outcome
        for place, second in began.items():
            self.began[offset + place] = second
        for place, took in commands.items():
            self.commands[offset + place] = took

    def part(self, start: int, end: int | None = None) -> Block:
        """The items from offset ``start`` to before ``end``, as a new block. If another thread is filling
        this block, the part is complete up to its last wall time. CPU and memory go with the first item."""
        end = len(self.values) if end is None else min(end, len(self.values))
        began = _cut(self.began, start, end)
        if start < end and 0 not in began and self.began:
            began[0] = self.began_at(start)
        values, walls, items = self.values[start:end], self.walls[start:end], self.items[start:end]
        special, waits = _cut(self.special, start, end), _cut(self.waits, start, end)
        effort = (None, None) if start else (self.cpu, self.peak)
        took = waits, *effort, _cut(self.commands, start, end), self.shares_cpu
        workers = self.workers[start:end]
        worker = workers[0] if workers else self.worker
        return Block(self.start + start, values, walls, special, items, began, worker, *took, workers)

    def wait_before(self, offset: int, waits: Waits) -> None:
        """The item at ``offset`` waited so long before the attempt in this block."""
        self.waits[offset] = self.waits.get(offset, NO_WAITS).plus(waits)

    def ran(self, offset: int, commands: Commands | None) -> None:
        """The item at ``offset`` ran commands that took that."""
        if commands is not None:
            known = self.commands.get(offset)
            self.commands[offset] = commands if known is None else known.plus(commands)

    def replace(self, offset: int, outcome: Outcome) -> None:
        """Put another outcome in place of an item's; its times stay."""
        self.values[offset] = outcome.value
        self.special.pop(offset, None)
        if not outcome.plain:
            self.special[offset] = outcome

    def put_before(self, offset: int, earlier: Outcome) -> None:
        """Add to an item what its ``earlier`` attempts took and recorded."""
        known = self.outcome(offset)
        if self.began and offset + 1 < len(self.values):  # its wall time is about to tell something else
            self.began.setdefault(offset + 1, self.began_at(offset + 1))
        self.walls[offset] += earlier.wall
        if earlier.waits != NO_WAITS:
            self.wait_before(offset, earlier.waits)
        self.cpu = together((self.cpu, earlier.cpu))
        self.ran(offset, earlier.commands)
        if earlier.records or earlier.tried or offset in self.special:
            records, tried = (*earlier.records, *known.records), (*earlier.tried, *known.as_tried())
            self.special[offset] = replace(known, records=records, tried=tried, again=None)

    def began_at(self, offset: int) -> float | None:
        """When the item at ``offset`` began; None if unknown."""
        known = max((one for one in self.began if one <= offset), default=None)
        second = None if known is None else self.began[known]
        return None if second is None else second + sum(self.walls[known:offset])

    def move(self, place: Place) -> None:
        """Tell of items and their attempts by the clock and the numbers of this process."""
        there = self.worker
        seconds, self.worker = place(there)
        self.workers = ()
        for offset, second in self.began.items():
            self.began[offset] = None if second is None else second + seconds
        for offset, outcome in self.special.items():
            began = None if outcome.began is None else outcome.began + seconds
            tried = moved(outcome.tried, place, there)
            self.special[offset] = replace(outcome, began=began, worker=self.worker, tried=tried)

    def begins(self, zero: float = 0.0) -> Sequence[float | None]:
        """When each item began, by a clock that was ``zero`` when :func:`time.perf_counter` was 0."""
        first = self.began.get(0)
        if first is not None and len(self.began) == 1:
            return list(accumulate(self.walls[: len(self.values) - 1], initial=first + zero))
        if not self.began:
            return [None] * len(self.values)
        begins: list[float | None] = []
        at: float | None = None
        for offset, wall in enumerate(self.walls):
            at = self.began.get(offset, at)
            begins.append(None if at is None else at + zero)
            at = None if at is None else at + wall
        return begins

    def each_worker(self) -> Sequence[int | None]:
        """The number of the worker of each item."""
        return self.workers or [self.worker] * len(self.values)

    @property
    def done(self) -> int:
        """How many items are whole, of a block that another thread may be filling."""
        return len(self.walls)

    @property
    def wall(self) -> float:
        """Seconds that all items took together."""
        return sum(self.walls)

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that are errors, in index order."""
        return [self.special[k] for k in sorted(self.special) if self.special[k].error is not None]

    def outcome(self, offset: int) -> Outcome:
        """That of the item at ``offset``."""
        return self._with_figures(self.special.get(offset), offset, self.began_at(offset))

    def _with_figures(self, special: Outcome | None, offset: int, began: float | None) -> Outcome:
        figures: _Figures = {
            "wall": self.walls[offset],
            "began": began,
            "worker": self.workers[offset] if self.workers else self.worker,
            "waits": self.waits.get(offset, NO_WAITS),
            "cpu": None if offset else self.cpu,
            "commands": self.commands.get(offset),
        }
        if special is None:
            return Outcome(self.start + offset, self.values[offset], **figures)
        return replace(special, **figures)

    def outcomes(self) -> Iterator[Outcome]:
        """Every item's Outcome, in index order."""
        begins = self.begins()
        for offset in range(len(self.values)):
            yield self._with_figures(self.special.get(offset), offset, begins[offset])


def _cut(column: dict[int, V], start: int, end: int) -> dict[int, V]:
    """The entries for offsets from ``start`` to before ``end``, for a block that begins there. A copy is
    looked at: another thread may be adding to the column."""
    return {offset - start: one for offset, one in column.copy().items() if start <= offset < end}


Place = Callable[[int | None], tuple[float, int]]
"""Tells of a worker of another process by its number there, None if none ran an item: by how many seconds its
clock is behind this one, and its number here."""


def moved(tried: tuple[Tried, ...], place: Place, worker: int | None = None) -> tuple[Tried, ...]:
    """Attempts by the clock and the numbers of this process; those that name no worker are of ``worker``."""
    found = []
    for one in tried:
        seconds, number = place(worker if one.worker is None else one.worker)
        found.append(one._replace(began=one.began + seconds, worker=number))
    return tuple(found)


def together(seconds: Iterable[float | None]) -> float | None:
    """The sum of the known values; None without any."""
    known = [one for one in seconds if one is not None]
    return sum(known) if known else None
