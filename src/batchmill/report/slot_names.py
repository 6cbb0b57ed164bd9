"""Names for the slots of nodes whose items ran on a cluster: each is a slot of some host.

Workers are numbered again each time a node runs, and a run may be resumed on another cluster. So a slot of a
node is identified by host and slot, over all times that the node ran."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

ROUNDING = 1e-3  # seconds by which times of day may differ that were noted in different ways


class SlotNames:
    """Names such as ``host-a/0``, by node. Workers of this machine, next to those of a cluster, are named by
    their number. Used by one thread."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._begun: dict[str, list[tuple[float, dict[int, int]]]] = {}  # slots by worker, each time

    def begin(self, node: str, at: float) -> None:
        """The node was under way from that time of day on."""
        self._begun.setdefault(node, []).append((at, {}))

    def join(self, node: str, worker: int, host: str, slot: int) -> None:
        """A worker of the node, this time, is that slot of a host."""
        if node not in self._begun:
            self.begin(node, 0.0)
        self._begun[node][-1][1][worker] = self._slot(node, f"{host}/{slot}")

    def _slot(self, node: str, name: str) -> int:
        names = self._names.setdefault(node, [])
        if name not in names:
            names.append(name)
        return names.index(name)

    def names(self, node: str) -> Sequence[str]:
        """The names of the slots of a node, in order; none if it never ran on a cluster."""
        return self._names.get(node, ())

    def name(self, node: str, slot: int | None) -> str:
        """That of a slot; empty for one of this machine."""
        names = self._names.get(node, ())
        return names[slot] if slot is not None and slot < len(names) else ""

    def host(self, node: str, slot: int | None) -> str:
        """The host of a slot; empty for this machine."""
        return self.name(node, slot).rpartition("/")[0]

    def slot(self, node: str, at: float, worker: int | None) -> int | None:
        """The slot of a ``worker`` that was busy at that time of day."""
        if worker is None or node not in self._names:
            return worker
        begun = self._begun[node]
        of = begun[max(0, bisect_right(begun, at + ROUNDING, key=lambda one: one[0]) - 1)][1]
        if worker not in of:
            of[worker] = self._slot(node, str(worker))
        return of[worker]

    def slots(self, node: str, moments: Sequence[float], workers: Sequence[int]) -> Sequence[int]:
        """The same of many."""
        if node not in self._names:
            return workers
        found = (self.slot(node, at, worker) for at, worker in zip(moments, workers, strict=True))
        return [slot for slot in found if slot is not None]
