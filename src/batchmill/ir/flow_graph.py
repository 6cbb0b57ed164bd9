"""The control-flow graph of the edges: entry, reachable nodes, possible order and loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart
from batchmill.ir.reaching import reached


@dataclass(frozen=True, slots=True)
class Loop:
    """A natural loop: the nodes on the cycles that backward edges to ``header`` close, including the header.

    ``body`` is in the graph's order. Two loops are disjoint, or one contains the other.
    """

    header: str
    body: tuple[str, ...]
    backward: tuple[EdgePart, ...]


def edges_in_force(outline: Outline) -> tuple[EdgePart, ...]:
    """The written edges or, if the document has no ``edges``, those of list order."""
    if outline.edges is not None:
        return outline.edges
    ids = [node.id for node in outline.nodes]
    return tuple(EdgePart((), source, target) for source, target in pairwise(ids))


class FlowGraph:
    """The nodes that a run beginning at ``start`` can reach. Every edge must join known nodes.

    ``order`` has each node before those it leads to but for backward edges; ``forward`` and ``backward``
    are the edges that can be taken. A backward edge leads to a node on the way to its own source, from
    which it follows that it closes a cycle.
    """

    def __init__(self, start: str, edges: Iterable[EdgePart]) -> None:
        self.start = start
        self.leaving: defaultdict[str, list[EdgePart]] = defaultdict(list)
        for edge in edges:
            self.leaving[edge.source].append(edge)
        self.backward: list[EdgePart] = []
        self._entered: dict[str, int] = {}
        self.order: list[str] = self._search()
        self._place = {node: place for place, node in enumerate(self.order)}
        self._before = self._predecessors()
        back = {id(edge) for edge in self.backward}
        self.forward = [edge for node in self.order for edge in self.leaving[node] if id(edge) not in back]
        self.loops: tuple[Loop, ...] = tuple(self._loops()) if self.backward else ()

    def reaches(self, node: str) -> bool:
        """Whether ``node`` can run at all."""
        return node in self._place

    def can_precede(self, first: str, second: str) -> bool:
        """Whether ``first`` may have run when ``second`` begins; a node in a cycle precedes itself."""
        place = self._place.get(first)
        return place is not None and bool(self._before.get(second, 0) >> place & 1)

    def beside(self, first: str, second: str) -> bool:
        """Whether the two are reached and lie on no common way: in different branches."""
        reached = self.reaches(first) and self.reaches(second)
        return reached and not self.can_precede(first, second) and not self.can_precede(second, first)

    def _search(self) -> list[str]:
        """Depth first from the start: the reached nodes, each before those it leads to but for cycles."""
        finished: list[str] = []
        on_the_way = {self.start}
        self._entered[self.start] = 0
        stack: list[tuple[str, Iterator[EdgePart]]] = [(self.start, iter(self.leaving[self.start]))]
        while stack:
            node, edges = stack[-1]
            edge = next(edges, None)
            if edge is None:
                stack.pop()
                on_the_way.discard(node)
                finished.append(node)
            elif edge.target in on_the_way:
                self.backward.append(edge)
            elif edge.target not in self._entered:
                self._entered[edge.target] = len(self._entered)
                on_the_way.add(edge.target)
                stack.append((edge.target, iter(self.leaving[edge.target])))
        return finished[::-1]

    def _predecessors(self) -> dict[str, int]:
        """For each node the bits of all nodes that may run before it, iterated to a fixed point."""
        before = dict.fromkeys(self.order, 0)
        changed = True
        while changed:
            changed = False
            for place, node in enumerate(self.order):
                bits = before[node] | 1 << place
                for edge in self.leaving[node]:
                    if bits & ~before[edge.target]:
                        before[edge.target] |= bits
                        changed = changed or self._place[edge.target] <= place
        return before

    def _loops(self) -> Iterator[Loop]:
        """The loop of each node that is the target of backward edges, outer loops first.

        Its body are the nodes that the search reached from the header and that lead back to it through such
        nodes only (Havlak, "Nesting of reducible and irreducible loops", ACM TOPLAS 19, 1997).
        """
        entering: defaultdict[str, list[str]] = defaultdict(list)
        for node in self.order:
            for edge in self.leaving[node]:
                entering[edge.target].append(node)
        by_header: defaultdict[str, list[EdgePart]] = defaultdict(list)
        for edge in self.backward:
            by_header[edge.target].append(edge)
        for header in sorted(by_header, key=self._entered.__getitem__):
            inside = self._leading_to(header, entering)
            body = tuple(sorted(inside, key=self._place.__getitem__))
            yield Loop(header, body, tuple(by_header[header]))

    def _leading_to(self, header: str, entering: defaultdict[str, list[str]]) -> set[str]:
        return set(reached([header], lambda to: filter(partial(self._found_from, header), entering[to])))

    def _found_from(self, header: str, node: str) -> bool:
        """Whether the depth-first search reached ``node`` through ``header``: entered later and
        left earlier."""
        return self._entered[node] > self._entered[header] and self._place[node] > self._place[header]


def flow_graph(outline: Outline) -> FlowGraph | None:
    """The graph of a document, None if its nodes, edges or start are not sound."""
    edges, known = edges_in_force(outline), {node.id for node in outline.nodes}
    places = known | outline.gates
    if outline.broken or outline.start not in places or len(outline.by_id) != len(outline.all_nodes):
        return None
    if not all(edge.source in places and edge.target in places for edge in edges):
        return None
    if outline.steps and any(crosses_blocks(edge, outline) for edge in edges):
        return None
    return FlowGraph(outline.start, edges)


def crosses_blocks(edge: EdgePart, outline: Outline) -> bool:
    """Whether a step's ``next`` leads to a step of another row."""
    source, target = outline.by_id.get(edge.source), outline.by_id.get(edge.target)
    if not edge.written or source is None or target is None:
        return False
    return source.row != target.row
