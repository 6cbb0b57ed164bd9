"""Results on their way out of a worker, written to shared memory as the items finish.

A frame holds neighbouring items. Its header is its length and what follows: the frame's own pickle, that of a
:class:`Payload` which holds it, or the pickle with its large bytes behind it. Written frames survive their
worker: a parent that finds it dead still reads them.
"""

from __future__ import annotations

import itertools
import pickle
import struct
from array import array
from collections.abc import Sequence
from typing import Any

from batchmill.block import Block, Columns
from batchmill.errors import InternalError, NotPicklable
from batchmill.executors.describe import describe
from batchmill.executors.pickling import pickler, salvage
from batchmill.executors.pickling.pickler import Stream
from batchmill.executors.process.payload import Payload, no_room, put, unwrap, wrap
from batchmill.executors.process.sealing import sealed, sealed_outcome
from batchmill.executors.process.shared_area import Region
from batchmill.executors.running.progress import PACKING, RUNNING, Progress
from batchmill.outcome import ErrorInfo, Outcome

HEADER = struct.Struct("=II")  # length in bytes; what the content is
PICKLE, PARCEL, PARTS = range(3)
Content = tuple[Columns, dict[int, ErrorInfo]]
FEW = 16  # wall times up to which a list of them is made and read faster than an array
LEAST_ROOM = 2048  # of a region: enough for a parcel's frame, whatever it holds
SIMPLE = pickler.PLAIN - {bytes}  # of which nothing is kept out of the stream


class FrameWriter:
    """Writes the results of one chunk to ``region``; used by the worker's main thread only. With ``seals``
    they can pass through the process that reads them. ``timed``: code of the items that is run for it has a
    deadline, as their attempts have."""

    def __init__(
        self,
        region: Region,
        progress: Progress,
        folders: list[str],
        seals: bool = False,
        timed: bool = False,
    ) -> None:
        self._seals = seals
        self._timed = timed
        self._region = region
        self._progress = progress
        self._folders = folders
        self._room = region.view(0)
        self._end = 0
        self._items = 0

    def lay_down(self, block: Block) -> bool:
        """Write what the block has grown by since the last time; True when the region is nearly full."""
        first, count = self._items, len(block.values)
        if first == count:
            return False
        if block.special or not SIMPLE.issuperset(map(type, block.values[first:])):
            return self._lay_down_any(block)
        # Most results: no code of the items is run, which could end or hang the process. Few calls, as their
        # cost is that of cold caches.
        stream = pickle.dumps(_travelling(block.growth(first)), 5)
        start, length = self._end + HEADER.size, len(stream)
        end = start + length
        if end + 2 * LEAST_ROOM > len(self._room):
            return self._lay_down_any(block)
        HEADER.pack_into(self._room, self._end, length, PICKLE)
        self._room[start:end] = stream
        self._end, self._items = end, count
        self._progress.publish(end)
        return False

    def _lay_down_any(self, block: Block) -> bool:
        self._progress.enter(PACKING)
        with self._progress.deadline(self._timed):
            stream, buffers, plain = _pack(block, self._items, seals=self._seals)
            if not self._put_here(stream, buffers, plain):
                self._put_aside(stream, buffers, block)
        self._items = len(block)
        self._progress.enter(RUNNING)
        room = self._region.room_for(self._end + 2 * LEAST_ROOM)
        self._room = self._region.view(0)
        return room is None

    def _put_here(self, stream: Stream, buffers: list[pickle.PickleBuffer], plain: bool) -> bool:
        if not buffers:
            return self._put([stream], PICKLE, LEAST_ROOM)
        if not plain:  # arrays, which whoever reads them maps
            return False
        parts = [stream, *(buffer.raw() for buffer in buffers)]
        lengths = array("Q", [len(parts), *map(len, parts)]).tobytes()
        return self._put([lengths, *parts], PARTS, LEAST_ROOM)

    def _put_aside(self, stream: Stream, buffers: list[pickle.PickleBuffer], block: Block) -> None:
        """Write what is too large for the region to a file, or that there is no room for that either."""
        try:
            parcel = wrap(stream, buffers, self._folders)
        except OSError as fault:
            error = describe(no_room("a result", stream, buffers, fault))
            for offset in range(self._items, len(block)):
                _replace(block, offset, error)
            parcel = wrap(*_pack(block, self._items, seals=self._seals)[:2], self._folders)
        if not self._put([pickler.dumps(tuple(parcel), [])], PARCEL, 0):
            raise InternalError("a region was filled to the brim")

    def _put(self, parts: list[Stream], kind: int, spare: int) -> bool:
        """Write a frame; False when it does not fit and leave ``spare`` bytes."""
        length = sum(map(len, parts))
        end = self._end + HEADER.size + length
        room = self._region.room_for(end + spare)
        if room is None:
            return False
        put([HEADER.pack(length, kind), *parts], room[self._end :])
        self._end = end
        self._progress.publish(end)
        return True


def read(source: Region, end: int, start: int) -> tuple[Block, int]:
    """The block, from index ``start``, that the frames in the first ``end`` bytes make, and its bytes."""
    block = Block(start)
    region = source.view(end)
    position = n_bytes = 0
    while position < end:
        length, kind = HEADER.unpack_from(region, position)
        position += HEADER.size
        stream = region[position : position + length]
        n_bytes += length
        position += length
        if kind == PICKLE:
            try:
                columns = pickle.loads(stream)  # noqa: S301  # from our own worker
            except Exception:  # noqa: BLE001  # what an object's own code raised: told of the item it came from
                _append(block, *_salvaged(stream))
            else:
                block.grow(columns)
        elif kind == PARCEL:
            parcel = Payload(*pickler.loads(stream))
            n_bytes += parcel.n_bytes
            _append(block, *unwrap(parcel, loads=_loads))
        else:
            _append(block, *_loads(*_parted(stream)))
    return block, n_bytes


def _parted(content: memoryview) -> tuple[memoryview, list[memoryview]]:
    """The stream and the buffers in what :meth:`FrameWriter._put_here` wrote."""
    count = struct.unpack_from("=Q", content)[0]
    *starts, end = itertools.accumulate(struct.unpack_from(f"={count}Q", content, 8), initial=8 * (count + 1))
    stream, *buffers = (content[a:b] for a, b in itertools.pairwise([*starts, end]))
    return stream, buffers


def packed(block: Block) -> bytes:
    """A block as bytes that can also travel to other machines. A value that cannot travel is an error of its
    item."""
    return bytes(_pack(block, 0, in_band=True)[0])


def unpacked(stream: bytes, start: int) -> Block:
    """The block, from index ``start``, of the bytes from :func:`packed`."""
    block = Block(start, [], [])
    _append(block, *_loads(stream))
    return block


def _loads(stream: Any, buffers: Sequence[Any] = ()) -> Content:
    """The content of a frame. A value that cannot be unpickled in this process is an error of its item."""
    try:
        return pickler.loads(stream, buffers), {}
    except Exception:  # noqa: BLE001  # what an object's own code raised: told of the item it came from
        return _salvaged(stream, buffers)


def _salvaged(stream: Any, buffers: Sequence[Any] = ()) -> Content:
    columns: Columns = salvage.loads(stream, buffers)
    faults: dict[int, ErrorInfo] = {}
    values, _, special, *_ = columns
    for place, value in enumerate(values):
        fault = salvage.fault_in((value, special.get(place)))
        if fault is not None:
            faults[place] = describe(pickler.refused_here(fault))
    return columns, faults


def _append(block: Block, columns: Columns, faults: dict[int, ErrorInfo]) -> None:
    offset = len(block)
    block.grow(columns)
    for place, error in faults.items():
        _replace(block, offset + place, error)


def _columns(block: Block, first: int, seals: bool) -> Columns:
    """The growth of the block since it had ``first`` items, in its travelling form."""
    values, walls, special, began, commands = block.growth(first)
    if seals:
        values = values if pickler.is_plain(values) else list(map(sealed, values))
        special = {place: sealed_outcome(outcome) for place, outcome in special.items()}
    return _travelling((values, walls, special, began, commands))


def _travelling(columns: Columns) -> Columns:
    walls = columns[1]
    return columns if len(walls) <= FEW else (columns[0], array("f", walls), *columns[2:])


def _pack(
    block: Block, first: int, *, in_band: bool = False, seals: bool = False
) -> tuple[Stream, list[pickle.PickleBuffer], bool]:
    """What the block has grown by since it had ``first`` items: the stream, the buffers, and whether whoever
    unpickles them copies those."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        columns = _columns(block, first, seals)
        plain = not columns[2] and pickler.is_plain(columns[0])
        if plain and not in_band:
            columns = pickler.apart(columns[0]), *columns[1:]
        return pickler.dumps(columns, buffers, plain=plain, in_band=in_band), buffers, plain
    except BaseException as fault:  # noqa: BLE001  # reported below as an error of the items at fault
        return _pack_one_by_one(block, first, fault, in_band, seals)


def _pack_one_by_one(
    block: Block, first: int, fault: BaseException, in_band: bool, seals: bool
) -> tuple[Stream, list[pickle.PickleBuffer], bool]:
    """The frame once more, with an error in place of each result that does not pickle."""
    for offset in range(first, len(block)):
        value, outcome = block.values[offset], block.special.get(offset)
        try:
            pickler.dumps((value, outcome), [])
        except BaseException as why:  # noqa: BLE001  # whatever __reduce__ raises is that item's error
            _replace(block, offset, describe(_refused(value, outcome, why)))
    buffers: list[pickle.PickleBuffer] = []
    return pickler.dumps(_columns(block, first, seals), buffers, in_band=in_band), buffers, False


def _replace(block: Block, offset: int, error: ErrorInfo) -> None:
    """Put an error in place of a result that cannot travel."""
    outcome = block.special.get(offset)
    attempts = outcome.attempts if isinstance(outcome, Outcome) else 1
    block.replace(offset, Outcome(block.start + offset, error=error, attempts=attempts))


def _refused(value: Any, outcome: Outcome | None, why: BaseException) -> NotPicklable:
    try:
        pickler.dumps(value, [])
    except BaseException:  # noqa: BLE001  # the value is at fault
        return pickler.refusal(value, why, "result")
    return pickler.refusal(outcome, why, "record")
