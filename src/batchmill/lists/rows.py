"""Rows: values by number, in memory while they are few and small, else in a file.

    number --page, place--> (offset, length, member) --> bytes of a few neighbouring values

The file holds values in the order they came and, among them, pages of the index: 4096 entries each, zeros for
missing values. Memory holds two numbers per page: its offset and its number of values. Small neighbours are
one list in the file: to write and read each by itself costs three times as much.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any

from batchmill.lists.lazy import READ_BYTES, LazyList
from batchmill.lists.spill import NotWritable, SpillFile
from batchmill.lists.weight import weight

MOST_HELD = 10_000  # values; with what is around them some megabytes
MOST_HELD_BYTES = 16 << 20  # about; what half of a small machine's workers could spare

_PAGE = 4096  # values whose entries stand together
_ENTRY = 16  # bytes: offset + 1, and length << 8 | member, 8 each; member is 1 for the first of a list
_TOGETHER = 16  # values in a list; who wants one of them reads all
_SMALL, _LARGE = 8 << 10, 64 << 10  # bytes: what a list is meant to take, and what none may
_FIRST_READ, _READ = 1 << 12, 1 << 16  # bytes read together once a second value is asked for
ABSENT: object = object()
"""In a run of values: the number at this place has none."""

_KEPT = (1 << 64) - 1  # in place of an offset: the value is held, it cannot be written


def _unknown(values: Sequence[object]) -> bool:
    return False


class Rows:
    """Values by number from 0, possibly with gaps. ``are_plain`` says whether several of them are plain JSON
    data, as far as that is known.

    Concurrency: one thread puts. Once it has stopped, any thread may read, because the rows no longer change.
    """

    def __init__(
        self,
        most: int = MOST_HELD,
        most_bytes: int = MOST_HELD_BYTES,
        *,
        are_plain: Callable[[Sequence[Any]], bool] = _unknown,
    ) -> None:
        self.plain = True
        """Whether all values in the file are plain. They were looked at when they were written there: what is
        held may change."""
        self._are_plain = are_plain
        self._most = most
        self._most_bytes = most_bytes
        self._together = 1  # values that go into one list; known once the first has been written
        self._values: dict[int, object] = {}  # all of them, or those that cannot be written
        self._bytes = 0
        self._file: SpillFile | None = None
        self._largest = 0  # bytes in the file that are read at once
        self._pages: dict[int, int] = {}  # where each page is in the file
        self._counts: dict[int, int] = {}
        self._count = 0
        self._end = 0

    @property
    def spilled(self) -> bool:
        """Whether the values are in a file."""
        return self._file is not None

    def __len__(self) -> int:
        """How many numbers have a value."""
        return self._count if self.spilled else len(self._values)

    @property
    def can_be_shared(self) -> bool:
        """Whether the values are in a file that another process of this machine can read."""
        return self._file is not None and self._file.can_be_shared

    @property
    def end(self) -> int:
        """The number behind the highest one that has a value, 0 where none has."""
        return self._end

    def put(self, number: int, value: object) -> None:
        """Set the value of a number that has none. Raises :class:`~batchmill.lists.SpillError`."""
        self.put_run(number, (value,))

    def put_run(self, start: int, values: Sequence[object]) -> None:
        """Set the values of the numbers from ``start`` on, which have none; :data:`ABSENT` leaves a number
        without one. Raises :class:`~batchmill.lists.SpillError`."""
        self._end = max(self._end, start + len(values))
        if self._file is not None:
            self._write(self._file, start, values)
            return
        numbered = enumerate(values, start)
        self._values.update(pair for pair in numbered if pair[1] is not ABSENT)
        first = next((value for value in values if value is not ABSENT), None)
        self._bytes += weight(first) * len(values)
        if len(self._values) > self._most or self._bytes > self._most_bytes:
            self._spill()

    def _spill(self) -> None:
        """Move all there is into a file, neighbours together."""
        file, values = SpillFile.new(), self._values
        self._values, self._file = {}, file
        for _, run in groupby(enumerate(sorted(values)), lambda at: at[1] - at[0]):
            numbers = [number for _, number in run]
            for first in range(0, len(numbers), _PAGE):
                some = numbers[first : first + _PAGE]
                self._write(file, some[0], list(map(values.pop, some)))

    def _write(self, file: SpillFile, start: int, values: Sequence[object]) -> None:
        present = [one for one in values if one is not ABSENT]
        whole = len(present) == len(values)
        self.plain = self.plain and self._are_plain(present)
        entries, written = array("Q"), list[bytes]()
        offset, done = file.end, 0
        while done < len(values):
            few = values[done : done + self._together]
            together = len(few) > 1 and (whole or not any(one is ABSENT for one in few))
            data = self._dumped(file, few) if together else None
            if data is None:
                few = few[:1]
                data = self._dump_one(file, start + done, few[0], entries, offset)
            else:
                for member in range(1, len(few) + 1):
                    entries.extend((offset + 1, len(data) << 8 | member))
            if data:
                self._together = max(1, min(_TOGETHER, _SMALL * len(few) // len(data)))
                self._largest = max(self._largest, len(data))
            offset += len(data)
            written.append(data)
            done += len(few)
        file.append(b"".join(written))
        self._enter(file, start, entries)

    def _dumped(self, file: SpillFile, few: Sequence[object]) -> bytes | None:
        """Values as one list, None where they are not to be one."""
        try:
            data = file.dump(list(few))
        except NotWritable:
            return None
        return data if len(data) <= _LARGE else None

    def _dump_one(
        self, file: SpillFile, number: int, value: object, entries: array[int], offset: int
    ) -> bytes:
        """A value by itself, and its entry; no bytes where it has none there."""
        data = b""
        if value is ABSENT:
            entries.extend((0, 0))
            return data
        try:
            data = file.dump(value)
        except NotWritable:
            self.plain = False
            self._values[number] = value
            entries.extend((_KEPT, 0))
            return data
        entries.extend((offset + 1, len(data) << 8))
        return data

    def _enter(self, file: SpillFile, start: int, entries: array[int]) -> None:
        """Write index entries into their pages and count them."""
        done, count = 0, len(entries) // 2
        while done < count:
            page, place = divmod(start + done, _PAGE)
            some = min(count - done, _PAGE - place)
            if page not in self._pages:
                self._pages[page] = file.reserve(_PAGE * _ENTRY)
                self._counts[page] = 0
            data = entries[2 * done : 2 * (done + some)].tobytes()
            file.write_at(self._pages[page] + place * _ENTRY, data)
            present = some - entries[2 * done : 2 * (done + some) : 2].count(0)
            self._counts[page] += present
            self._count += present
            done += some

    def read(self, start: int, stop: int, otherwise: object = None) -> list[Any]:
        """The values of the numbers from ``start`` to before ``stop``, ``otherwise`` for those without."""
        if self._file is None:
            return [self._values.get(number, otherwise) for number in range(start, stop)]
        reader = _Reader(self._file)
        return [
            otherwise if not offset else self._value(reader, number, offset, length)
            for number, offset, length in self._entries(self._file, start, stop)
        ]

    def present(self, start: int, stop: int) -> list[object]:
        """The existing values at ``start`` to before ``stop``, counted without gaps in the order of their
        numbers."""
        if self._file is None:
            return [self._values[number] for number in sorted(self._values)[start:stop]]
        reader = _Reader(self._file)
        entries = self._present_entries(self._file, start, stop)
        return [self._value(reader, number, offset, length) for number, offset, length in entries]

    def fitting(self, start: int, stop: int, *, present: bool = False) -> int:
        """Where :meth:`read` from ``start``, or :meth:`present`, must stop to take no more than
        :data:`READ_BYTES` of the file; at ``stop`` at most."""
        if self._file is None or self._largest * (stop - start) <= READ_BYTES:
            return stop
        entries = self._present_entries if present else self._entries
        return start + _fitting(entries(self._file, start, stop))

    def before(self, number: int) -> int:
        """How many numbers below ``number`` have a value."""
        if self._file is None:
            return sum(1 for one in self._values if one < number)
        page, _ = divmod(number, _PAGE)
        whole = sum(count for one, count in self._counts.items() if one < page)
        return whole + sum(1 for _, offset, _ in self._entries(self._file, page * _PAGE, number) if offset)

    def _entries(self, file: SpillFile, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Number, and both halves of the entry (the first is 0 where there is no value), of the numbers from
        ``start`` to before ``stop``."""
        while start < stop:
            page, place = divmod(start, _PAGE)
            some = min(stop - start, _PAGE - place)
            if page in self._pages:
                entries = array("Q", file.read_at(self._pages[page] + place * _ENTRY, some * _ENTRY))
            else:
                entries = array("Q", bytes(some * _ENTRY))
            yield from zip(range(start, start + some), entries[::2], entries[1::2], strict=True)
            start += some

    def _present_entries(self, file: SpillFile, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """The same of the existing values at ``start`` to before ``stop``, counted without gaps."""
        pages = sorted(self._pages)
        ends = list(accumulate(self._counts[page] for page in pages))
        which = bisect_right(ends, start)
        skipped = ends[which] - self._counts[pages[which]] if which < len(ends) else 0
        while which < len(pages) and skipped < stop:
            first = pages[which] * _PAGE
            entries = (one for one in self._entries(file, first, first + _PAGE) if one[1])
            yield from (one for place, one in enumerate(entries, skipped) if start <= place < stop)
            skipped = ends[which]
            which += 1

    def _value(self, reader: _Reader, number: int, offset: int, length: int) -> object:
        return (
            self._values[number] if offset == _KEPT else reader.value(offset - 1, length >> 8, length & 255)
        )

    def listed(self, count: int) -> Sequence[Any]:
        """The values of the numbers below ``count``, None for those without: a list where they are held."""
        return RowsList(self, count) if self.spilled else self.read(0, count)

    def listed_present(self) -> Sequence[Any]:
        """The values there are, in the order of their numbers: a list where they are held."""
        return _PresentList(self) if self.spilled else self.present(0, len(self))


def _fitting(entries: Iterable[tuple[int, int, int]]) -> int:
    """How many of the values with these entries are at most :data:`READ_BYTES` of the file; one at least."""
    taken = count = last = 0
    for _, offset, length in entries:
        if offset not in (0, _KEPT, last):  # neighbours may be one list in the file
            taken, last = taken + (length >> 8), offset
        if count and taken > READ_BYTES:
            break
        count += 1
    return count


class _Reader:
    """Reads neighbouring bytes in few steps, with a growing read-ahead."""

    def __init__(self, file: SpillFile) -> None:
        self._file = file
        self._ahead = 0
        self._start = 0
        self._bytes = b""
        self._list_at = -1
        self._list: list[Any] = []

    def read(self, offset: int, length: int) -> bytes:
        place = offset - self._start
        if place < 0 or place + length > len(self._bytes):
            wanted = max(length, min(self._ahead, self._file.end - offset))
            self._start, self._bytes, place = offset, self._file.read_at(offset, wanted), 0
            self._ahead = _READ if self._ahead else _FIRST_READ
        return self._bytes[place : place + length]

    def value(self, offset: int, length: int, member: int) -> Any:
        """The value in these bytes, or ``member`` (from 1) of the list in them; call it once for each."""
        if not member:
            return self._file.load(self.read(offset, length))
        if offset != self._list_at:
            self._list_at, self._list = offset, self._file.load(self.read(offset, length))
        return self._list[member - 1]


class RowsList(LazyList):
    """The values of the numbers below a count, None where there is none."""

    __slots__ = ("_count", "_rows")

    def __init__(self, rows: Rows, count: int) -> None:
        self._rows = rows
        self._count = count

    def __len__(self) -> int:
        return self._count

    @property
    def plain(self) -> bool:
        return self._rows.plain

    def part(self, start: int, stop: int) -> list[Any]:
        return self._rows.read(start, stop)

    def fitting(self, start: int, stop: int) -> int:
        return self._rows.fitting(start, stop)

    def by_place(self) -> tuple[object, ...] | None:
        return (type(self), (self._rows, self._count)) if self._rows.can_be_shared else None


class _PresentList(LazyList):
    """The values there are, in the order of their numbers."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def plain(self) -> bool:
        return self._rows.plain

    def part(self, start: int, stop: int) -> list[Any]:
        return self._rows.present(start, stop)

    def fitting(self, start: int, stop: int) -> int:
        return self._rows.fitting(start, stop, present=True)

    def by_place(self) -> tuple[object, ...] | None:
        return (type(self), (self._rows,)) if self._rows.can_be_shared else None
