"""Loops and branches together: what cannot be decided, edge by edge.

A loop goes round as one: its next round begins, or what leaves it is followed, once all of its nodes have
come to an end. So of the branches that run side by side inside a loop none may leave the loop or begin its
next round for itself; they have to come together first. And the edges of one fan-out lead on inside the
loop, or out of it, all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from batchmill.ir.faults import Fault
from batchmill.ir.flow_graph import FlowGraph, Loop
from batchmill.ir.parts import EdgePart
from batchmill.ir.reaching import reached


def loop_faults(graph: FlowGraph) -> Iterator[Fault]:
    """Faults of edges that may be followed too late to know whether they leave their loop or continue it."""
    if not any(_fan_outs(edges) for edges in graph.leaving.values()):
        return
    for loop in graph.loops:
        body = frozenset(loop.body)
        yield from _half_inside(graph, loop, body)
        yield from _out_of_branches(graph, loop, body)


def _fan_outs(edges: Iterable[EdgePart]) -> list[list[EdgePart]]:
    """Edges of one node with one action, if there are several."""
    by_action: defaultdict[str, list[EdgePart]] = defaultdict(list)
    for edge in edges:
        by_action[edge.action].append(edge)
    return [group for group in by_action.values() if len(group) > 1]


def _half_inside(graph: FlowGraph, loop: Loop, body: frozenset[str]) -> Iterator[Fault]:
    for node in loop.body:
        for group in _fan_outs(graph.leaving[node]):
            leaving = [edge for edge in group if edge.target not in body]
            if 0 < len(leaving) < len(group):
                for edge in leaving:
                    yield Fault(
                        edge.path,
                        _HALF.format(_named(edge.source), _named(edge.target), _named(loop.header)),
                        _LATER,
                    )
            for edge in group:
                if edge.target == loop.header:
                    yield Fault(edge.path, _BOTH.format(_named(edge.source), _named(loop.header)), _LATER)


_HALF = "{0} leads out of the loop of {2} to {1} and goes on inside it at once"
_BOTH = "{0} leads back to {1} and elsewhere at once"
_LATER = "let the branches come together in a node, and decide there"


def _out_of_branches(graph: FlowGraph, loop: Loop, body: frozenset[str]) -> Iterator[Fault]:
    """Edges out of the loop, or back to its header, from between a fan-out inside it and where the
    fan-out's branches have all come together."""
    ways = _Ways(graph, loop, body)
    told: set[int] = set()
    for node in loop.body:
        for group in _fan_outs(graph.leaving[node]):
            if all(edge.target in body and edge.target != loop.header for edge in group):
                for edge in ways.out_of(group):
                    if id(edge) not in told:
                        told.add(id(edge))
                        verb = "back to" if edge.target == loop.header else "out of the loop of"
                        names = map(_named, (edge.source, loop.header, node))
                        yield Fault(edge.path, _ALONE.format(*names, verb=verb), _LATER)


_ALONE = (
    "{0} leads {verb} {1} while other branches of {2} may be at work: "
    "whether the loop goes round again cannot be told"
)


def _named(node: str) -> str:
    """A node, or the block that a gate belongs to, in a message."""
    name, colon, _ = node.partition(":")
    return f"the block {name}" if colon else f"`{name}`"


class _Ways:
    """The ways through the body of one loop; a loop inside it counts as its header, one node."""

    def __init__(self, graph: FlowGraph, loop: Loop, body: frozenset[str]) -> None:
        self._graph, self._loop, self._body = graph, loop, body
        self._of = {node: node for node in loop.body}
        inner = [other for other in graph.loops if other.header in body and other is not loop]
        for other in reversed(inner):  # outer ones last, so that they count
            self._of.update(dict.fromkeys(other.body, other.header))
        self._members: defaultdict[str, list[str]] = defaultdict(list)
        for node in loop.body:
            self._members[self._of[node]].append(node)
        self._places = {node: place for place, node in enumerate(loop.body)}
        self._meeting = self._meetings()

    def out_of(self, group: list[EdgePart]) -> Iterator[EdgePart]:
        """The edges that leave or go round from a node that not all branches of a fan-out have come to."""
        begins = [self._of[edge.target] for edge in group]
        if len(set(begins)) == 1:
            return
        meeting = begins[0]
        for begin in begins[1:]:
            meeting = self._common(meeting, begin)
        for node in self._between(begins, meeting):
            for member in self._members[node]:
                for edge in self._graph.leaving[member]:
                    if edge.target not in self._body or edge.target == self._loop.header:
                        yield edge

    def _next(self, node: str) -> Iterator[str]:
        """The nodes after a node inside the body; the header means the end of the round."""
        for member in self._members[node]:
            for edge in self._graph.leaving[member]:
                if edge.target == self._loop.header:
                    yield ""
                elif edge.target in self._body and self._of[edge.target] != node:
                    yield self._of[edge.target]

    def _meetings(self) -> dict[str, str]:
        """For each node the next one that every way from it to the end of the round leads over, "" for the
        end itself: its immediate post-dominator."""
        meeting: dict[str, str] = {}
        self._meeting = meeting
        for node in reversed(self._loop.body):
            if self._of[node] != node:
                continue
            common: str | None = None
            for following in self._next(node):
                common = following if common is None else self._common(common, following)
            meeting[node] = common or ""
        return meeting

    def _common(self, first: str, second: str) -> str:
        while first != second:
            if not first or not second:
                return ""
            if self._places[first] < self._places[second]:
                first = self._meeting[first]
            else:
                second = self._meeting[second]
        return first

    def _between(self, begins: list[str], meeting: str) -> list[str]:
        outside = {meeting, ""}
        begins = [node for node in begins if node not in outside]
        return reached(begins, lambda node: (one for one in self._next(node) if one not in outside))
