"""The shape of a plan: what follows what, in rows and branches for people.

A node is shown under its immediate dominator, the last node that every way to it leads through. After a
fan-out the branches stand inside it, and the node where they meet stands behind it, in the same row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batchmill.graph.compile.plan import Plan
from batchmill.ir.pipeline import all_blocks
from batchmill.nodes import DEFAULT_ACTION

_NONE: Mapping[str, str] = {}


class Link(NamedTuple):
    """An edge; ``backward`` says that it closes a cycle, ``dead`` that its action cannot occur."""

    source: str
    action: str
    target: str
    backward: bool = False
    dead: bool = False

    @property
    def label(self) -> str:
        """Its action, and whether that can come."""
        return f"{self.action} (dead)" if self.dead else self.action


@dataclass(slots=True)
class ShapeStep:
    """A node, and the branches that begin after it before its row continues."""

    name: str
    branches: list[list[ShapeStep]] = field(default_factory=list)

    def walk(self) -> Iterator[str]:
        """Its own name and all those in its branches."""
        yield self.name
        for branch in self.branches:
            for step in branch:
                yield from step.walk()


class PlanShape:
    """The part of a plan that its start leads to. ``order`` has each node before those it leads to.

    The gates of a pipeline's blocks are in it like nodes; ``forks`` has what a block does when one of its
    branches fails, by the name of the gate that it begins with.
    """

    def __init__(
        self, start: str, links: Iterable[Link], gates: Iterable[str] = (), forks: Mapping[str, str] = _NONE
    ) -> None:
        self.start = start
        self.gates = frozenset(gates)
        self.forks = forks
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
    def of(cls, plan: Plan) -> PlanShape:
        """The shape of a plan."""
        links = (Link(edge.source, edge.action, edge.target, edge.backward, edge.dead) for edge in plan.edges)
        forks = {block.fork: block.on_error for block in all_blocks(plan.steps)}
        return cls(plan.start, links, plan.gates, forks)

    def leaving(self, name: str, backward: bool = False) -> list[Link]:
        """The forward links out of a node, or the backward ones, as written."""
        return [link for link in self._leaving.get(name, ()) if link.backward is backward]

    def entering(self, name: str) -> list[Link]:
        """The forward links into a node."""
        return self._entering.get(name, [])

    def arriving(self, name: str) -> list[Link]:
        """The forward links into a node, each from its source node, through any number of gates."""
        found: dict[Link, None] = {}
        waiting = self.entering(name)[::-1]
        while waiting:
            link = waiting.pop()
            if link.source in self.gates:
                waiting += self.entering(link.source)[::-1]
            else:
                found[link._replace(target=name)] = None
        return list(found)

    def before(self, name: str) -> list[str]:
        """The nodes that a node waits for, if they run."""
        return list(dict.fromkeys(link.source for link in self.arriving(name)))

    def behind(self, name: str) -> list[str]:
        """The node called ``name``, or the next nodes after the gate of that name."""
        if name not in self.gates:
            return [name]
        return list(dict.fromkeys(one for link in self.leaving(name) for one in self.behind(link.target)))

    def actions_to(self, name: str) -> list[str]:
        """The actions other than the default that lead to a node or gate, sorted, dead ones marked."""
        return sorted({link.label for link in self.entering(name) if link.action != DEFAULT_ACTION})

    def fans_out(self, step: ShapeStep) -> bool:
        """Whether several of the branches behind a step run at the same time."""
        return sum(self._by_default(branch[0].name) for branch in step.branches) > 1

    def rows(self) -> list[ShapeStep]:
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
        """For each node the nodes that it immediately dominates; one pass, because forward links make no
        cycle."""
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

    def _row(self, first: str) -> list[ShapeStep]:
        row: list[ShapeStep] = []
        waiting = [first]
        while waiting:
            step = ShapeStep(waiting.pop())
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
