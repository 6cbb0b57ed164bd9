"""The cells a worker writes while it works, so that others can see from outside what it is at.

Plain 64-bit integers behind one index each: a list for a thread, shared memory for a process, where a cell
is one store and one load. What belongs together is in one cell: which chunk and which of its items are two
halves of POSITION, so that nobody reads the one from before a change and the other from after it.

A worker that begins a chunk writes KEPT and PHASE first and POSITION last; an item's POSITION is written
before the look at STOP and before the item is touched. Whoever reads the cells of a worker that is gone, or
was held a moment ago, so sees the item it was on.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import NamedTuple

POSITION = 0  # number of the chunk << ITEM_BITS | how many of its items were begun; 0 before the first chunk
PHASE = 1  # LOADING, RUNNING or PACKING
ATTEMPT = 2  # number of the attempt being run, from 1
STARTED = 3  # time.monotonic_ns() at which that attempt started, 0 while none runs
STOP = 4  # no new item may start; STOPPED or HELD, 0 while items may
KEPT = 5  # bytes of finished results laid down in the outgoing region
BEGAN = 6  # time.monotonic_ns() at which the first item of the chunk did
CELLS = 8

ITEM_BITS = 32
ITEMS = (1 << ITEM_BITS) - 1  # the half of POSITION that counts items
MOST_CHUNKS = 1 << 31  # a worker is replaced before their number would need more bits than are left

LOADING, RUNNING, PACKING = 1, 2, 3
STOPPED, HELD = 1, 2  # for good; until what was not begun has been taken back

Cells = MutableSequence[int]


class Position(NamedTuple):
    """A worker's place: in chunk ``seq`` (0: none yet) the first ``begun`` items were begun. The last of them
    is being run, or was just finished."""

    seq: int
    begun: int


def position(cells: Cells) -> Position:
    """Where the worker is, from one look."""
    word = cells[POSITION]
    return Position(word >> ITEM_BITS, word & ITEMS)


def at_chunk(seq: int) -> int:
    """The POSITION of a worker that has chunk ``seq`` and has begun none of its items."""
    return seq << ITEM_BITS


def new_cells() -> Cells:
    """Cells for a worker of this process."""
    return [0] * CELLS
