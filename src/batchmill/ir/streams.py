"""Streaming stages: batch nodes that take their items from one another while all of them run.

A batch node with ``stream`` and the batch node whose results it takes are stages of one chain. A chain begins
with a batch node that does not stream and continues along the edges through nodes that do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchmill.errors import TemplateSyntaxError
from batchmill.ir.flow_graph import edges_in_force
from batchmill.ir.models import BatchSpec
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart, NodePart
from batchmill.template import Expression, Path, parse

STREAMED = ("results", "succeeded")
"""The outputs of a batch node that another one can take as they are made."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A batch node of a chain. ``source`` is the stage its items come from, None for the first one, and
    ``succeeded`` says that failed items are left out. ``before`` are the stages on the way to it, beginning
    with the first one of the chain."""

    id: str
    source: str | None = None
    succeeded: bool = False
    before: tuple[str, ...] = ()


def streamed_items(batch: BatchSpec) -> tuple[str, str] | None:
    """The node and the output that the items are written to come from; None if they are anything but
    ``${node.results}`` or ``${node.succeeded}``."""
    if not isinstance(batch.items, str):
        return None
    try:
        parts = parse(batch.items).parts
    except TemplateSyntaxError:
        return None
    if len(parts) != 1 or not isinstance(parts[0], Expression):
        return None
    expression = parts[0]
    if expression.filters or len(expression.alternatives) != 1:
        return None
    path = expression.alternatives[0]
    if not isinstance(path, Path) or len(path.segments) != 1 or path.segments[0] not in STREAMED:
        return None
    return path.root, str(path.segments[0])


def streaming(node: NodePart) -> BatchSpec | None:
    """The batch block of a node that streams, None of one that does not."""
    batch = node.spec.batch if node.spec is not None else None
    return batch if batch is not None and batch.stream else None


def edges_to(outline: Outline) -> Mapping[str, list[EdgePart]]:
    """The edges in force by the node they lead to."""
    found: defaultdict[str, list[EdgePart]] = defaultdict(list)
    for edge in edges_in_force(outline):
        found[edge.target].append(edge)
    return found


def way_back(node: NodePart, outline: Outline, incoming: Mapping[str, list[EdgePart]]) -> Iterator[NodePart]:
    """The nodes before a streaming one, back to the first of its chain, as far as there is one way only."""
    seen = {node.id}
    while streaming(node):
        before = _before(node.id, outline, incoming)
        if before is None or before.id in seen:
            return
        seen.add(before.id)
        yield before
        node = before


def _before(name: str, outline: Outline, incoming: Mapping[str, list[EdgePart]]) -> NodePart | None:
    """The node that the one way to a node comes from, through gates; None if there are several ways."""
    while len(edges := incoming.get(name, [])) == 1:
        name = edges[0].source
        if name not in outline.gates:
            return outline.by_id.get(name)
    return None


def still_running(outline: Outline) -> dict[str, frozenset[str]]:
    """For each streaming node the stages before it, which have no outputs when it begins."""
    incoming = edges_to(outline)
    return {
        node.id: frozenset(part.id for part in way_back(node, outline, incoming))
        for node in filter(streaming, outline.nodes)
    }


def chains(outline: Outline) -> dict[str, tuple[Stage, ...]]:
    """The chains of a document without faults, by the id of their first node; each stage comes after those on
    the way to it."""
    incoming = edges_to(outline)
    found: defaultdict[str, list[Stage]] = defaultdict(list)
    for node in outline.nodes:
        batch = streaming(node)
        streamed = None if batch is None else streamed_items(batch)
        if streamed is not None:
            before = tuple(part.id for part in way_back(node, outline, incoming))[::-1]
            found[before[0]].append(Stage(node.id, streamed[0], streamed[1] == "succeeded", before))
    return {head: (Stage(head), *sorted(found[head], key=_depth)) for head in found}


def _depth(stage: Stage) -> int:
    return len(stage.before)
