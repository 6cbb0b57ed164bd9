"""The budget of one item, for all its attempts, repairs and models together.

The budgets of a run apply where attempts are started. This one applies where calls are made, as one attempt
may make several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchmill.errors import NodeError
from batchmill.outcome import Used
from batchmill.policy.budget import UNITS
from batchmill.record import LLMCall


@dataclass(frozen=True, slots=True)
class ItemBudget:
    """Calls, tokens and US dollars, None without a limit."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> ItemBudget | None:
        """That of the param, None where nothing is limited. Raises :class:`NodeError`."""
        for fault in item_budget_faults(given):
            raise NodeError(f"`item_budget` {fault}", retryable=False, type_name="InvalidParams")
        return cls(**given) if given else None

    def allow(self, call: LLMCall, used: Used) -> None:
        """Raise :class:`NodeError` for a call that would go beyond it, counted as what it may use, after what
        was ``used`` before."""
        if self.usd is not None and call.cost is None:
            raise _refused(f"cannot be held: the model {call.model!r} has no price")
        wanted = used.plus(Used(1, call.tokens or 0, call.cost or 0.0))
        for unit in UNITS:
            most, total = getattr(self, unit), getattr(wanted, unit)
            if most is not None and total > most:
                before = getattr(used, unit)
                raise _refused(f"has {most:,} {unit}: {before:,.6g} are used, and the next call may use more")


def _refused(words: str) -> NodeError:
    return NodeError(f"the item's budget {words}", retryable=False, type_name="ItemBudgetExceeded")


def item_budget_faults(given: Any) -> Iterator[str]:
    """What is wrong with the param, as written or resolved."""
    if not isinstance(given, Mapping):
        return
    for unit, most in given.items():
        if unit not in UNITS:
            yield f"has the key {unit!r}; it may have {', '.join(f'`{one}`' for one in UNITS)}"
        elif isinstance(most, str) and "${" in most:
            continue
        elif isinstance(most, bool) or not isinstance(most, (int, float)) or not 0 <= most < float("inf"):
            yield f"needs a number of 0 or more for `{unit}`, not {most!r}"
