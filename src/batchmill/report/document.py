"""Facts about the nodes of a run that its document gives: their types and the edges between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from batchmill.errors import InvalidDocument
from batchmill.ir.flow_graph import edges_in_force
from batchmill.ir.loading import load
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart
from batchmill.ir.streams import streamed_items, streaming
from batchmill.ir.validate import validate
from batchmill.report.parts import ReportEdge


def read(document: Any) -> Outline:
    """The outline of a document as a journal has it; empty for one that is not understood, as one of another
    version may be."""
    if not isinstance(document, Mapping):
        return Outline()
    try:
        return validate(load(dict(document))).outline
    except InvalidDocument:
        return Outline()


def edges_of(outline: Outline) -> list[ReportEdge]:
    """The edges in force. The gates that blocks of a pipeline begin and end with are passed through."""
    streams = set(_streams(outline))
    leaving: defaultdict[str, list[EdgePart]] = defaultdict(list)
    for edge in edges_in_force(outline):
        leaving[edge.source].append(edge)
    found = {
        (source, target, action): ReportEdge(source, target, action, (source, target) in streams)
        for source in outline.by_id
        if source not in outline.gates
        for target, action in _leads_to(source, leaving, outline.gates)
    }
    return list(found.values())


def adaptive_of(outline: Outline) -> dict[str, tuple[str, int]]:
    """The nodes with an adaptive concurrency: the name of the limit, and its first value."""
    found = {}
    for node in outline.all_nodes:
        batch = None if node.spec is None else node.spec.batch
        span = None if batch is None else batch.span
        if node.spec is not None and batch is not None and span is not None:
            limit = node.spec.rate_limit or batch.rate_limit
            named = None if limit is None else limit.key
            found[node.id] = (named or f"node {node.id}", span.start)
    return found


def _streams(outline: Outline) -> Iterator[tuple[str, str]]:
    for node in outline.nodes:
        batch = streaming(node)
        source = None if batch is None else streamed_items(batch)
        if source is not None:
            yield source[0], node.id


def _leads_to(
    source: str, leaving: Mapping[str, list[EdgePart]], gates: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """The nodes that come after ``source``, and the action that leads there."""
    waiting = [(edge.target, edge.action) for edge in leaving.get(source, ())]
    seen = set()
    while waiting:
        target, action = waiting.pop(0)
        if target in gates and target not in seen:
            seen.add(target)
            waiting += [(edge.target, action) for edge in leaving.get(target, ())]
        elif target not in gates:
            yield target, action
