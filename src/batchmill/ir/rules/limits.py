"""Rules for rate limits and budgets: each sets a limit, and those of one key agree."""

from __future__ import annotations

from collections.abc import Iterator

from batchmill.ir.faults import DocumentPath, Fault, path_text
from batchmill.ir.models.limits import RateLimit
from batchmill.ir.outline import Outline

LIMITS = ("per_second", "burst", "tokens_per_minute", "max_concurrent")
_WAYS = "`per_second`, `tokens_per_minute` or `max_concurrent`"


def limit_faults(outline: Outline, budget: object) -> Iterator[Fault]:
    """Faults of limits. ``budget`` is the document's budget as written."""
    if isinstance(budget, dict) and not budget:
        yield _empty_budget(("budget",))
    placed = list(_placed(outline))
    for path, rate_limit in placed:
        yield from _own_faults(path, rate_limit, placed)
    yield from _contradictions(placed)
    for node in outline.all_nodes:
        if node.spec is None:
            continue
        if node.spec.budget is not None and not node.spec.budget.model_fields_set:
            yield _empty_budget((*node.path, "budget"))
        if node.spec.rate_limit is not None and node.spec.batch and node.spec.batch.rate_limit is not None:
            message = "the node has a `rate_limit` and its `batch` has another"
            yield Fault((*node.path, "rate_limit"), message, "keep one of them; they mean the same")


def _placed(outline: Outline) -> Iterator[tuple[DocumentPath, RateLimit]]:
    for node in outline.all_nodes:
        if node.spec is None:
            continue
        if node.spec.rate_limit is not None:
            yield (*node.path, "rate_limit"), node.spec.rate_limit
        if node.spec.batch is not None and node.spec.batch.rate_limit is not None:
            yield (*node.path, "batch", "rate_limit"), node.spec.batch.rate_limit


def _own_faults(
    path: DocumentPath, rate_limit: RateLimit, placed: list[tuple[DocumentPath, RateLimit]]
) -> Iterator[Fault]:
    if rate_limit.burst is not None and rate_limit.per_second is None:
        yield Fault((*path, "burst"), "`burst` has no effect without `per_second`", "add `per_second`")
    if rate_limit.shared and rate_limit.key is None:
        message = "`shared` has no effect without a `key`, by which other runs know the limit"
        yield Fault((*path, "shared"), message, "add a `key`")
    shared = [other for _, other in placed if rate_limit.key is not None and other.key == rate_limit.key]
    if not any(_limits(one) for one in shared or [rate_limit]):
        if rate_limit.key is None:
            yield Fault(path, "limits nothing", f"give it {_WAYS}")
        elif len(shared) == 1:
            message = f"limits nothing, and no other node has the key `{rate_limit.key}`"
            yield Fault(path, message, f"give it {_WAYS}")


def _limits(rate_limit: RateLimit) -> bool:
    return any(getattr(rate_limit, name) is not None for name in LIMITS)


def _contradictions(placed: list[tuple[DocumentPath, RateLimit]]) -> Iterator[Fault]:
    said: dict[tuple[str, str], tuple[DocumentPath, object]] = {}
    for path, rate_limit in placed:
        for name in LIMITS:
            value = getattr(rate_limit, name)
            if rate_limit.key is None or value is None:
                continue
            first, known = said.setdefault((rate_limit.key, name), (path, value))
            if known != value:
                where = path_text((*first, name))
                message = f"the key `{rate_limit.key}` has {known:g} at {where}, not {value:g}"
                yield Fault((*path, name), message, "say it once: the other nodes need the key only")


def _empty_budget(path: DocumentPath) -> Fault:
    return Fault(path, "limits nothing", "give it `requests`, `tokens` or `usd`")
