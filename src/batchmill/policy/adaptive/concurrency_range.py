"""The range of adaptive concurrency: the minimum, initial and maximum number of calls in flight."""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.errors import InvalidSetting
from batchmill.policy.concurrency import MOST_ADAPTIVE

AUTO_START, AUTO_MOST = 4, 100  # of "auto": a few to begin with, as many as threads are still cheap


@dataclass(frozen=True, slots=True)
class ConcurrencyRange:
    """Minimum, initial and maximum calls in flight; 1 to 10,000. Raises :class:`InvalidSetting`."""

    least: int = 1
    start: int = AUTO_START
    most: int = AUTO_MOST

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.start <= self.most <= MOST_ADAPTIVE:
            raise InvalidSetting(
                f"max_concurrent goes up from least to start to most, within 1 to {MOST_ADAPTIVE:,}, "
                f"not {self.least}-{self.start}-{self.most}"
            )

    @classmethod
    def parse(cls, text: str) -> ConcurrencyRange:
        """``auto``, or ``least-start-most`` such as ``4-20-100``. Raises :class:`InvalidSetting`."""
        if text == "auto":
            return cls()
        parts = text.split("-")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
            raise InvalidSetting(f"max_concurrent is a number, `auto` or `4-20-100`, not {text!r}")
        return cls(*map(int, parts))
