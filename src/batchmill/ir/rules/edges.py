"""Edges: between known nodes, without duplicates, backward ones that lead only back, and real parallel
groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from batchmill.ir.faults import DocumentPath, Fault, did_you_mean, path_text, shown
from batchmill.ir.flow_graph import FlowGraph, crosses_blocks
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart


def edge_faults(outline: Outline) -> Iterator[Fault]:
    """Faults of edges: ends that are no nodes, duplicates, groups that name neither a fan-out nor a
    fan-in."""
    if outline.steps:
        for edge in outline.edges or ():
            yield from _jump_faults(edge, outline)
        return
    taken: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)  # targets, in order
    for edge in outline.edges or ():
        yield from _end_faults(edge, outline)
        others = taken[edge.source, edge.action]
        if edge.target in others:
            said = f"`{edge.source}` already has an edge with action `{edge.action}` to `{edge.target}`"
            yield Fault(edge.path, said, "remove one of them")
        others[edge.target] = None
    yield from _group_faults(outline.edges or ())


def _end_faults(edge: EdgePart, outline: Outline) -> Iterator[Fault]:
    if not outline.nodes:
        return  # no node could be read, which was said
    for key, end in (("from", edge.source), ("to", edge.target)):
        if end in outline.by_id and outline.by_id[end].is_final:
            message = f"{shown(end)} is in `finally`: it runs at the end, and no edge joins it"
            yield Fault((*edge.path, key), message, "remove the edge, or move the node to `nodes`")
        if end.strip() and end not in outline.by_id:
            message = f"there is no node {shown(end)}"
            yield Fault((*edge.path, key), message, did_you_mean(end, outline.by_id))


def _jump_faults(edge: EdgePart, outline: Outline) -> Iterator[Fault]:
    """Faults of the ``next`` of a step of a pipeline."""
    if not edge.written:
        return
    target, source = outline.by_id.get(edge.target), outline.by_id.get(edge.source)
    if target is None:
        message = f"there is no step {shown(edge.target)}"
        yield Fault(edge.path, message, did_you_mean(edge.target, outline.by_id))
    elif source is not None and crosses_blocks(edge, outline):
        yield Fault(edge.path, _crossing(source.row, target.row, edge), _STAY)


_STAY = "`next` leads to a step of the same branch; branches meet behind their block"


def _crossing(source: DocumentPath, target: DocumentPath, edge: EdgePart) -> str:
    if target[: len(source)] == source:
        return f"`{edge.target}` stands inside a block ({path_text(target)}), which begins as a whole"
    if source[: len(target)] == target:
        return f"`{edge.target}` stands outside the block that `{edge.source}` is in"
    return f"`{edge.target}` stands in another branch ({path_text(target)})"


def _group_faults(edges: tuple[EdgePart, ...]) -> Iterator[Fault]:
    groups: defaultdict[str, list[EdgePart]] = defaultdict(list)
    for edge in edges:
        if edge.group is not None:
            groups[edge.group].append(edge)
    for name, group in groups.items():
        path = (*group[0].path, "parallel_group")
        if len(group) == 1:
            message = f"the group `{name}` has this edge only"
            yield Fault(path, message, "a group has the edges of a fan-out or of a fan-in: two or more")
        for edge in _strangers(group):
            message = (
                f"the edges of the group `{name}` neither leave one node together nor lead to one: "
                f"this one goes from `{edge.source}` on `{edge.action}` to `{edge.target}`"
            )
            yield Fault((*edge.path, "parallel_group"), message, "give it a group of its own, or none")


def _strangers(group: list[EdgePart]) -> list[EdgePart]:
    """The edges outside both the fan-out of the group's first edge and a single fan-in."""
    first = group[0]
    if all(edge.target == first.target for edge in group):
        return []
    others = [edge for edge in group if (edge.source, edge.action) != (first.source, first.action)]
    return [edge for edge in others if edge.target != others[0].target or len(others) == 1]


def backward_faults(graph: FlowGraph) -> Iterator[Fault]:
    """Edges that close a cycle but are not marked as backward, and backward ones whose action also leads
    elsewhere."""
    for edge in graph.backward:
        beside = [one for one in graph.leaving[edge.source] if one.action == edge.action and one is not edge]
        if beside and edge.written:
            message = f"leads back on `{edge.action}`, which leads on to `{beside[0].target}` too"
            hint = "a loop goes round as a whole: give the way back an action of its own"
            yield Fault(edge.path, message, hint)
        if not edge.written:
            message = f"closes a cycle: `{edge.target}` comes before `{edge.source}` already"
            hint = 'name the action it is taken on, such as `"action": "again"`, or remove it'
            yield Fault(edge.path, message, hint)
