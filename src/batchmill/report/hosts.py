"""Sums for each host of a cluster that ran items of a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from batchmill.report.parts import Host
from batchmill.report.plain import Plain
from batchmill.report.rows import Row
from batchmill.report.slot_names import SlotNames
from batchmill.report.slot_time import Attempted


class HostSums:
    """Adds up what the slots of ``node`` did. Used by one thread."""

    __slots__ = ("_items", "_names", "_node", "_seconds")

    def __init__(self, node: str, names: SlotNames) -> None:
        self._node, self._names = node, names
        self._items: Counter[int] = Counter()
        self._seconds: dict[int, float] = {}

    def add(self, row: Row, attempted: Sequence[Attempted]) -> None:
        """Count an item with its attempts."""
        if row.final and row.slot is not None:
            self._items[row.slot] += 1
        for _, wall, _, slot in attempted:
            if slot is not None:
                self._seconds[slot] = self._seconds.get(slot, 0.0) + wall

    def add_plain(self, items: Plain) -> None:
        """Count items that are done at the first attempt."""
        self._items.update(items.slots)
        for slot, (_, starts, ends) in items.by_slot().items():
            self._seconds[slot] = self._seconds.get(slot, 0.0) + sum(ends) - sum(starts)

    def hosts(self) -> list[Host]:
        """The hosts in the order of their first results."""
        slots: dict[str, list[int]] = {}
        for slot in range(len(self._names.names(self._node))):
            slots.setdefault(self._names.host(self._node, slot), []).append(slot)
        return [
            Host(
                host,
                len(own),
                sum(self._items[slot] for slot in own),
                sum(self._seconds.get(slot, 0.0) for slot in own),
            )
            for host, own in slots.items()
        ]
