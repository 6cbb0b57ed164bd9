"""Settings of a node that have no effect beside others, or mean something else than they seem to."""

from __future__ import annotations

from collections.abc import Iterator

from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.ir.faults import DocumentPath, Doubt, Fault
from batchmill.ir.models import BatchSpec, NodeSpec, RangeSource
from batchmill.ir.parts import NodePart
from batchmill.nodes import Node
from batchmill.policy import NO_RETRIES

_NAMES = {"max": "max_retries", "wait": "retry_wait", "backoff": "retry_backoff",
          "max_wait": "retry_max_wait", "jitter": "retry_jitter"}  # fmt: skip
"""Keys of ``retry`` and their names in a batch block."""
_WITH_ROWS = ("lines", "jsonl", "csv", "stdin")


def setting_doubts(node: NodePart, kind: type[Node] | None, sub: SubPlan | None) -> Iterator[Doubt]:
    """The settings of one node that are likely mistakes."""
    spec = node.spec
    if spec is None:
        return
    if spec.cache and kind is not None:
        yield from _cache_doubts(node, kind, sub)
    if spec.batch is not None:
        yield from _batch_doubts(node, spec, spec.batch, kind)
        yield from _no_items(node, spec.batch)


def _cache_doubts(node: NodePart, kind: type[Node], sub: SubPlan | None) -> Iterator[Doubt]:
    if kind.changes(node.params):
        what = f"`{node.type}` changes something"
    elif sub is not None and (writer := _writer_in(sub, set())) is not None:
        what = f"its sub-workflow changes something in `{writer}`"
    else:
        return
    message = f"{what}, and with `cache` a later run takes the outcome and does not do it again"
    yield Doubt("cached-effect", Fault((*node.path, "cache"), message, "remove `cache`", on_key=True))


def _writer_in(sub: SubPlan, seen: set[int]) -> str | None:
    """The first node of a sub-workflow that changes something, by its address there."""
    if id(sub) in seen or sub.compiled is None:
        return None
    seen.add(id(sub))
    for node in sub.plan.nodes.values():
        if node.kind.changes(node.spec.params):
            return node.id
        inner = None if node.sub is None else _writer_in(node.sub, seen)
        if inner is not None:
            return f"{node.id}.{inner}"
    return None


def _batch_doubts(
    node: NodePart, spec: NodeSpec, batch: BatchSpec, kind: type[Node] | None
) -> Iterator[Doubt]:
    path, given = (*node.path, "batch"), batch.model_fields_set
    own = batch.retry_keys_given
    if spec.retry is not None and own:
        message = f"`retry` has no effect: `batch` has `{own[0]}`, so only its own keys count"
        said = ", ".join(f"`{_NAMES[key]}`" for key in _NAMES if key in spec.retry.model_fields_set)
        hint = f"keep one of them; in `batch` the keys are {said}" if said else "keep one of them"
        yield Doubt("unused-setting", Fault((*node.path, "retry"), message, hint, on_key=True))
    if spec.timeout is not None and batch.timeout is not None:
        message = "`timeout` has no effect: the one in `batch` counts, for each item"
        yield Doubt(
            "unused-setting", Fault((*node.path, "timeout"), message, "keep one of them", on_key=True)
        )
    policy = batch.retry_policy(NO_RETRIES if kind is None else kind.usual_retry(node.params))
    once = policy.max_attempts == 1 and not policy.refused_for
    if spec.retry is None and "max_retries" not in own and once:
        for key in own:
            message = f"`{key}` has no effect: without `max_retries` there is one attempt"
            yield _unused((*path, key), message, "set `max_retries` to how many attempts there may be")
    if not batch.traits.side_by_side and "max_concurrent" in given and batch.max_concurrent != 1:
        message = "`max_concurrent` has no effect: items run one after another"
        hint = "name an `executor`, such as `thread`, or set `parallel` to true"
        yield _unused((*path, "max_concurrent"), message, hint)
    if batch.bad_rows == "error":
        yield from _bad_rows_doubts((*path, "bad_rows"), batch)


def _bad_rows_doubts(path: DocumentPath, batch: BatchSpec) -> Iterator[Doubt]:
    if batch.items_kind not in _WITH_ROWS:
        yield _unused(path, "`bad_rows` has no effect: these items are not rows of a file", "remove it")
    elif not batch.goes_on:
        message = "`bad_rows` has little effect: the first row that cannot be read still ends the batch"
        yield _unused(path, message, "set `error_handling` to `continue`")


def _unused(path: DocumentPath, message: str, hint: str) -> Doubt:
    return Doubt("unused-setting", Fault(path, message, hint, on_key=True))


def _no_items(node: NodePart, batch: BatchSpec) -> Iterator[Doubt]:
    """Doubts about item lists in the document that are empty."""
    empty = batch.items == []
    if isinstance(batch.items, RangeSource) and all(isinstance(one, int) for one in batch.items.range):
        bounds = [one for one in batch.items.range if isinstance(one, int)]
        empty = bounds[2:] != [0] and len(range(*bounds)) == 0
    if empty:
        yield Doubt("no-items", Fault((*node.path, "batch", "items"), "there are no items", NO_ITEMS_HINT))


NO_ITEMS_HINT = "nothing will run"
