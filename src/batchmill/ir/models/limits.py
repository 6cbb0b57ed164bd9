"""Rate limits and budgets: the limits of a service, and the spending limits of a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from batchmill.ir.models.base import Spec
from batchmill.ir.models.fields import NonEmpty, Number, Whole
from batchmill.policy.budget import BudgetLimits
from batchmill.policy.limits import MAX_PER_SECOND, MAX_TOKENS, Limits

MOST_USD = 10**9


class RateLimit(Spec):
    """How often attempts may start. The limits of a key hold for the whole run, across all workers."""

    per_second: Annotated[float, Number(0, MAX_PER_SECOND, above=True)] | None = Field(
        None, description="Attempts a second."
    )
    burst: Annotated[int, Whole(1, MAX_PER_SECOND)] | None = Field(
        None, description="Attempts that may start at once after a pause; default 1."
    )
    tokens_per_minute: Annotated[float, Number(0, MAX_TOKENS, above=True)] | None = Field(
        None, description="Tokens of language models a minute."
    )
    max_concurrent: Annotated[int, Whole(1, MAX_PER_SECOND)] | None = Field(
        None, description="Attempts at the same time, in all nodes with the key together."
    )
    key: NonEmpty | None = Field(None, description="Nodes with the same key share the limit.")
    LATER = frozenset({"shared"})
    shared: bool = Field(
        False, description="Whether all runs on this machine that name the key share the limit, too."
    )

    @property
    def limits(self) -> Limits:
        """The limits without the key."""
        return Limits(self.per_second, self.burst, self.tokens_per_minute, self.max_concurrent)


class BudgetSpec(Spec):
    """A spending limit. Once it is used up, no attempt starts; running ones finish."""

    requests: Annotated[int, Whole(0, 10**12)] | None = Field(
        None, description="Requests to services, repeated ones included."
    )
    tokens: Annotated[int, Whole(0, 10**15)] | None = Field(
        None, description="Tokens of language models, sent and answered."
    )
    usd: Annotated[float, Number(0, MOST_USD)] | None = Field(
        None, description="US dollars, after the `prices` of the document."
    )

    @property
    def limits(self) -> BudgetLimits:
        """The same as a policy."""
        return BudgetLimits(self.requests, self.tokens, self.usd)
