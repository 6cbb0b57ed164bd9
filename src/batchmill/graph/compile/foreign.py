"""Values that a node gets from data: from items that are read, and from outputs of other nodes.

Values in a document, or in the inputs of a run, come from people who may decide which servers the run calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batchmill.graph.compile.node import PlannedNode
from batchmill.ir.models import BatchSpec
from batchmill.step.step import INPUTS_PARAM
from batchmill.template import Path, compile_value
from batchmill.template.presence import may_hold_templates

IsForeign = Callable[[Path], bool]


def items_are_named(spec: BatchSpec, is_foreign: IsForeign) -> bool:
    """Whether all items are written in the document or in its inputs."""
    kind, value = spec.items_kind, spec.items_value
    if kind == "list" and not may_hold_templates(value):
        return True
    sides = list(value.values()) if kind in ("product", "zip") else [value]
    if kind not in ("list", "reference", "product", "zip") or not all(map(_is_written, sides)):
        return False
    return not any(map(is_foreign, compile_value(sides).references))


def _is_written(side: object) -> bool:
    return isinstance(side, (str, list))


def foreign_inputs(node: PlannedNode, is_foreign: IsForeign) -> frozenset[str]:
    """The inputs of the sub-workflow of ``node`` that data has a part in."""
    batch = node.spec.batch
    given = node.params.reaching(INPUTS_PARAM)
    named = batch is None or items_are_named(batch, is_foreign)

    def foreign(path: Path) -> bool:
        if batch is not None and path.root == batch.as_:
            return not named
        return is_foreign(path)

    found = {key for key, paths in given.items() if any(map(foreign, paths))}
    if None in found:  # all of them come from one place
        return frozenset(node.sub.plan.inputs if node.sub is not None else ())
    return frozenset([*found, *_carried(node)])


def _carried(node: PlannedNode) -> Iterator[str]:
    """Inputs that a loop carries over from the outputs of the previous round."""
    if node.spec.loop is not None:
        yield from node.spec.loop.carry
