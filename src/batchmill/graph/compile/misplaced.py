"""Params written beside ``params`` in a node: one fault each, with the line to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from batchmill.ir.faults import DocumentPath, Fault
from batchmill.ir.models import NodeSpec, PipelineNode
from batchmill.ir.models.slips import as_written
from batchmill.ir.parts import NodePart
from batchmill.nodes import Node

_NODE_KEYS = {
    info.alias or name for model in (NodeSpec, PipelineNode) for name, info in model.model_fields.items()
}


Beside = Mapping[str, Mapping[str, Any]]
"""Params that are written beside ``params``, with their values, by the id of their node."""


def params_beside(nodes: Iterable[NodePart], types: Mapping[str, type[Node]], raw: Any) -> Beside:
    """The keys of nodes that are params of their type, of the document ``raw``."""
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        written = raw
        for step in node.path:
            written = written[step]
        names = {param.name for param in types[node.id].params} if node.id in types else set()
        misplaced = (names - _NODE_KEYS) & written.keys() - node.params.keys()
        if misplaced:
            found[node.id] = {name: written[name] for name in written if name in misplaced}
    return found


def with_lines_to_write(faults: Iterable[Fault], nodes: Iterable[NodePart], beside: Beside) -> list[Fault]:
    """``faults`` with the line to write for each such key, which they call unknown."""
    lines: dict[DocumentPath, str] = {}
    for node in nodes:
        for name, value in beside.get(node.id, {}).items():
            line = f'"params": {{{as_written(name)}: {as_written(value)}}}'
            lines[(*node.path, name)] = f"write it in `params`: `{line}`"
    return [replace(one, hint=lines[one.path]) if one.on_key and one.path in lines else one for one in faults]
