"""The number of items of a document whose sources must be read to know it, such as files and globs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from batchmill.graph.compile.check import check
from batchmill.graph.frame import NodeFrame, RunServices
from batchmill.graph.sub_workflow import SubWorkflowRun
from batchmill.ir.inputs import check_inputs
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry
from batchmill.planning.nodes import items_told
from batchmill.step import Namespace

COUNTING_SECONDS = 5.0


def counted(
    document: str | dict[str, Any], values: Mapping[str, object], text: Mapping[str, str]
) -> list[int] | None:
    """The number of items of each batch of a document that can run with these inputs, without those of its
    sub-workflows. None if one of them is only known when it runs, or cannot be counted in
    :data:`COUNTING_SECONDS`."""
    draft, registry = load(document), default_registry()
    plan = check(draft, registry)
    known, _ = check_inputs(plan.workflow, {**values, **text}, frozenset(text))
    if plan.settings is not None:
        plan = check(draft, registry, known)
    around = NodeFrame(RunServices(SubWorkflowRun), Namespace(known))
    found = []
    for node in plan.nodes.values():
        if node.spec.batch is not None:
            told = items_told(node, node.spec.batch, around, most=sys.maxsize, seconds=COUNTING_SECONDS)
            if told["count"] is None:
                return None
            found.append(told["count"])
    return found
