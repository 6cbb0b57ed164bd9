"""A budget of requests, tokens and dollars: reserved before a call and settled after it.

Dollars are counted in whole billionths, so that sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.errors import InvalidSetting
from batchmill.outcome import NANO, Spent

UNITS = ("requests", "tokens", "usd")


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The most that may be spent, None without a limit. Raises :class:`InvalidSetting`."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def __post_init__(self) -> None:
        for unit in UNITS:
            value = getattr(self, unit)
            if value is not None and not 0 <= value < float("inf"):
                raise InvalidSetting(f"a budget of {unit} must be 0 or more, not {value!r}")


class Budget:
    """The rest of some :class:`BudgetLimits`; ``owner`` names its owner, in words.

    ``begin`` counts what an earlier part of the run spent. Not locked: its owner calls it under a lock.
    """

    def __init__(self, limits: BudgetLimits, owner: str, begin: Spent | None = None) -> None:
        self.limits = limits
        self.owner = owner
        self.spent = begin or Spent()
        self._reserved = Spent()
        self.outstanding = 0

    @property
    def needs_tokens(self) -> bool:
        """Whether what a call costs has to be known beforehand."""
        return self.limits.tokens is not None or self.limits.usd is not None

    def refusal(self, amount: Spent) -> str | None:
        """Why ``amount`` cannot be set aside now, in words; None where it can."""
        after = self.spent + self._reserved + amount
        for unit, used, limit, least in self.measures(after, amount):
            if limit is not None and (used > limit or (used == limit and not least)):
                return f"{self.named(unit)} is used up"
        return None

    def reserve(self, amount: Spent) -> str | None:
        """Set ``amount`` aside; None when that went well, else the :meth:`refusal`."""
        refusal = self.refusal(amount)
        if refusal is None:
            self.set_aside(amount)
        return refusal

    def set_aside(self, amount: Spent) -> None:
        """Reserve ``amount`` without a check: the caller has checked, or it is nothing."""
        self._reserved += amount
        self.outstanding += 1

    def measures(self, after: Spent, amount: Spent) -> list[tuple[str, int, int | None, int]]:
        """Per unit: its name, the amount in use, the limit, and the requested amount."""
        nano = None if self.limits.usd is None else round(self.limits.usd * NANO)
        return [
            ("requests", after.requests, self.limits.requests, amount.requests),
            ("tokens", after.tokens, self.limits.tokens, amount.tokens),
            ("usd", after.nano_usd, nano, amount.nano_usd),
        ]

    def named(self, unit: str) -> str:
        """The limit in words, such as ``the budget of 5 USD of the run``."""
        shown = f"{self.limits.usd:g} USD" if unit == "usd" else f"{getattr(self.limits, unit):,} {unit}"
        return f"the budget of {shown} of {self.owner}"

    def left(self) -> Spent:
        """The amount neither spent nor reserved; 0 without a limit."""
        used = self.spent + self._reserved
        return Spent(
            0 if self.limits.requests is None else max(0, self.limits.requests - used.requests),
            0 if self.limits.tokens is None else max(0, self.limits.tokens - used.tokens),
            0 if self.limits.usd is None else max(0, round(self.limits.usd * NANO) - used.nano_usd),
        )

    def release(self, reserved: Spent) -> None:
        """Put back what was set aside for a call that was not made."""
        self._reserved -= reserved
        self.outstanding -= 1

    def settle(self, reserved: Spent, real: Spent) -> None:
        """Count the real cost of a call instead of its reservation."""
        self.release(reserved)
        self.spent += real
