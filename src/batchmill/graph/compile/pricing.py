"""Budgets in dollars need a price for every model: without one the run does not start, because the budget
could not be enforced.

Literal models are checked before anything runs. A model from a template is checked just before it is called
(:mod:`batchmill.step.paying`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchmill.ir.faults import Fault, did_you_mean
from batchmill.ir.outline import Outline
from batchmill.ir.parts import NodePart
from batchmill.ir.services import Tables
from batchmill.nodes import Node

BUDGET, MODEL = "budget", "model"


def is_bounded(holder: object) -> bool:
    """Whether a document or a node without faults has its own budget in dollars."""
    budget = getattr(holder, BUDGET, None)
    return budget is not None and budget.usd is not None


def price_faults(
    outline: Outline, types: Mapping[str, type[Node]], tables: Tables | None, *, bounded: bool
) -> Iterator[Fault]:
    """The nodes that may have to pay an unknown price; ``bounded`` says that an enclosing budget is in
    dollars. Without the tables no price is known."""
    if tables is None:
        return
    known = tuple(tables.prices.prices)
    for node in outline.all_nodes:
        kind = types.get(node.id)
        if kind is None or not (bounded or is_bounded(node.spec)):
            continue
        model = kind.unpriced(_with_defaults(kind, node))
        if model is not None:
            path = (*node.path, "params", MODEL) if MODEL in node.params else node.path
            message = f"the model `{model}` has no price, and a budget in USD holds here"
            hint = did_you_mean(model, known) or "give it one in `prices`"
            yield Fault(path, message, hint)


def _with_defaults(kind: type[Node], node: NodePart) -> dict[str, object]:
    defaults = {param.name: param.default for param in kind.params if not param.required}
    return {**defaults, **node.params}
