"""Finished results on their way out of a worker, laid down in shared memory as the items finish.

A frame holds neighbouring items. Its header is its length and whether what follows is the frame's own
pickle or that of a :class:`Parcel` which holds it. Frames that were laid down survive their worker: a
parent that finds it dead reads them all the same.
"""

from __future__ import annotations

import pickle
import struct
from array import array
from typing import Any

from batchmill.errors import NotPicklable
from batchmill.executors import pickling
from batchmill.executors.cells import KEPT, Cells
from batchmill.executors.describe import describe
from batchmill.executors.parcel import Parcel, unwrap, wrap
from batchmill.outcome import Block, Outcome

HEADER = struct.Struct("=II")  # length in bytes; 1 when the content is a parcel's
LEAST_ROOM = 2048  # of a region: enough for a parcel's frame, whatever it holds


class FrameWriter:
    """Lays the results of one chunk down in ``region``; used by the worker's main thread alone."""

    def __init__(self, region: memoryview, cells: Cells, folders: list[str]) -> None:
        self._region = region
        self._cells = cells
        self._folders = folders
        self._end = 0
        self._items = 0

    def lay_down(self, block: Block) -> bool:
        """Write what the block has grown by since the last time; True when the region is nearly full."""
        first, count = self._items, len(block)
        if first == count:
            return False
        stream, buffers = _pack(block, first)
        room = len(self._region) - self._end - HEADER.size
        if buffers or len(stream) > room - LEAST_ROOM:
            self._put(pickling.dumps(tuple(wrap(stream, buffers, self._folders, None)), []), 1)
        else:
            self._put(stream, 0)
        self._items = count
        return len(self._region) - self._end < 2 * LEAST_ROOM

    def _put(self, content: bytes, kind: int) -> None:
        start = self._end + HEADER.size
        self._region[self._end : start] = HEADER.pack(len(content), kind)
        self._region[start : start + len(content)] = content
        self._end = start + len(content)
        self._cells[KEPT] = self._end


def read(region: memoryview, end: int, start: int) -> tuple[Block, int]:
    """The block, from index ``start``, that the frames in the first ``end`` bytes make, and its bytes."""
    block = Block(start, [], [])
    position = n_bytes = 0
    while position < end:
        length, is_parcel = HEADER.unpack(region[position : position + HEADER.size])
        position += HEADER.size
        content = pickling.loads(region[position : position + length])
        n_bytes += length
        if is_parcel:
            parcel = Parcel(*content)
            content, n_bytes = unwrap(parcel), n_bytes + parcel.n_bytes
        _append(block, *content)
        position += length
    return block, n_bytes


def _append(block: Block, values: list[Any], walls: array[float], special: dict[int, Outcome]) -> None:
    offset = len(block.values)
    block.values.extend(values)
    block.walls.extend(walls)
    for place, outcome in special.items():
        block.special[offset + place] = outcome


def _pack(block: Block, first: int) -> tuple[bytes, list[pickle.PickleBuffer]]:
    special = {place - first: one for place, one in block.special.items() if place >= first}
    content = (block.values[first:], array("f", block.walls[first:]), special)
    buffers: list[pickle.PickleBuffer] = []
    try:
        return pickling.dumps(content, buffers), buffers
    except BaseException as fault:  # noqa: BLE001  # reported below as an error of the items at fault
        return _pack_one_by_one(block, first, fault)


def _pack_one_by_one(
    block: Block, first: int, fault: BaseException
) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """The frame once more, with an error in place of each result that does not pickle."""
    for offset in range(first, len(block)):
        outcome = block.special.get(offset)
        try:
            pickling.dumps((block.values[offset], outcome), [])
        except BaseException as why:  # noqa: BLE001  # whatever __reduce__ raises is that item's error
            error = describe(_refused(block.values[offset], outcome, why))
            attempts = outcome.attempts if outcome else 1
            block.values[offset] = None
            block.special[offset] = Outcome(block.start + offset, error=error, attempts=attempts)
    special = {place - first: one for place, one in block.special.items() if place >= first}
    content = (block.values[first:], array("f", block.walls[first:]), special)
    buffers: list[pickle.PickleBuffer] = []
    return pickling.dumps(content, buffers), buffers


def _refused(value: Any, outcome: Outcome | None, why: BaseException) -> NotPicklable:
    try:
        pickling.dumps(value, [])
    except BaseException:  # noqa: BLE001  # the value is at fault
        return pickling.refusal(value, why, "result")
    return pickling.refusal(outcome, why, "record")
