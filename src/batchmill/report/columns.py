"""Every item of a node in columns of bytes, small enough for one page: see
:class:`~batchmill.report.measured.ItemColumns`.

Cells are placed by position, so items may come in any order. Each time there are too many cells, neighbours
are merged in pairs, which doubles the number of items of a cell."""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from batchmill.report.measured import ItemColumns
from batchmill.report.plain import Plain
from batchmill.report.rows import CODES, STATES, Row, State

MOST_CELLS = 250_000  # of all nodes together, while they are collected
MOST_BYTES = 300_000  # compressed, of all nodes together
NO_STATE, NO_START, MOST_SLOT = 255, 65_535, 255
LAST_START = NO_START - 1
OCTAVE = 8  # steps of a wall an octave
FIRST_WALL = 1e-6  # seconds


class Cell(NamedTuple):
    """A cell, read back. ``wall`` is within 4.5 % of seconds, ``start`` within a tick; None is unknown."""

    state: State
    wall: float | None
    slot: int | None
    start: float | None


class Cells:
    """The cells of one node. ``tick`` is the seconds of a unit of start."""

    def __init__(self, node: str, tick: float, in_order: bool) -> None:
        self.node, self.tick, self.in_order = node, tick, in_order
        self.items = 0  # those that came, the last position + 1 where they are in order
        self.shift = 0  # a cell is 2 ** shift items
        self._state = array("B")
        self._wall = array("B")
        self._slot = array("B")
        self._start = array("H")

    def __len__(self) -> int:
        return len(self._state)

    def add(self, row: Row) -> None:
        """Put an item in its cell."""
        position = row.index if self.in_order else self.items
        cell = position >> self.shift
        if position >= self.items:
            self.items = position + 1
            self._grow(cell + 1)
        code = CODES[row.state]
        known = self._state[cell]
        if known == NO_STATE or code > known:
            self._state[cell] = code
        if row.wall or row.start is not None:
            self._wall[cell] = max(self._wall[cell], _coded_wall(row.wall))
        if row.start is None:
            return
        start = min(LAST_START, max(0, int(row.start / self.tick)))
        if start < self._start[cell]:
            self._start[cell] = start
            self._slot[cell] = 0 if row.slot is None else min(MOST_SLOT, row.slot + 1)

    def add_plain(self, items: Plain) -> None:
        """Put items that are done in their cells."""
        positions = items.indexes if self.in_order else range(self.items, self.items + len(items))
        if positions[-1] >= self.items:
            self.items = positions[-1] + 1
            self._grow((positions[-1] >> self.shift) + 1)
        tick, log2, shift = self.tick, math.log2, self.shift
        states, walls, slots, starts = self._state, self._wall, self._slot, self._start
        for position, wall, start, slot in zip(
            positions, items.walls, items.starts, items.slots, strict=True
        ):
            cell = position >> shift
            if states[cell] == NO_STATE:
                states[cell] = 0
            code = 1 + round(log2(wall / FIRST_WALL) * OCTAVE) if wall > FIRST_WALL else 1
            if code > walls[cell]:
                walls[cell] = code if code < 256 else 255
            begin = int(start / tick)
            if begin > LAST_START:
                begin = LAST_START
            if begin < starts[cell]:
                starts[cell] = begin if begin > 0 else 0
                slots[cell] = slot + 1 if slot < MOST_SLOT else MOST_SLOT

    def _grow(self, cells: int) -> None:
        missing = cells - len(self._state)
        if missing > 0:
            self._state.frombytes(b"\xff" * missing)
            self._wall.frombytes(bytes(missing))
            self._slot.frombytes(bytes(missing))
            self._start.frombytes(b"\xff\xff" * missing)

    def end(self, total: int) -> None:
        """End the input, with ``total`` items in all: items that never came count as not run."""
        if total > self.items:
            self.items = total
            self._grow(((total - 1) >> self.shift) + 1)
        absent = CODES["not run"]
        self._state = array("B", (absent if one == NO_STATE else one for one in self._state))

    def halve(self) -> None:
        """Merge neighbours in pairs. Before :meth:`end` a cell without items loses against any state."""
        starts, slots = self._start, self._slot
        firsts = array("B")
        for left in range(0, len(starts), 2):
            both = left + 1 < len(starts) and starts[left + 1] < starts[left]
            firsts.append(slots[left + 1] if both else slots[left])
        self._slot = firsts
        self._state = array("B", _pairs(self._state, _worse))
        self._wall = array("B", _pairs(self._wall, max))
        self._start = array("H", _pairs(starts, min))
        self.shift += 1

    def columns(self) -> ItemColumns:
        """The cells as stored."""
        low, high, last = bytearray(), bytearray(), 0
        for start in self._start:
            step = (start - last) & 0xFFFF
            low.append(step & 0xFF)
            high.append(step >> 8)
            last = start
        raw = b"".join([self._state.tobytes(), self._wall.tobytes(), self._slot.tobytes(), low, high])
        data = zlib.compress(raw, 9)
        return ItemColumns(self.node, self.items, len(self), 1 << self.shift, self.tick, data, self.in_order)


def _worse(one: int, other: int) -> int:
    if NO_STATE in (one, other):
        return min(one, other)
    return max(one, other)


def _pairs(values: array[int], choose: Callable[[int, int], int]) -> Iterator[int]:
    for left in range(0, len(values) - 1, 2):
        yield choose(values[left], values[left + 1])
    if len(values) % 2:
        yield values[-1]


def _coded_wall(seconds: float) -> int:
    if seconds <= FIRST_WALL:
        return 1
    return min(255, 1 + round(math.log2(seconds / FIRST_WALL) * OCTAVE))


class CellStore:
    """The cells of all nodes of a run of ``wall`` seconds, in bounded memory."""

    def __init__(self, wall: float) -> None:
        self._tick = max(wall, 1e-6) / LAST_START
        self._of: dict[str, Cells] = {}

    def of(self, node: str, in_order: bool) -> Cells:
        """The cells of a node."""
        if node not in self._of:
            self._of[node] = Cells(node, self._tick, in_order)
        return self._of[node]

    def add(self, cells: Cells, row: Row) -> None:
        """Put an item in its cell, and make room if it was one too many."""
        cells.add(row)
        if len(cells) > MOST_CELLS:
            cells.halve()

    def add_plain(self, cells: Cells, items: Plain) -> None:
        """Put items in their cells, and make room if they were too many."""
        cells.add_plain(items)
        while len(cells) > MOST_CELLS:
            cells.halve()

    def make_room(self) -> None:
        """Keep the cells of all nodes together within bounds. Call it now and then."""
        while sum(map(len, self._of.values())) > MOST_CELLS:
            max(self._of.values(), key=len).halve()

    def end(self, totals: dict[str, int]) -> list[ItemColumns]:
        """The columns of all nodes, together no larger than a page can bear."""
        self.make_room()
        for node, cells in self._of.items():
            cells.end(totals.get(node, 0))
        found = {node: cells.columns() for node, cells in self._of.items() if len(cells)}
        while sum(len(one.data) for one in found.values()) > MOST_BYTES:
            largest = max(found, key=lambda node: len(found[node].data))
            if found[largest].cells == 1:
                break
            self._of[largest].halve()
            found[largest] = self._of[largest].columns()
        return list(found.values())


def unpack(columns: ItemColumns) -> Iterator[Cell]:
    """The cells of ``columns``, in order."""
    raw, size = zlib.decompress(columns.data), columns.cells
    state, wall, slot, low, high = (raw[number * size : (number + 1) * size] for number in range(5))
    start = 0
    for position in range(size):
        start = (start + low[position] + (high[position] << 8)) & 0xFFFF
        yield Cell(
            STATES[state[position]],
            FIRST_WALL * 2 ** ((wall[position] - 1) / OCTAVE) if wall[position] else None,
            slot[position] - 1 if slot[position] else None,
            None if start == NO_START else start * columns.tick,
        )
