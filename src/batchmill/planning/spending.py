"""An estimate, before the run, of what the calls of a node will use and cost, with its assumptions."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from itertools import islice
from typing import Any

from batchmill.errors import BatchmillError
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.visits.batch_items import items_of
from batchmill.graph.visits.places_of_rows import asks_for_source
from batchmill.nodes.contract import CHARACTERS_PER_TOKEN, ExpectedCall
from batchmill.record.ledger import LedgerEntry
from batchmill.step import item_step, single_step
from batchmill.values.words import count as number_of

Told = dict[str, Any]
NOT_KNOWN = "the prompt is known when it runs"
LOOKED_AT = 100  # items whose prompts are counted


def estimate_of(node: PlannedNode, around: NodeFrame, items: Mapping[str, Any] | None) -> Told | None:
    """The estimate of a node that asks language models, None for any other. ``items`` is the plan's
    description of its items, None if it is no batch.

    ``input_tokens``, ``output_tokens`` and ``usd`` are for ``calls`` calls, one for each item; None if
    unknown before the run. ``each`` has the same for one call on average, ``assumes`` is in words.
    """
    if not node.kind.calls_models:
        return None
    calls = 1 if items is None else items["count"]
    try:
        looked_at = list(_expected(node, around, items))
    except (BatchmillError, OSError):  # what it asks is known once other nodes have run
        looked_at = []
        known = False
    else:
        known = items is None or "why" not in items
    if not looked_at:
        nothing = {"input_tokens": None, "output_tokens": None, "usd": None}
        return None if known else {"calls": calls, **nothing, "assumes": [NOT_KNOWN]}
    mean = ExpectedCall(*(sum(column) / len(looked_at) for column in zip(*looked_at, strict=True)))
    usd = mean.usd if mean.usd else None
    each = {"input_tokens": mean.sent, "output_tokens": mean.answered, "usd": usd}
    told: Told = {"calls": calls, "each": _rounded(each, 1), **_rounded(each, calls)}
    return {**told, "assumes": list(_assumed(node, len(looked_at), calls, mean))}


def _rounded(each: Mapping[str, float | None], calls: int | None) -> Told:
    """The use of so many calls, rounded for display; None if unknown."""
    told: Told = {}
    for name, one in each.items():
        whole = None if one is None or calls is None else one * calls
        told[name] = None if whole is None else _usd(whole) if name == "usd" else round(whole)
    return told


def _usd(value: float) -> float:
    return float(f"{value:.4g}")


def _expected(
    node: PlannedNode, around: NodeFrame, items: Mapping[str, object] | None
) -> Iterable[ExpectedCall]:
    """The expected use of single calls."""
    made = around.make(node)
    if items is None:
        step: Any = single_step(made, node.params, around.namespace)
        found = [step.expected_call(None, 0)]
    else:
        spec = node.spec.batch
        if spec is None or "why" in items:
            return
        step = item_step(made, node.params, around.namespace, item_name=spec.as_)
        reading = iter(items_of(spec, around, asks_for_source(node.spec)))
        try:
            found = [step.expected_call(item, place) for place, item in enumerate(islice(reading, LOOKED_AT))]
        finally:
            if isinstance(reading, Generator):
                reading.close()
    yield from (one for one in found if one is not None)


def _assumed(node: PlannedNode, looked_at: int, calls: int | None, mean: ExpectedCall) -> Iterable[str]:
    of = "" if calls == looked_at else f" of the first {number_of(looked_at, 'item')}"
    yield f"a token for every {CHARACTERS_PER_TOKEN} characters of the prompt{of}"
    if mean.bounded == 1:
        yield "answers as long as `max_tokens` allows"
    elif mean.answered:
        yield f"answers of {round(mean.answered):,} tokens: without `max_tokens` nothing bounds them"
    yield "one attempt each, and no answer that is requested again"
    if mean.part != 1:
        yield f"{mean.part:g} times the price, by the batch API"
    if not mean.usd:
        yield "no `prices` of its model, so its cost is unknown"


def with_earlier(estimate: Told, run: str, spent: LedgerEntry) -> None:
    """Add to an estimate the use by calls of the same node in an earlier run, and the cost of as
    many calls."""
    number = spent.calls
    if not number:
        return
    each = {"input_tokens": spent.input_tokens / number, "output_tokens": spent.output_tokens / number}
    cost = None if spent.unpriced else float(spent.cost) / number
    calls = estimate["calls"]
    estimate["earlier"] = {
        "run": run,
        "calls": number,
        "each": {name: round(value) for name, value in each.items()},
        "usd": None if cost is None or calls is None else _usd(cost * calls),
    }
