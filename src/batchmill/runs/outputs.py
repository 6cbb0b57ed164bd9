"""The outputs of a run: those the document declares, or what its last node gave."""

from __future__ import annotations

from typing import Any

from batchmill.errors import TemplateError
from batchmill.graph.scheduler import Walk
from batchmill.ir.models.workflow import Workflow
from batchmill.outcome import ErrorInfo
from batchmill.plain import NotPlain, plain
from batchmill.step import Namespace
from batchmill.template import compile_value

SUCCEEDED = "succeeded"  # a batch node's second list of the same entries: shown only where it is asked for


def outputs_of(workflow: Workflow, namespace: Namespace, walk: Walk) -> dict[str, Any]:
    """The outputs as plain data.

    An output without a ``source`` is the node or the input of its name. Where the document declares no
    outputs they are those of the node that ran last, whatever became of it. One that cannot be resolved
    or shown is left out and fails the run; of a run that has failed already it is left out without a
    word. One left unresolved in permissive mode degrades the run.
    """
    failed_before = walk.status == "failed"
    outputs: dict[str, Any] = {}
    for name, source in _sources(workflow, namespace, walk).items():
        try:
            outputs[name] = plain(_value(source, namespace, walk), f"output {name!r}")
        except (TemplateError, NotPlain) as fault:
            if not failed_before:
                words = f"output {name!r}: {fault}"
                walk.fail(None, ErrorInfo(type(fault).__name__, words, retryable=False))
    return outputs


class _Given:
    """A value that is there already and holds no templates."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _sources(workflow: Workflow, namespace: Namespace, walk: Walk) -> dict[str, Any]:
    if workflow.outputs:
        return {
            name: spec.source if spec.source is not None else f"${{{name}}}"
            for name, spec in workflow.outputs.items()
        }
    last: dict[str, Any] = namespace.values[walk.last] if walk.last is not None else {}
    twice = SUCCEEDED if "batch_metadata" in last else None
    return {name: _Given(value) for name, value in last.items() if name != twice}


def _value(source: Any, namespace: Namespace, walk: Walk) -> Any:
    if isinstance(source, _Given):
        return source.value
    scope = namespace.scope(lazy=True)
    value = compile_value(source).resolve(scope)
    if scope.unresolved:
        walk.degrade()
    return value
