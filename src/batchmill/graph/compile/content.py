"""The content of a sub-workflow as text: everything that can change its outputs, and only that.

Timeouts, retries, limits, keys, addresses and descriptions are not part of it, so saved outcomes stay valid
when you edit them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchmill.graph.compile.helpers import helpers_of
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.user_code import code_of
from batchmill.ir.pipeline import PipelineStep
from batchmill.journal.encoding import encode_shown

_NODE_SETTINGS = frozenset({"purpose", "timeout", "retry", "rate_limit", "budget", "cache", "params"})
_BATCH_SETTINGS = frozenset(
    {
        "parallel",
        "executor",
        "max_concurrent",
        "chunk_size",
        "max_retries",
        "retry_wait",
        "retry_backoff",
        "retry_max_wait",
        "retry_jitter",
        "refused_for",
        "timeout",
        "rate_limit",
        "memory_limit",
        "stream",
    }
)
_DOCUMENT_SETTINGS = frozenset(
    {"ir_version", "defaults", "finally", "budget", "prices", "mcp_servers", "nodes", "pipeline"}
)
_WORDS = frozenset({"description"})


def content_of(plan: Plan) -> str:
    """The content of a plan and of those inside it, each once."""
    return "\n".join(_contents(plan, set()))


def _contents(plan: Plan, seen: set[int]) -> Iterator[str]:
    if id(plan) in seen:
        return
    seen.add(id(plan))
    document = _dumped(plan.workflow, _DOCUMENT_SETTINGS)
    for part in ("inputs", "outputs"):
        specs: Mapping[str, Any] = document.get(part, {})
        document[part] = {name: _without(spec, _WORDS) for name, spec in specs.items()}
    document["edges"] = [[edge.source, edge.action, edge.target] for edge in plan.edges]
    document["start_node"] = plan.start
    document |= {"finally": list(plan.finals)} if plan.finals else {}
    document["steps"] = [_step(step) for step in plan.steps]
    if plan.settings is not None:
        document["settings"] = list(plan.settings.templates.values())
    yield encode_shown(document)
    for node in plan.nodes.values():
        yield encode_shown(_of_node(node))
        yield code_of(node.kind, node.spec.params)
        if helpers := helpers_of(node.kind, node.spec.params):
            yield encode_shown(helpers)
        if node.sub is not None:
            yield from _contents(node.sub.plan, seen)


def _step(step: PipelineStep) -> Any:
    if isinstance(step, str):
        return step
    return {"on_error": step.on_error, "parallel": [[_step(one) for one in row] for row in step.branches]}


def _of_node(node: PlannedNode) -> dict[str, Any]:
    found = _dumped(node.spec, _NODE_SETTINGS)
    if isinstance(batch := found.get("batch"), Mapping):
        found["batch"] = _without(batch, _BATCH_SETTINGS)
    return {**found, "params": node.kind.content(node.spec.params)}


def _dumped(model: Any, left_out: frozenset[str]) -> dict[str, Any]:
    """The values of a part of a document that differ from the defaults. So a key that is added to the format
    later changes no content before it is used."""
    return _without(model.model_dump(mode="python", by_alias=True, exclude_defaults=True), left_out)


def _without(part: Mapping[str, object], left_out: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in left_out}
