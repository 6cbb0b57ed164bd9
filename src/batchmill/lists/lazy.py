"""The contract of a list whose elements are read on demand."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, ClassVar, overload

READ_TOGETHER = 512  # elements that a loop over a list reads at once, at most
READ_BYTES = 16 << 20  # and about as many bytes; a single element may be larger
_SHOWN = 20
_SCALARS = frozenset({str, int, float, bool, type(None), bytes})


class LazyList(Sequence[Any]):
    """Reads, compares, slices and adds like the list of its elements; cannot be changed.

    Reading an element twice may give two equal objects. It pickles as the list of its elements; see
    :class:`ByReference` for another way.

    Concurrency: immutable; any thread may read.
    """

    __slots__ = ("__weakref__",)
    instant: ClassVar[bool] = False  # whether reading never waits, for a disk for example

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def part(self, start: int, stop: int) -> list[Any]:
        """The elements from ``start`` to before ``stop``; 0 <= start <= stop <= len. Raises OSError."""

    def fitting(self, start: int, stop: int) -> int:
        """Where a part from ``start`` must stop to hold no more than about :data:`READ_BYTES`: after one
        element at least, at ``stop`` at most. A list that is derived from others asks those."""
        return stop

    def parts(self) -> Iterator[list[Any]]:
        """All elements, as many neighbours together as may be in memory at once."""
        start, count = 0, len(self)
        while start < count:
            stop = self.fitting(start, min(start + READ_TOGETHER, count))
            yield self.part(start, stop)
            start = stop

    @property
    def plain(self) -> bool:
        """Whether all elements are known to be plain JSON data, without reading them."""
        return False

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> list[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        if isinstance(index, slice):
            places = range(len(self))[index]
            if places.step == 1:
                return self.part(places.start, max(places.start, places.stop))
            return [self.part(place, place + 1)[0] for place in places]
        place = range(len(self))[index]
        return self.part(place, place + 1)[0]

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.parts())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, LazyList)):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __add__(self, other: object) -> list[object]:
        return [*self, *other] if isinstance(other, (list, LazyList)) else NotImplemented

    def __radd__(self, other: object) -> list[object]:
        return [*other, *self] if isinstance(other, list) else NotImplemented

    def __copy__(self) -> LazyList:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> LazyList:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return list, (list(self),)

    def by_place(self) -> tuple[object, ...] | None:
        """What :meth:`__reduce__` would return to pickle the place of the elements instead of the elements;
        None if another process could not read them there."""
        return None

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.part(0, min(_SHOWN, len(self)))))
        return f"[{shown}, ... {len(self):,} in all]" if len(self) > _SHOWN else f"[{shown}]"


class ByReference:
    """A lazy list on its way to a process of this machine that reads the elements where they are.

    The unpickled list can be read as long as this process keeps the original. Pickled again, it is the list
    itself.
    """

    def __init__(self, of: LazyList) -> None:
        self._of = of

    def __reduce__(self) -> tuple[object, ...]:
        return self._of.by_place() or self._of.__reduce__()


def materialize(value: Any) -> Any:
    """``value`` with real lists in place of lazy ones, at any depth of its dictionaries and lists.

    A value without lazy lists is returned unchanged.
    """
    if isinstance(value, LazyList):
        return list(value)
    if not holds_lazy(value):
        return value
    if isinstance(value, dict):
        return {key: materialize(one) for key, one in value.items()}
    return [materialize(one) for one in value]


def holds_lazy(value: object) -> bool:
    """Whether a lazy list is in ``value``, at any level of its dictionaries and lists, or is it."""
    if isinstance(value, (dict, list)):
        members = value.values() if isinstance(value, dict) else value
        if _SCALARS.issuperset(map(type, members)):  # as in nearly all of many
            return False
        return any(holds_lazy(one) for one in members if type(one) not in _SCALARS)
    return isinstance(value, LazyList)
