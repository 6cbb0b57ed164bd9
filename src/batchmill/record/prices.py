"""The cost of calls, by the user's table of prices. There are no built-in prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PER = 1_000_000  # tokens that a price is for


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens. ``cached`` is for input tokens that the provider had in its cache,
    ``cache_write`` for those that it has put there; by default they cost as much as the others."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def cost(
        self, input_tokens: int, output_tokens: int, cached_tokens: int = 0, written_tokens: int = 0
    ) -> float:
        """US dollars; ``cached_tokens`` and ``written_tokens`` are among the ``input_tokens``."""
        cached_price = self.input if self.cached is None else self.cached
        cached = min(cached_tokens, input_tokens)
        written_price = self.input if self.cache_write is None else self.cache_write
        written = min(written_tokens, input_tokens - cached)
        fresh = input_tokens - cached - written
        sent = fresh * self.input + cached * cached_price + written * written_price
        return (sent + output_tokens * self.output) / PER


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by the name of the model, as the document names it; calls cost ``part`` of them."""

    prices: Mapping[str, Price] = field(default_factory=dict)
    part: float = 1.0

    def __contains__(self, model: object) -> bool:
        return model in self.prices

    def cost(
        self,
        model: str,
        input_tokens: int | None,
        output_tokens: int | None,
        cached_tokens: int | None = 0,
        written_tokens: int | None = 0,
    ) -> float | None:
        """US dollars, or None if the model has no price or the provider reported no usage."""
        price = self.prices.get(model)
        if price is None or input_tokens is None or output_tokens is None:
            return None
        return price.cost(input_tokens, output_tokens, cached_tokens or 0, written_tokens or 0) * self.part
