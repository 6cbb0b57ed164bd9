"""The view of each node on the run's store: the nodes before it, but no parallel branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from batchmill.graph.compile.topology import Topology
from batchmill.graph.schedule.machine import NodeDecision
from batchmill.step import Namespace
from batchmill.step.namespace import NodeOutputs, joined


class BranchNamespaces:
    """The layer of the namespace that each node of a run works on.

    A node shares the layer of its predecessor if each is the only neighbour of the other. Where branches
    begin, each gets its own layer; where they join, one layer covers all of them.

    Not locked: its owner calls it under a lock.
    """

    def __init__(self, root: Namespace, topology: Topology) -> None:
        self._root = root
        self._topology = topology
        self._views: dict[str, tuple[Namespace, bool]] = {}  # and whether it is this node's to hand on
        self._entries: dict[str, NodeOutputs] = {}
        self._calls: dict[tuple[int, int], Sequence[object]] = {}

    def decided(self, decision: NodeDecision) -> Namespace:
        """The layer for a node that starts, or, for a node passed over, the layer that its successors
        continue."""
        if not decision.after:
            view, own = self._root.layer(), True
        elif len(decision.after) == 1:
            view, own = self._after(decision.after[0])
            if decision.starts and not own:
                view, own = view.layer(), True
        else:
            view, own = joined([self._views[name][0] for name in decision.after]), True
        if decision.dropped:
            view, own = view.layer(), True
            self._drop(view, decision.dropped)
        self._views[decision.node] = (view, own)
        return view

    def _after(self, name: str) -> tuple[Namespace, bool]:
        view, own = self._views[name]
        alone = len(self._topology.edges_of[self._topology.number[name]]) == 1
        return view, own and alone

    def _drop(self, view: Namespace, nodes: Iterable[str]) -> None:
        view.drop(nodes)
        for node in nodes:
            if node in self._entries:
                self._entries[node] = self._entries[node].dropped()

    def enter(self, node: str, entry: NodeOutputs) -> None:
        """Enter the outputs of a visit, for the successors of the node and for the run's end."""
        self._views[node][0].set(node, entry)
        self._entries[node] = entry

    def record(self, node: str, calls: Sequence[object], place: int, visit: int) -> None:
        """Enter the records of a visit, for the successors of the node."""
        self._views[node][0].record(calls, place, visit)

    def keep(self, calls: Sequence[object], place: int, visit: int) -> None:
        """Keep the records of a visit, for the run's end."""
        if calls:
            self._calls[place, visit] = calls

    def has(self, node: str) -> bool:
        """Whether a visit of the node left something."""
        return node in self._entries

    def collect(self) -> None:
        """At the end: put what every node left into the run's namespace."""
        lazy = any(view.lazy for view, _ in self._views.values())
        self._root.collect(self._entries, lazy=lazy)
        for (place, visit), calls in self._calls.items():
            self._root.record(calls, place, visit)
