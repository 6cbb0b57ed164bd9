"""Edges: between known nodes, one for each action of a node, and none that goes back unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchmill.ir.faults import DocumentPath, Fault, did_you_mean, shown
from batchmill.ir.flow_graph import FlowGraph
from batchmill.ir.outline import EdgePart, Outline


def edge_faults(outline: Outline, raw_edges: Any) -> Iterator[Fault]:
    """Ends that are no nodes, edges said twice, and what needs a later version."""
    taken: dict[tuple[str, str], EdgePart] = {}
    for edge in outline.edges or ():
        yield from _end_faults(edge, outline)
        first = taken.setdefault((edge.source, edge.action), edge)
        if first is not edge:
            yield _second_edge(edge, first)
    for index, edge in enumerate(raw_edges if isinstance(raw_edges, list) else []):
        if isinstance(edge, dict) and edge.get("parallel_group") is not None:
            message = "`parallel_group` is not available in this version"
            yield Fault(("edges", index, "parallel_group"), message, "join the branches one after another")


def _path(edge: EdgePart) -> DocumentPath:
    return ("edges", edge.index or 0)


def _end_faults(edge: EdgePart, outline: Outline) -> Iterator[Fault]:
    if not outline.nodes:
        return  # no node could be read, which was said
    for key, end in (("from", edge.source), ("to", edge.target)):
        if end.strip() and end not in outline.by_id:
            message = f"there is no node {shown(end)}"
            yield Fault((*_path(edge), key), message, did_you_mean(end, outline.by_id))


def _second_edge(edge: EdgePart, first: EdgePart) -> Fault:
    said = f"`{edge.source}` already has an edge with action `{edge.action}`"
    if edge.target == first.target:
        return Fault(_path(edge), f"{said} to `{edge.target}`", "remove one of them")
    if edge.action == "default":
        message = f"{said}; a fan-out to several nodes is not available in this version"
        return Fault(_path(edge), message, "run the nodes one after another")
    return Fault(_path(edge), f"{said}, to `{first.target}`", "give each edge an action of its own")


def backward_faults(graph: FlowGraph) -> Iterator[Fault]:
    """Edges that close a cycle without saying so."""
    for edge in graph.backward:
        if not edge.written:
            message = f"closes a cycle: `{edge.target}` comes before `{edge.source}` already"
            hint = 'name the action it is taken on, such as `"action": "again"`, or remove it'
            yield Fault(_path(edge), message, hint)
