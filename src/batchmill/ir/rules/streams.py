"""Streaming stages: each takes its items from a stage before it on the one way that leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchmill.ir.faults import Fault, shown
from batchmill.ir.flow_graph import FlowGraph
from batchmill.ir.models import BatchSpec
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart, NodePart
from batchmill.ir.streams import edges_to, streamed_items, streaming, way_back

_REMOVE = "or remove `stream`"


def stream_faults(outline: Outline, graph: FlowGraph) -> Iterator[Fault]:
    """The reasons why nodes with ``stream`` cannot take their items as they are made, at most one for each
    node."""
    incoming = edges_to(outline)
    for node in outline.nodes:
        batch = streaming(node)
        said = None if batch is None else _said(node, batch, outline, graph, incoming)
        if said is not None:
            yield Fault((*node.path, "batch", "stream"), *said)


def _said(
    node: NodePart,
    batch: BatchSpec,
    outline: Outline,
    graph: FlowGraph,
    incoming: Mapping[str, list[EdgePart]],
) -> tuple[str, str] | None:
    """The words of the fault and the hint."""
    streamed = streamed_items(batch)
    if streamed is None:
        message = "`stream` needs items that are `${node.results}` or `${node.succeeded}` of a batch node"
        return message, f"name the results of the batch node before this one, {_REMOVE}"
    source = outline.by_id.get(streamed[0])
    if source is None:
        return None  # which is said of the reference
    if not source.has_batch:
        return f"`{source.id}` is not a batch node, so it has no results to stream", "give it a `batch` block"
    return _entry_said(node, graph, incoming) or _way_said(node, source, outline, incoming)


def _entry_said(
    node: NodePart, graph: FlowGraph, incoming: Mapping[str, list[EdgePart]]
) -> tuple[str, str] | None:
    """A stage is entered by one edge only, taken whenever the stage before it has not failed."""
    edges = incoming.get(node.id, [])
    if graph.start == node.id:
        return "the run begins with this node, so nothing can stream into it", "change `start_node`"
    if not edges:
        return "no edge leads to this node, so nothing can stream into it", f"add one, {_REMOVE}"
    if len(edges) > 1:
        ways = ", ".join(f"`{edge.source}`" for edge in edges)
        return f"several edges lead to this node (from {ways}), and a stage has one", f"join them, {_REMOVE}"
    if edges[0].action != "default":
        message = (
            f"the edge from `{edges[0].source}` has the action {shown(edges[0].action)}; whether it is taken"
        )
        return f"{message} is not known before that node has finished", f"make it a default edge, {_REMOVE}"
    return None


def _way_said(
    node: NodePart, source: NodePart, outline: Outline, incoming: Mapping[str, list[EdgePart]]
) -> tuple[str, str] | None:
    """On the way back from a stage to where its items come from all nodes are stages too."""
    if node.id == source.id:
        return "the node cannot take items from itself", "name the batch node before this one"
    last = node
    for last in way_back(node, outline, incoming):
        if last.id == source.id:
            return None
    if last is node:
        message = "no one node comes right before this one, so nothing can stream into it"
        return message, f"let one batch node stand before it, {_REMOVE}"
    if streaming(last):
        return None  # the way ends at a stage that has a fault of its own
    message = f"`{last.id}` comes between `{source.id}` and this node and does not stream"
    if not _leads(source, last, outline, incoming):
        message = f"`{source.id}` is not before this node on the chain of stages that leads to it"
    return message, f"let this node follow `{source.id}` directly or through streaming nodes, {_REMOVE}"


def _leads(
    source: NodePart, node: NodePart, outline: Outline, incoming: Mapping[str, list[EdgePart]]
) -> bool:
    """Whether a way leads from ``source`` to ``node``."""
    seen: set[str] = set()
    ahead = [node.id]
    while ahead:
        here = ahead.pop()
        if here == source.id:
            return True
        if here not in seen:
            seen.add(here)
            ahead += [edge.source for edge in incoming.get(here, [])]
    return False
