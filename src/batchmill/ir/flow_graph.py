"""What the edges mean: where a run begins, what it can reach, and what can run before what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from batchmill.ir.outline import EdgePart, Outline


def edges_in_force(outline: Outline) -> tuple[EdgePart, ...]:
    """The written edges or, where the document has no ``edges``, those of list order."""
    if outline.edges is not None:
        return outline.edges
    ids = [node.id for node in outline.nodes]
    return tuple(EdgePart(None, source, target) for source, target in pairwise(ids))


class FlowGraph:
    """The nodes that a run beginning at ``start`` can reach. Every edge must join known nodes."""

    def __init__(self, start: str, edges: Iterable[EdgePart]) -> None:
        self.start = start
        self._leaving: defaultdict[str, list[EdgePart]] = defaultdict(list)
        for edge in edges:
            self._leaving[edge.source].append(edge)
        self.backward: list[EdgePart] = []
        """Edges to a node on the way to their own source, from which it follows that they close a cycle."""
        self._order = self._search()
        self._bits = {node: 1 << number for number, node in enumerate(self._order)}
        self._before = self._predecessors()

    def reaches(self, node: str) -> bool:
        """Whether ``node`` can run at all."""
        return node in self._bits

    def can_precede(self, first: str, second: str) -> bool:
        """Whether ``first`` may have run when ``second`` begins; a node in a cycle precedes itself."""
        return bool(self._before.get(second, 0) & self._bits.get(first, 0))

    def _search(self) -> list[str]:
        """Depth first from the start: the reached nodes, each before those it leads to but for cycles."""
        finished: list[str] = []
        on_the_way, seen = {self.start}, {self.start}
        stack: list[tuple[str, Iterator[EdgePart]]] = [(self.start, iter(self._leaving[self.start]))]
        while stack:
            node, edges = stack[-1]
            edge = next(edges, None)
            if edge is None:
                stack.pop()
                on_the_way.discard(node)
                finished.append(node)
            elif edge.target in on_the_way:
                self.backward.append(edge)
            elif edge.target not in seen:
                seen.add(edge.target)
                on_the_way.add(edge.target)
                stack.append((edge.target, iter(self._leaving[edge.target])))
        return finished[::-1]

    def _predecessors(self) -> dict[str, int]:
        """For each node the bits of all that may run before it: passes until nothing is new."""
        before = dict.fromkeys(self._order, 0)
        changed = True
        while changed:
            changed = False
            for node in self._order:
                bits = before[node] | self._bits[node]
                for edge in self._leaving[node]:
                    if bits & ~before[edge.target]:
                        before[edge.target] |= bits
                        changed = True
        return before


def flow_graph(outline: Outline) -> FlowGraph | None:
    """The graph of a document, None where its nodes, edges or start are not sound."""
    edges = edges_in_force(outline)
    start = outline.start_node or (outline.nodes[0].id if outline.nodes else "")
    known = outline.by_id
    if outline.broken or start not in known or len(known) != len(outline.nodes):
        return None
    if not all(edge.source in known and edge.target in known for edge in edges):
        return None
    return FlowGraph(start, edges)
