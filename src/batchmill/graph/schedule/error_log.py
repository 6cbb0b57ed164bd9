"""The errors of a run, in the order its nodes ran; those of a large batch are on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from batchmill.lists import JoinedList, LazyList, joined, mapped

Entry = dict[str, Any]


class ErrorLog(LazyList):
    """Error entries, each with the ``node`` it came from, in one list that grows. Used by one thread."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[Sequence[Entry]] = []

    def append(self, entry: Entry) -> None:
        """Add an entry that names its node."""
        self.extend([entry])

    def prepend(self, entry: Entry) -> None:
        """Put an entry that names its node before all others."""
        self._parts.insert(0, [entry])

    def extend(self, entries: Iterable[Entry]) -> None:
        """Add entries that name their nodes; a lazy list stays lazy."""
        if isinstance(entries, LazyList):
            self._parts.append(entries)
        elif self._parts and isinstance(self._parts[-1], list):
            self._parts[-1].extend(entries)
        else:
            self._parts.append(list(entries))

    def add(self, node: str, entries: Sequence[Entry]) -> None:
        """Add the entries of one visit of a node."""
        self.extend(mapped(entries, partial(_signed, node)))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def part(self, start: int, stop: int) -> list[Entry]:
        return JoinedList(self._parts).part(start, stop)

    def fitting(self, start: int, stop: int) -> int:
        return JoinedList(self._parts).fitting(start, stop)

    def listed(self) -> Sequence[Entry]:
        """All of them: a list where they are in memory."""
        return joined(self._parts)


def _signed(node: str, entry: Entry) -> Entry:
    return {"node": node, **entry}
