"""Which edges can be taken, which nodes never run, and which surely ran before another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from batchmill.ir.flow_graph import FlowGraph, edges_in_force
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart, NodePart
from batchmill.nodes import DEFAULT_ACTION, ERROR_ACTION, Node


def actions_of(node: NodePart, kind: type[Node] | None) -> frozenset[str] | None:
    """The actions that a node may end with, None if unknown. Any node may end with ``error``. A batch node
    ends with ``default`` or ``error``, because the actions of its items are ignored."""
    if node.has_batch:
        return frozenset({DEFAULT_ACTION, ERROR_ACTION})
    known = None if kind is None else kind.actions(node.params)
    return None if known is None else known | {ERROR_ACTION}


class Ways:
    """The paths that a run can take through a document.

    ``dead`` are edges out of reachable nodes whose action cannot occur. ``actions`` maps a node's id to the
    actions it may end with.
    """

    def __init__(self, outline: Outline, graph: FlowGraph, types: Mapping[str, type[Node]]) -> None:
        self.graph = graph
        self.actions = {node.id: actions_of(node, types.get(node.id)) for node in outline.nodes}
        edges = edges_in_force(outline)
        self.dead = [edge for edge in edges if graph.reaches(edge.source) and not self._can_come(edge)]
        dead = set(map(id, self.dead))
        self.live = (
            FlowGraph(graph.start, [edge for edge in edges if id(edge) not in dead]) if dead else graph
        )
        self._places = {name: 1 << number for number, name in enumerate(self.live.order)}
        self._forward: defaultdict[str, list[EdgePart]] = defaultdict(list)
        for edge in self.live.forward:
            self._forward[edge.source].append(edge)
        self._follows = self._what_follows()
        self._certain = self._what_is_certain()
        self._before = self._what_is_before()

    def _can_come(self, edge: EdgePart) -> bool:
        actions = self.actions.get(edge.source)  # a gate has none
        return actions is None or edge.action in actions

    def runs(self, name: str) -> bool:
        """Whether a node or gate may run at all."""
        return name in self._places

    def is_certain(self, name: str, at: str | None) -> bool:
        """Whether ``name`` has always run when ``at`` begins, for the first time in a loop; None stands for
        the end of a run that has not failed.

        A node with edges on several actions is assumed to end with one of them.
        """
        known = self._follows[self.live.start] if at is None else self._certain[at] & self._before[at]
        return bool(known & self._places[name])

    def _what_follows(self) -> dict[str, int]:
        """For each node the bits of all that runs once it has run, itself included."""
        follows: dict[str, int] = {}
        for name in reversed(self.live.order):
            choices = [self._of_all(edges, follows) for edges in self._by_action(name).values()]
            common = choices[0] if choices else 0
            for one in choices[1:]:
                common &= one
            follows[name] = common | self._places[name]
        return follows

    def _by_action(self, name: str) -> Mapping[str, list[EdgePart]]:
        """The edges that lead on from a node; where it has one for a failure only, with none for the rest."""
        found: defaultdict[str, list[EdgePart]] = defaultdict(list)
        for edge in self._forward.get(name, ()):
            found[edge.action].append(edge)
        if set(found) == {ERROR_ACTION}:
            found[DEFAULT_ACTION] = []
        return found

    @staticmethod
    def _of_all(edges: Iterable[EdgePart], follows: Mapping[str, int]) -> int:
        bits = 0
        for edge in edges:
            bits |= follows[edge.target]
        return bits

    def _what_is_certain(self) -> dict[str, int]:
        """For each node the bits of all nodes that have run, or will run, whenever it runs."""
        entering: defaultdict[str, list[int]] = defaultdict(list)
        certain: dict[str, int] = {}
        for name in self.live.order:
            ways = entering[name]
            common = ways[0] if ways else 0
            for one in ways[1:]:
                common &= one
            certain[name] = common | self._follows[name]
            for edges in self._by_action(name).values():
                taken = certain[name] | self._of_all(edges, self._follows)
                for edge in edges:
                    entering[edge.target].append(taken)
        return certain

    def _what_is_before(self) -> dict[str, int]:
        """For each node the bits of all that lead to it without going round a loop."""
        before = dict.fromkeys(self.live.order, 0)
        for name in self.live.order:
            for edge in self._forward.get(name, ()):
                before[edge.target] |= before[name] | self._places[name]
        return before
