"""The state machine that decides which node may start: events in, decisions out, without threads and clock.

Every edge is decided once in a pass: *taken* when its node ended with the edge's action, *dead* when it ended
otherwise or was skipped. A node whose forward edges are all decided starts if one of them was taken and is
skipped if none was. A skipped node makes its own edges dead (dead-path elimination, as in van der Aalst and
ter Hofstede, "Workflow Patterns", Distributed and Parallel Databases 14, 2003).

A loop is decided as one. A backward edge that is taken waits until all nodes of the loop have ended; then
they are reset and the loop's header starts again. An edge that leads out of a loop is decided after the last
round, by the state that this round left. Edges into a loop count only for its first round.

A node that failed for good ends its *scope*: no node starts there. The blocks around decide how far the
failure reaches: one under ``continue`` keeps it to the branch unless all its branches failed. Any other block
ends with it and passes it on to the enclosing branch, and finally to the whole run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from batchmill.graph.compile.topology import NONE, ROOT, Topology
from batchmill.nodes import DEFAULT_ACTION, ERROR_ACTION

MAX_VISITS = 1_000  # of one node; more than a person means by going round, soon reached by a mistake


@dataclass(slots=True)
class NodeDecision:
    """One decision: ``node`` starts or, if ``starts`` is False, is passed over: it is skipped, or is a gate,
    which does nothing itself.

    ``after`` are the nodes and gates whose edges led to it in this pass, in the order of the edges.
    ``dropped`` are the nodes of the failed branches that a gate joins.
    """

    node: str
    starts: bool
    after: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class FailureReach:
    """The reach of a failure: ``scopes`` are those that it ended, ``run`` says whether the run is one of
    them."""

    scopes: list[int] = field(default_factory=list)
    run: bool = False


class Machine:
    """One run's state. Not locked: its owner calls it under a lock."""

    def __init__(self, topology: Topology, most_visits: int = MAX_VISITS) -> None:
        self._graph = topology
        self._most = most_visits
        size = len(topology.names)
        self._open = list(topology.entering)  # forward edges not yet decided
        self._wanted = [False] * size  # whether one of the decided ones was taken
        self._visits = [0] * size
        self._working: set[int] = set()
        self._left = [len(loop.body) for loop in topology.loops]  # nodes not at their end in this round
        self._again = [NONE] * len(topology.loops)  # the backward edge taken in this round
        self._exits: list[dict[int, bool]] = [{} for _ in topology.loops]
        self._back: dict[int, int] = {}  # a header that starts again to the node that led back to it
        self._pass = [NONE] * size  # the loop whose round a node is in since it was set back
        self._ended = [False] * len(topology.scopes)
        self._failed: list[set[int]] = [set() for _ in topology.scopes]  # of a block: its failed branches
        self._queue: deque[int] = deque()
        self.over_limit: str | None = None
        """The node that exceeded the limit of visits; no node starts after that."""

    @property
    def over(self) -> bool:
        """Whether no node runs and none is ready to start."""
        return not self._working

    def begin(self) -> list[NodeDecision]:
        """The run begins."""
        self._wanted[self._graph.start] = True
        self._queue.append(self._graph.start)
        return list(self._advance())

    def ended(self, node: str, action: str) -> list[NodeDecision]:
        """A node ended with ``action``; returns the decisions that follow, in order."""
        number = self._graph.number[node]
        self._working.remove(number)
        self._settle(number, None if self._is_ended(number) else action)
        return list(self._advance())

    def failed(self, node: str) -> tuple[FailureReach, list[NodeDecision]]:
        """A node failed without an error edge: returns the reach of the failure, and the decisions that
        follow."""
        number = self._graph.number[node]
        failure = self._spread(number)
        self._working.remove(number)
        self._settle(number, None)
        return failure, list(self._advance())

    def waits(self, node: str) -> list[NodeDecision]:
        """A node waits for a service: its successors stay undecided, nodes beside it continue."""
        self._working.remove(self._graph.number[node])
        return list(self._advance())

    def handles(self, node: str, action: str) -> bool:
        """Whether an edge leads on from ``node`` when it ends with ``action``."""
        graph = self._graph
        return any(graph.action[edge] == action for edge in graph.edges_of[graph.number[node]])

    def survives(self, node: str) -> bool:
        """Whether nodes may run after ``node`` has failed: along its error edge, or beside it in a block
        under ``continue``."""
        if self.handles(node, ERROR_ACTION):
            return True
        scope = self._graph.scope_of[self._graph.number[node]]
        while scope != NONE:
            if self._graph.scopes[scope].goes_on:
                return True
            scope = self._graph.scopes[scope].parent
        return False

    def stop(self) -> None:
        """Let nothing start any more."""
        self._ended[ROOT] = True

    def _advance(self) -> Iterator[NodeDecision]:
        names = self._graph.names
        while self._queue:
            node = self._queue.popleft()
            after = tuple(names[source] for source in self._after(node))
            if not self._wanted[node] or self._is_ended(node):
                self._settle(node, None)
                yield NodeDecision(names[node], False, after)
            elif self._graph.is_gate[node]:
                dropped = tuple(names[one] for one in self._dropped(node))
                self._settle(node, DEFAULT_ACTION)
                yield NodeDecision(names[node], False, after, dropped)
            elif self._may_visit(node):
                self._working.add(node)
                yield NodeDecision(names[node], True, after)

    def _may_visit(self, node: int) -> bool:
        if self._visits[node] >= self._most:
            self.over_limit = self._graph.names[node]
            self.stop()
            return False
        self._visits[node] += 1
        return True

    def _after(self, node: int) -> Sequence[int]:
        if node in self._back:
            return [self._back.pop(node)]
        sources, loop = self._graph.sources[node], self._pass[node]
        if loop == NONE:
            return sources
        return [source for source in sources if loop in self._graph.loops_of[source]]

    def _settle(self, node: int, action: str | None) -> None:
        """A node is at its end; None for the action makes all its edges dead."""
        graph = self._graph
        for edge in graph.edges_of[node]:
            taken = graph.action[edge] == action
            if graph.backward[edge]:
                if taken:
                    self._again[graph.round_of[edge]] = edge
            elif graph.leaves[edge] != NONE:
                self._exits[graph.leaves[edge]][edge] = taken
            else:
                self._decide(edge, taken)
        loops = graph.loops_of[node]
        for loop in loops:
            self._left[loop] -= 1
        for loop in loops:
            if self._left[loop]:
                break
            self._end_round(loop)

    def _decide(self, edge: int, taken: bool) -> None:
        target = self._graph.target[edge]
        self._open[target] -= 1
        self._wanted[target] |= taken
        if not self._open[target]:
            self._queue.append(target)

    def _end_round(self, loop: int) -> None:
        """All nodes of a loop are at their end: go round again, or follow what leaves it."""
        edge = self._again[loop]
        if edge == NONE:
            exits, self._exits[loop] = self._exits[loop], {}
            for exit_edge, taken in exits.items():
                self._decide(exit_edge, taken)
            return
        self._set_back(loop)
        header = self._graph.target[edge]
        self._back[header] = self._graph.source[edge]
        self._wanted[header] = True
        self._queue.append(header)

    def _set_back(self, loop: int) -> None:
        """Make all edges of a loop's round undecided again."""
        one = self._graph.loops[loop]
        for node in one.body:
            self._open[node] = one.entering[node]
            self._wanted[node] = False
            self._pass[node] = loop
        for inner in one.inner:
            self._left[inner] = len(self._graph.loops[inner].body)
            self._again[inner] = NONE
            self._exits[inner].clear()
        for outer in one.outer:
            self._left[outer] += len(one.body)
        for scope in one.scopes:
            self._ended[scope] = False
            self._failed[scope].clear()

    def _is_ended(self, node: int) -> bool:
        scope = self._graph.scope_of[node]
        while scope != NONE:
            if self._ended[scope]:
                return True
            scope = self._graph.scopes[scope].parent
        return False

    def _spread(self, node: int) -> FailureReach:
        """End what a failure ends, from the node's own branch outwards."""
        scopes, scope = self._graph.scopes, self._graph.scope_of[node]
        failure = FailureReach()
        while True:
            self._ended[scope] = True
            failure.scopes.append(scope)
            if scope == ROOT:
                failure.run = True
                return failure
            block = scopes[scope].parent
            self._failed[block].add(scope)
            if scopes[block].goes_on and len(self._failed[block]) < scopes[block].branches:
                return failure
            self._ended[block] = True
            failure.scopes.append(block)
            scope = scopes[block].parent

    def _dropped(self, gate: int) -> Iterator[int]:
        """The nodes of the failed branches that end at a gate."""
        block = self._graph.joins.get(gate)
        for branch in sorted(self._failed[block]) if block is not None else ():
            yield from self._graph.nodes_in(branch)
