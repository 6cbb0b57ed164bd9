"""A part of a plan, as a plan of its own: one node, its dependencies, or its successors.

Edges that lead in or out of the part are dropped; a loop is kept whole or dropped. The results of the nodes
before it are not part of the plan: see :mod:`batchmill.runs.recalled`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from batchmill.errors import InvalidSetting
from batchmill.graph.compile.plan import Plan
from batchmill.ir.faults import all_of, did_you_mean
from batchmill.ir.reaching import reached


@dataclass(frozen=True, slots=True)
class Part:
    """Selects the nodes to run: ``only`` this one; ``start`` and all that follow from it; ``until`` and all
    that it needs; or with both, all between them. Raises :class:`~batchmill.errors.InvalidSetting`."""

    only: str | None = None
    start: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        if self.only is not None and (self.start or self.until):
            raise InvalidSetting("`only` runs one node: leave out `from` and `until`")

    @classmethod
    def of(cls, only: str | None, from_: str | None, until: str | None) -> Part | None:
        """The part; None for all there is."""
        return None if only is from_ is until is None else cls(only, from_, until)

    @classmethod
    def kept(cls, written: object) -> Part | None:
        """The part that :meth:`as_json` wrote; None for any other value."""
        if not isinstance(written, Mapping):
            return None
        named = [written.get(key) for key in ("only", "from", "until")]
        return cls.of(*(name if isinstance(name, str) else None for name in named))

    def as_json(self) -> dict[str, str]:
        """As plain data."""
        named = {"only": self.only, "from": self.start, "until": self.until}
        return {key: name for key, name in named.items() if name is not None}

    def words(self) -> str:
        """As options of a command."""
        return " ".join(f"--{key} {name}" for key, name in self.as_json().items())


def part_of(plan: Plan, part: Part) -> Plan:
    """The plan of a part. Raises :class:`~batchmill.errors.InvalidSetting` for a missing node, and for two
    that no edge joins."""
    for name in part.as_json().values():
        _check(plan, name)
    start, names = _chosen(plan, part)
    loops = tuple(loop for loop in plan.loops if names.issuperset(loop.body) and part.only is None)
    headers = {loop.header for loop in loops}
    edges = tuple(
        edge
        for edge in plan.edges
        if edge.source in names and edge.target in names and (not edge.backward or edge.target in headers)
    )
    stages = {
        first: tuple(stage for stage in chain if stage.id in names)
        for first, chain in plan.stages.items()
        if first in names
    }
    finals = () if part.only is not None else plan.finals
    return replace(
        plan,
        nodes={name: node for name, node in plan.nodes.items() if name in names or name in finals},
        start=start,
        edges=edges,
        order=tuple(name for name in plan.order if name in names) or (start,),
        loops=loops,
        gates=plan.gates & names,
        stages={first: chain for first, chain in stages.items() if len(chain) > 1},
        finals=finals,
        whole=plan,
    )


def before(part: Plan) -> list[str]:
    """The nodes of the whole plan that lie before the part, in order."""
    if part.whole is None:
        return []
    found = _all(_neighbours(part.whole, forward=False), part.order)
    return [name for name in part.whole.order if name in found and name not in part.order]


def _check(plan: Plan, name: str) -> None:
    if name in plan.finals:
        raise InvalidSetting(f"the node `{name}` is in `finally`, which is not part of the graph")
    if name not in plan.nodes:
        hint = did_you_mean(name, plan.nodes) or f"there are {all_of(list(plan.nodes)[:10])}"
        raise InvalidSetting(f"there is no node `{name}`; {hint}")
    if name not in plan.order:
        raise InvalidSetting(f"no edge leads to the node `{name}`, so it never runs")


def _chosen(plan: Plan, part: Part) -> tuple[str, frozenset[str]]:
    """Where the part begins, and the nodes and gates that belong to it."""
    if part.only is not None:
        return part.only, frozenset({part.only})
    start, names = plan.start, frozenset(plan.order)
    if part.start is not None:
        # From within a loop it goes round as a whole.
        start = next((loop.header for loop in plan.loops if part.start in loop.body), part.start)
        names = _all(_neighbours(plan, forward=True), [start])
    if part.until is not None:
        names &= _needed(plan, part.until)
    if start not in names:
        raise InvalidSetting(f"no path leads from `{part.start}` to `{part.until}`")
    return start, names


def _needed(plan: Plan, name: str) -> frozenset[str]:
    """The nodes that a node needs, with itself and the loops it is in."""
    backwards, wanted = _neighbours(plan, forward=False), frozenset({name})
    while True:
        found = _all(backwards, wanted)
        found |= {one for loop in plan.loops if found.intersection(loop.body) for one in loop.body}
        if found == wanted:
            return found
        wanted = found


def _neighbours(plan: Plan, *, forward: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for edge in plan.edges:
        if not edge.backward:
            source, target = (edge.source, edge.target) if forward else (edge.target, edge.source)
            found.setdefault(source, []).append(target)
    return found


def _all(neighbours: Mapping[str, list[str]], names: Iterable[str]) -> frozenset[str]:
    """The names, and all that they lead to."""
    return frozenset(reached(names, lambda name: neighbours.get(name, ())))
