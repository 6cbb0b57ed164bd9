"""A plan in numbers, for the machine that decides which node runs next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from batchmill.graph.compile.plan import Plan
from batchmill.ir.pipeline import BranchBlock, PipelineStep

NONE = -1
ROOT = 0  # the scope that holds all others


@dataclass(slots=True)
class NumberedLoop:
    """A loop in numbers: ``header`` and ``body`` are nodes, ``entering`` counts each node's forward edges
    from inside the body."""

    header: int
    body: tuple[int, ...]
    entering: Mapping[int, int]
    inner: tuple[int, ...]  # loops inside it, itself among them
    outer: tuple[int, ...]  # loops around it, the inmost first
    scopes: tuple[int, ...] = ()  # those that lie in it as a whole


@dataclass(slots=True)
class FailureScope:
    """The unit of failure: a branch, a block of branches, or the whole run.

    ``goes_on`` belongs to a block under ``continue``; ``branches`` counts a block's branches. The parent of a
    branch is its block, that of a block the branch around it.
    """

    parent: int
    is_block: bool = False
    goes_on: bool = False
    branches: int = 0
    nodes: list[int] = field(default_factory=list)


class Topology:
    """The reachable nodes, gates and edges of a plan by number.

    Per node: ``edges_of`` (its outgoing edges), ``sources`` and ``entering`` (where its forward edges come
    from, and their number), ``loops_of`` (its loops, the innermost first) and ``scope_of``. Per edge:
    ``source``, ``action``, ``target``, ``round_of`` (the loop of a backward edge, else NONE) and ``leaves``
    (the outermost loop that the edge leaves, else NONE).
    """

    def __init__(self, plan: Plan) -> None:
        self.names = plan.order
        self.number = {name: number for number, name in enumerate(plan.order)}
        self.is_gate = [name in plan.gates for name in plan.order]
        self.start = self.number[plan.start]
        self._read_edges(plan)
        self._read_loops(plan)
        self.scopes = [FailureScope(NONE)]
        self._children: list[list[int]] = [[]]
        self.scope_of = [ROOT] * len(self.names)
        self.joins: dict[int, int] = {}
        """Gates at the end of blocks, to the scope of the block."""
        self._read_scopes(plan.steps, ROOT)
        for loop in self.loops:
            loop.scopes = self._scopes_inside(loop)

    def nodes_in(self, scope: int) -> Iterator[int]:
        """The nodes and gates of a scope and of all scopes inside it, inner ones last."""
        yield from self.scopes[scope].nodes
        for number in self._children[scope]:
            yield from self.nodes_in(number)

    def _read_edges(self, plan: Plan) -> None:
        size = len(self.names)
        leaving: list[list[int]] = [[] for _ in range(size)]
        sources: list[list[int]] = [[] for _ in range(size)]
        self.source: list[int] = []
        self.action: list[str] = []
        self.target: list[int] = []
        self.backward: list[bool] = []
        for edge in plan.edges:
            if edge.source in self.number:
                source, target = self.number[edge.source], self.number[edge.target]
                leaving[source].append(len(self.source))
                self.source.append(source)
                self.action.append(edge.action)
                self.target.append(target)
                self.backward.append(edge.backward)
                if not edge.backward:
                    sources[target].append(source)
        # The collector of cycles does not look into tuples of numbers.
        self.edges_of, self.sources = list(map(tuple, leaving)), list(map(tuple, sources))
        self.entering = list(map(len, sources))

    def _read_loops(self, plan: Plan) -> None:
        self.loops_of: list[tuple[int, ...]] = [()] * len(self.names)
        self.leaves = [NONE] * len(self.source)
        self.round_of = [NONE] * len(self.source)
        bodies = [frozenset(map(self.number.__getitem__, loop.body)) for loop in plan.loops]
        headers = {self.number[loop.header]: number for number, loop in enumerate(plan.loops)}
        for number, body in enumerate(bodies):  # outer loops come first
            for node in body:
                self.loops_of[node] = (number, *self.loops_of[node])
        self.loops = [self._round(number, header, bodies[number]) for header, number in headers.items()]
        for edge, (source, target) in enumerate(zip(self.source, self.target, strict=True)):
            if self.backward[edge]:
                self.round_of[edge] = headers[target]
            for number in self.loops_of[source]:
                if target not in bodies[number]:
                    self.leaves[edge] = number

    def _round(self, number: int, header: int, body: frozenset[int]) -> NumberedLoop:
        entering = {node: sum(source in body for source in self.sources[node]) for node in body}
        around = self.loops_of[header]
        inner = {loop for node in body for loop in self.loops_of[node] if loop not in around} | {number}
        return NumberedLoop(
            header, tuple(sorted(body)), entering, tuple(inner), around[around.index(number) + 1 :]
        )

    def _read_scopes(self, steps: Iterable[PipelineStep], scope: int) -> None:
        for step in steps:
            if isinstance(step, BranchBlock):
                self._read_block(step, scope)
            elif step in self.number:
                self.scope_of[self.number[step]] = scope
                self.scopes[scope].nodes.append(self.number[step])

    def _read_block(self, block: BranchBlock, scope: int) -> None:
        for gate in (block.fork, block.join):
            if gate in self.number:
                self.scope_of[self.number[gate]] = scope
                self.scopes[scope].nodes.append(self.number[gate])
        inside = self._new(FailureScope(scope, True, block.on_error == "continue", len(block.branches)))
        if block.join in self.number:
            self.joins[self.number[block.join]] = inside
        for branch in block.branches:
            self._read_scopes(branch, self._new(FailureScope(inside)))

    def _new(self, scope: FailureScope) -> int:
        self.scopes.append(scope)
        self._children.append([])
        self._children[scope.parent].append(len(self.scopes) - 1)
        return len(self.scopes) - 1

    def _scopes_inside(self, loop: NumberedLoop) -> tuple[int, ...]:
        """The scopes of a loop's nodes, except those that also contain its header."""
        found: set[int] = set()
        for node in loop.body:
            found.update(self._around(self.scope_of[node]))
        return tuple(found.difference(self._around(self.scope_of[loop.header])))

    def _around(self, scope: int) -> Iterator[int]:
        while scope != NONE:
            yield scope
            scope = self.scopes[scope].parent
