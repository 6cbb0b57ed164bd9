"""The cells a worker writes while it works, so that others can see from outside what it is at.

Plain 64-bit integers behind one index each: a list for a thread, shared memory for a process. A
worker writes them in the order given here before it touches the item; whoever reads them after the
worker is gone therefore sees the item it was on.
"""

from __future__ import annotations

from collections.abc import MutableSequence

SEQ = 0  # number of the chunk being worked on, 0 for none yet
PHASE = 1  # LOADING, RUNNING or PACKING
OFFSET = 2  # position in the chunk of the item being run
ATTEMPT = 3  # number of the attempt being run, from 1
STARTED = 4  # time.monotonic_ns() at which that attempt started, 0 while none runs
STOP = 5  # written by the parent: no new item may start; STOPPED or HELD, 0 while items may
KEPT = 6  # bytes of finished results laid down in the outgoing region
CELLS = 8

LOADING, RUNNING, PACKING = 1, 2, 3
STOPPED, HELD = 1, 2  # for good; until what was not begun has been taken back

Cells = MutableSequence[int]


def new_cells() -> Cells:
    """Cells for a worker of this process."""
    return [0] * CELLS
