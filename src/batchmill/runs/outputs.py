"""The outputs of a run as plain data."""

from __future__ import annotations

from typing import Any

from batchmill.graph.ending import fail_output, resolved_outputs
from batchmill.graph.walk import Walk
from batchmill.ir.models.workflow import Workflow
from batchmill.plain import NotPlain, plain
from batchmill.step import Namespace


def outputs_of(workflow: Workflow, namespace: Namespace, walk: Walk) -> dict[str, Any]:
    """The outputs as plain data. One that cannot be resolved or shown is left out and fails the run; of a
    run that has failed already it is left out without a word."""
    failed_before = walk.status == "failed"
    outputs: dict[str, Any] = {}
    for name, value in resolved_outputs(workflow, namespace, walk).items():
        try:
            outputs[name] = plain(value, f"output {name!r}")
        except NotPlain as fault:
            if not failed_before:
                fail_output(walk, name, fault)
    return outputs
