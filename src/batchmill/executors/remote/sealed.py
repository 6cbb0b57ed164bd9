"""Task, retry policy and items that pass through an agent without being unpickled there.

Pickling a sealed value gives the value itself: the agent's process executor sends it on like any other, and
only the worker process opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, overload

from batchmill.attempt import Attempt
from batchmill.errors import InternalError
from batchmill.executors.contract import Task
from batchmill.executors.pickling import pickler
from batchmill.executors.pickling.streams import Stream
from batchmill.policy import Decides


class SealedTask(Task):
    """A :class:`~batchmill.executors.contract.Task` as its pickle."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        raise InternalError("a sealed task was run where it was only to pass through")

    def __reduce__(self) -> tuple[Any, ...]:
        return pickler.loads, (self._packed,)


class SealedRetry:
    """A retry policy as its pickle, which may name classes of the user. ``lost`` decides here about attempts
    that were lost with their process."""

    def __init__(self, packed: bytes, lost: Decides) -> None:
        self._packed = packed
        self.decide = lost.decide

    def __reduce__(self) -> tuple[Any, ...]:
        return pickler.loads, (self._packed,)


class SealedItems(Sequence[Any]):
    """The items from ``first`` to before ``end`` of a pickled list. A single item is a sealed list of one."""

    def __init__(self, packed: bytes, first: int, end: int) -> None:
        self._packed = packed
        self._first = first
        self._end = end

    def __len__(self) -> int:
        return self._end - self._first

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> SealedItems: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            first, end, _ = place.indices(len(self))
            return SealedItems(self._packed, self._first + first, self._first + max(first, end))
        if not 0 <= place < len(self):
            raise IndexError(place)
        return _SealedItem(self._packed, self._first + place)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return _opened, (pickler.as_buffer(self._packed, protocol), self._first, self._end)


class _SealedItem:
    def __init__(self, packed: bytes, place: int) -> None:
        self._packed = packed
        self._place = place

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return _opened_one, (pickler.as_buffer(self._packed, protocol), self._place)


def _opened(packed: Stream, first: int, end: int) -> list[Any]:
    items: list[Any] = pickler.loads(packed)
    return items[first:end]


def _opened_one(packed: Stream, place: int) -> Any:
    return pickler.loads(packed)[place]
