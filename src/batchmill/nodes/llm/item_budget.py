"""The budget of one item, for all its attempts, repairs and models together.

The budgets of a run apply where attempts are started. This one applies where calls are made, as one attempt
may make several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchmill.errors import NodeError
from batchmill.outcome import NANO, Spent, nano_usd
from batchmill.policy.budget import UNITS, Budget, BudgetLimits
from batchmill.record import LLMCall

EXCEEDED = "ItemBudgetExceeded"


def item_limits(given: Mapping[str, Any] | None) -> BudgetLimits | None:
    """The limits of the param, None without any. Raises :class:`NodeError`."""
    for fault in item_budget_faults(given):
        raise NodeError(f"`item_budget` {fault}", retryable=False, type_name="InvalidParams")
    return BudgetLimits(**given) if given else None


def require_room(limits: BudgetLimits, call: LLMCall, used: Spent) -> None:
    """Raise :class:`NodeError` for a call that may go beyond ``limits``, after what was ``used`` before."""
    if limits.usd is not None and call.cost is None:
        raise exceeded(f"the item's budget cannot be held: the model {call.model!r} has no price")
    wanted = Spent(1, call.tokens or 0, nano_usd(call.cost))
    for unit, total, most, added in Budget(limits, "the item").measures(used + wanted, wanted):
        if most is not None and total > most:
            scale = NANO if unit == "usd" else 1
            before, shown = (total - added) / scale, getattr(limits, unit)
            told = f"has {shown:,} {unit}: {before:,.6g} are used, and the next call may use more"
            raise exceeded(f"the item's budget {told}")


def exceeded(message: str) -> NodeError:
    """The error of an item whose next call may go beyond its budget."""
    return NodeError(message, retryable=False, type_name=EXCEEDED)


def item_budget_faults(given: object) -> Iterator[str]:
    """The faults of the param, as written or resolved."""
    if not isinstance(given, Mapping):
        return
    for unit, most in given.items():
        if unit not in UNITS:
            yield f"has the key {unit!r}; it may have {', '.join(f'`{one}`' for one in UNITS)}"
        elif isinstance(most, str) and "${" in most:
            continue
        elif isinstance(most, bool) or not isinstance(most, (int, float)) or not 0 <= most < float("inf"):
            yield f"needs a number of 0 or more for `{unit}`, not {most!r}"
