"""What attempts that ask language models are held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes import Node
from batchmill.record import CallsUnderWay


@dataclass(frozen=True, slots=True)
class Paying:
    """How calls that cost something are kept: ``calls`` is where they are entered before they are made, None
    where they are not; ``in_dollars`` says that what they cost is bounded, so that each must have a price."""

    calls: CallsUnderWay | None = None
    in_dollars: bool = False

    def check(self, node: Node, params: Mapping[str, Any]) -> None:
        """Raise :class:`NodeError` for an attempt that may have to pay what nobody can tell."""
        model = node.unpriced(params) if self.in_dollars else None
        if model is not None:
            message = f"the model {model!r} has no price, and a budget in USD holds here; it was not asked"
            raise NodeError(
                f"{message}: give it a price in `prices`",
                retryable=False,
                type_name="NoPrice",
                outputs={"error": message},
            )

    def told(self, attempt: Attempt, index: int | None) -> Attempt:
        """The attempt, told where its calls are entered."""
        return attempt if self.calls is None else replace(attempt, calls=replace(self.calls, index=index))


FREE = Paying()
