"""What follows what in a plan, and in which rows and branches people see it.

A node is shown under the last node that every way to it leads through (its immediate dominator): after
a fan-out the branches stand inside it, and the node where they meet stands behind it, in the same row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from batchmill.graph.plan import Plan
from batchmill.nodes import DEFAULT_ACTION


class Link(NamedTuple):
    """An edge that can be taken; ``backward`` says that it closes a cycle."""

    source: str
    action: str
    target: str
    backward: bool = False


@dataclass(slots=True)
class Step:
    """A node, and the branches that begin behind it before its row goes on."""

    name: str
    branches: list[list[Step]] = field(default_factory=list)

    def walk(self) -> Iterator[str]:
        """Its own name and all those in its branches."""
        yield self.name
        for branch in self.branches:
            for step in branch:
                yield from step.walk()


class Shape:
    """The part of a plan that its start leads to. ``order`` has each node before those it leads to."""

    def __init__(self, start: str, links: Iterable[Link]) -> None:
        self.start = start
        self.gate: str | None = None
        """The start where it is no node."""
        self._leaving: dict[str, list[Link]] = defaultdict(list)
        for link in links:
            self._leaving[link.source].append(link)
        self.order = self._search()
        self._entering: dict[str, list[Link]] = defaultdict(list)
        for name in self.order:
            for link in self.leaving(name):
                self._entering[link.target].append(link)
        self._inside = self._dominated()

    @classmethod
    def of(cls, plan: Plan) -> Shape:
        """The shape of a plan. Gates are left out: what leads to one leads to what stands behind it. Where
        the plan starts with one, so does the shape."""
        links = [
            Link(edge.source, edge.action, target, edge.backward)
            for edge in plan.edges
            if edge.source not in plan.gates or edge.source == plan.start
            for target in plan.behind(edge.target)
        ]
        shape = cls(plan.start, dict.fromkeys(links))
        shape.gate = plan.start if plan.start in plan.gates else None
        return shape

    def leaving(self, name: str, backward: bool = False) -> list[Link]:
        """The forward links out of a node, or the backward ones, as they are written."""
        return [link for link in self._leaving.get(name, ()) if link.backward is backward]

    def entering(self, name: str) -> list[Link]:
        """The forward links into a node."""
        return self._entering.get(name, [])

    def before(self, name: str) -> list[str]:
        """The nodes that a node waits for, those of them that run."""
        sources = dict.fromkeys(link.source for link in self.entering(name))
        return [source for source in sources if source != self.gate]

    def rows(self) -> list[Step]:
        """All of it, as the row that begins at the start."""
        return self._row(self.start)

    def _search(self) -> list[str]:
        """Depth first along forward links, the last one first, so that the first one's branch comes first."""
        finished: list[str] = []
        seen = {self.start}
        stack = [(self.start, iter(self.leaving(self.start)[::-1]))]
        while stack:
            name, following = stack[-1]
            link = next(following, None)
            if link is None:
                stack.pop()
                finished.append(name)
            elif link.target not in seen:
                seen.add(link.target)
                stack.append((link.target, iter(self.leaving(link.target)[::-1])))
        return finished[::-1]

    def _dominated(self) -> dict[str, list[str]]:
        """For each node those whose immediate dominator it is; one pass, as forward links make no cycle."""
        place = {name: number for number, name in enumerate(self.order)}
        above: dict[str, str] = {}
        inside: dict[str, list[str]] = defaultdict(list)
        for name in self.order[1:]:
            sources = [link.source for link in self.entering(name)]
            common = sources[0]
            for source in sources[1:]:
                while common != source:
                    if place[common] > place[source]:
                        common = above[common]
                    else:
                        source = above[source]
            above[name] = common
            inside[common].append(name)
        return inside

    def _row(self, first: str) -> list[Step]:
        row: list[Step] = []
        waiting = [first]
        while waiting:
            step = Step(waiting.pop())
            row.append(step)
            heads = [name for name in self._inside[step.name] if self._follows_only(name, step.name)]
            behind = [name for name in self._inside[step.name] if name not in heads]
            if len(heads) == 1 and self._by_default(heads[0]):
                behind = heads + behind  # no choice and no branches: the row just goes on
            else:
                step.branches = [self._row(head) for head in heads]
            waiting += behind[::-1]
        return row

    def _follows_only(self, name: str, source: str) -> bool:
        return all(link.source == source for link in self.entering(name))

    def _by_default(self, name: str) -> bool:
        return all(link.action == DEFAULT_ACTION for link in self.entering(name))
