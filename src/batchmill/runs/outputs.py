"""The outputs of a run as plain data."""

from __future__ import annotations

from typing import Any

from batchmill.graph.schedule.outputs import fail_output, resolved_outputs
from batchmill.graph.schedule.run_report import RunReport
from batchmill.ir.models.workflow import Workflow
from batchmill.lists import LazyList, holds_lazy
from batchmill.step import Namespace
from batchmill.values import NotPlain, all_plain, copied, plain
from batchmill.warned import Warnings


def outputs_of(
    workflow: Workflow, namespace: Namespace, walk: RunReport, warnings: Warnings
) -> dict[str, Any]:
    """The outputs as plain data. One that cannot be resolved or shown is left out and fails the run; of a
    run that has failed already it is left out without a word."""
    failed_before = walk.status == "failed"
    outputs: dict[str, Any] = {}
    for name, value in resolved_outputs(workflow, namespace, walk, warnings).items():
        if all_plain((value,)):
            outputs[name] = copied(value)
            continue
        try:
            shown = plain(value, f"output {name!r}")
            if holds_lazy(shown):
                _read_through(shown)
            outputs[name] = shown
        except NotPlain as fault:
            if not failed_before:
                fail_output(walk, name, fault)
    return outputs


def _read_through(value: object) -> None:
    """Read every element of lazy lists now. Raises :class:`NotPlain`: while the outputs are printed it would
    be too late."""
    if isinstance(value, LazyList):
        for _ in () if value.plain else value:
            pass
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            _read_through(one)
