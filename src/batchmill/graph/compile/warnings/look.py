"""All warnings of a document, after the check for faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.graph.compile.warnings.branches import branch_doubts
from batchmill.graph.compile.warnings.dead import dead_doubts
from batchmill.graph.compile.warnings.settings import setting_doubts
from batchmill.graph.compile.warnings.texts import number_doubts, text_doubts
from batchmill.graph.compile.warnings.ways import Ways
from batchmill.ir.faults import Doubt
from batchmill.ir.references import Site
from batchmill.ir.validate import Validation
from batchmill.ir.yaml_text import OddNumber
from batchmill.nodes import Node


@dataclass(frozen=True, slots=True)
class Looked:
    """The checked parts of a document: ``types`` and ``subs`` by node id, ``sites`` all readable templates,
    ``numbers`` those of YAML that may be meant as text. ``ways`` is None if nodes or edges have faults, so
    the order is unknown."""

    validation: Validation
    types: Mapping[str, type[Node]]
    subs: Mapping[str, SubPlan]
    sites: tuple[Site, ...]
    numbers: tuple[OddNumber, ...] = ()
    ways: Ways | None = None


def doubts_of(looked: Looked) -> Iterator[Doubt]:
    """Every doubt."""
    outline, types = looked.validation.outline, looked.types
    if looked.ways is not None:
        yield from dead_doubts(outline, looked.ways)
        yield from branch_doubts(looked.sites, looked.validation.references, looked.ways, types)
    for node in outline.all_nodes:
        yield from setting_doubts(node, types.get(node.id), looked.subs.get(node.id))
        if node.id in types:
            yield from text_doubts(node, types[node.id], outline)
    yield from number_doubts(looked.numbers, outline, types)
