"""Fan-out and fan-in: several nodes after one, and one after several.

Branches that begin together run at the same time. A node that several of them can reach is a join: a branch
that arrives there waits, and the node runs once, when every branch has arrived, ended, or turned elsewhere.

:func:`walk`, a generator that runs nothing itself, decides which nodes run next, so threads and event loops
share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from batchmill.errors import InvalidSetting


class Branches(list[Any]):
    """Nodes that follow one together. ``>>`` has what comes next follow each of them."""

    def __init__(self, nodes: Iterable[object] = ()) -> None:
        super().__init__(nodes)
        strange = [one for one in self if not isinstance(getattr(one, "successors", None), dict)]
        if strange or not self:
            found = repr(strange[0]) if strange else "an empty one"
            raise InvalidSetting(f"a list of parallel nodes must hold nodes, not {found}")

    def next(self, node: object, action: str = "default") -> Any:
        """Have ``node`` follow each of these where its action is ``action``."""
        following = Branches(node) if isinstance(node, (list, tuple)) else node
        for one in self:
            one.next(following, action)
        return following

    def __rshift__(self, other: object) -> Any:
        return self.next(other)


class Steps(Protocol):
    """Knows the successors of a node."""

    def get_next_node(self, curr: object, action: str | None) -> Any:
        """The node after ``curr``, or several; None at the end."""


@dataclass(slots=True)
class NodeVisit:
    """A node to be run; ``node`` is the one of the program, of which a visit has a copy."""

    node: Any


@dataclass(slots=True)
class Together:
    """Walks to make at the same time, each to its end; the answer are their results, in order."""

    walks: list[Walk]


@dataclass(slots=True)
class Ends:
    """Where the branches of a walk have ended last: the actions and results of their last nodes."""

    actions: list[Any] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)

    @property
    def action(self) -> Any:
        """The last action; of several branches theirs where it is the same one."""
        first = self.actions[0] if self.actions else None
        return first if all(one == first for one in self.actions) else None

    @property
    def result(self) -> Any:
        """The result of ``exec`` of the last node; for several branches a list."""
        return self.results[0] if len(self.results) == 1 else self.results or None


Walked = tuple[list[Any], Ends]
Walk = Generator[NodeVisit | Together, Any, Walked]


def walk(steps: Steps, frontier: Sequence[object], stops: frozenset[int] = frozenset()) -> Walk:
    """Continue from the nodes in ``frontier`` up to those whose ids are in ``stops``; these are returned.

    The answer to a :class:`NodeVisit` is the copy that was run, its action and its result; the answer to a
    :class:`Together` are the results of its walks.
    """
    ends = Ends()
    while True:
        frontier = _distinct(frontier)
        waiting = [one for one in frontier if id(one) in stops]
        active = [one for one in frontier if id(one) not in stops]
        if not active:
            return waiting, ends
        joins = _reached_twice(active) if len(active) > 1 else frozenset()
        free = [one for one in active if id(one) not in joins] if len(active) > 1 else []
        if not free:  # one node, or nodes that lead to one another in a circle: one at a time
            ran, action, result = yield NodeVisit(active[0])
            following = _listed(steps.get_next_node(ran, action))
            if not following:
                ends = Ends([action], [result])
            frontier = [*waiting, *active[1:], *following]
            continue
        held = [one for one in active if id(one) in joins]
        walked = yield Together([walk(steps, [one], stops | joins) for one in free])
        ended = [one for _, one in walked if one.actions]
        if ended:
            actions = [action for one in ended for action in one.actions]
            ends = Ends(actions, [result for one in ended for result in one.results])
        frontier = [*waiting, *held, *(node for arrived, _ in walked for node in arrived)]


def starts(node: object) -> list[Any]:
    """Where a flow begins: at a node, at several, at none."""
    return _listed(Branches(node) if isinstance(node, (list, tuple)) else node)


def _listed(following: object) -> list[Any]:
    if following is None:
        return []
    return list(following) if isinstance(following, Branches) else [following]


def _distinct(nodes: Iterable[object]) -> list[Any]:
    return list({id(one): one for one in nodes}.values())


def _reached_twice(starts: Iterable[object]) -> frozenset[int]:
    """The ids of nodes that can be reached from more than one of ``starts``, themselves included."""
    counted = Counter(one for start in starts for one in _reachable(start))
    return frozenset(one for one, times in counted.items() if times > 1)


def _reachable(start: object) -> set[int]:
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        for following in getattr(node, "successors", {}).values():
            waiting.extend(_listed(following))
    return seen
