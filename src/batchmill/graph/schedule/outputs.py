"""The outputs of a run or of a sub-workflow: the declared ones, or those of its last node."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from batchmill.errors import TemplateError, WrongOutput
from batchmill.graph.node_run import left_as_written
from batchmill.graph.schedule.run_report import RunReport
from batchmill.ir.faults import path_text
from batchmill.ir.json_types import is_type, type_words
from batchmill.ir.models.workflow import OutputSpec, Workflow
from batchmill.outcome import ErrorInfo
from batchmill.step import Namespace
from batchmill.template import compile_value
from batchmill.values import NotJson, container_in
from batchmill.values.plain_data import nearest
from batchmill.values.words import kind_of
from batchmill.warned import Warnings

SUCCEEDED = "succeeded"  # a batch node's second list of the same entries: given only where it is asked for


def resolved_outputs(
    workflow: Workflow, namespace: Namespace, walk: RunReport, warnings: Warnings
) -> dict[str, object]:
    """The outputs, resolved from the outputs of the nodes.

    An output without a ``source`` is the node or the input of its name. If the document declares no outputs,
    they are those of the last node that ran, even if it failed. An output that cannot be resolved is left out
    and fails the walk. It is left out silently if the walk has already failed, or if it belongs to a node
    outside the part that was run. One left unresolved in permissive mode degrades the walk, with a warning.
    """
    if not workflow.outputs:
        return _last_outputs(namespace, walk)
    failed_before = walk.status == "failed"
    outputs: dict[str, Any] = {}
    for name, spec in workflow.outputs.items():
        try:
            outputs[name] = _value(spec, name, namespace, walk, warnings)
        except (TemplateError, WrongOutput) as fault:
            if not (failed_before or _is_left_out(spec, name, namespace)):
                fail_output(walk, name, fault)
    return outputs


def _is_left_out(spec: OutputSpec, name: str, namespace: Namespace) -> bool:
    """Whether an output belongs to a node outside the part that was run."""
    roots = {path.root for path in _compiled(spec.template(name)).references}
    return any(root in namespace.left_out and namespace.entry(root) is None for root in roots)


def fail_output(walk: RunReport, name: str, fault: Exception) -> None:
    """Fail the walk because the output ``name`` cannot be given."""
    walk.fail(None, ErrorInfo(type(fault).__name__, f"output {name!r}: {fault}", retryable=False))


_compiled = lru_cache(maxsize=256)(compile_value)  # a sub-workflow resolves the same ones for every item


def typed(value: object, spec: OutputSpec) -> object:
    """``value`` converted to its declared type: only for a list or an object, text is read as JSON.

    Raises :class:`~batchmill.errors.WrongOutput`, without the value, which may be secret.
    """
    if spec.json_type == "any":
        return value
    wanted = type_words(spec.json_type)
    if isinstance(value, str) and spec.json_type in ("array", "object"):
        try:
            read = container_in(value)
        except NotJson as fault:
            raise WrongOutput(f"must be {wanted}, and its text is no JSON: {fault}") from fault
        value = value if read is None else read
    form = nearest(value)
    if isinstance(form, float) and not math.isfinite(form):
        raise WrongOutput(f"must be {wanted}, not {form}, which JSON does not have")
    if not is_type(form, spec.json_type):
        raise WrongOutput(f"must be {wanted}, not {_kind(form)}")
    return value


def _kind(form: object) -> str:
    if isinstance(form, float):
        return "a number with a fraction"
    return kind_of(form)


def _last_outputs(namespace: Namespace, walk: RunReport) -> dict[str, object]:
    last: dict[str, Any] = namespace.values[walk.last] if walk.last is not None else {}
    twice = SUCCEEDED if "batch_metadata" in last else None
    return {name: value for name, value in last.items() if name != twice}


def _value(spec: OutputSpec, name: str, namespace: Namespace, walk: RunReport, warnings: Warnings) -> object:
    scope = namespace.scope(lazy=True)
    value = _compiled(spec.template(name)).resolve(scope)
    if scope.unresolved:
        walk.degrade()
        for reference in dict.fromkeys(scope.unresolved):
            warnings.add(left_as_written(reference, path_text(("outputs", name))))
        return value
    return typed(value, spec)
