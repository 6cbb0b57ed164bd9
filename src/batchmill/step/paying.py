"""The rules for attempts that call language models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.events import AnswerPart, Bus
from batchmill.nodes import Node
from batchmill.record import CallsUnderWay


class Teller:
    """Passes parts of answers to the bus of the run, as those of ``node``. In a worker process it does
    nothing: it is unpickled there without a bus."""

    def __init__(self, node: str, bus: Bus | None = None) -> None:
        self._node = node
        self._bus = bus

    def __reduce__(self) -> tuple[object, ...]:
        return Teller, (self._node,)

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return self._bus is not None and self._bus.heard

    def tell(self, index: int | None, part: AnswerPart) -> None:
        """Tell of a part of an answer to the item ``index``."""
        if self._bus is not None:
            self._bus.emit(replace(part, node=self._node, index=index))


@dataclass(frozen=True, slots=True)
class Paying:
    """Accounting for paid calls: ``calls`` is where they are entered before they are made, None if they are
    not; ``in_dollars`` says that a budget limits their cost, so each must have a price. ``teller`` passes on
    parts of answers as they come."""

    calls: CallsUnderWay | None = None
    in_dollars: bool = False
    teller: Teller | None = None

    def check(self, node: Node, params: Mapping[str, object]) -> None:
        """Raise :class:`NodeError` for an attempt whose price is unknown."""
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
        """The attempt, with the place to enter its calls and the listener for its answers."""
        if self.calls is not None:
            attempt = replace(attempt, calls=replace(self.calls, index=index))
        if self.teller is not None and self.teller.heard:
            attempt = replace(attempt, tell=partial(self.teller.tell, index))
        return attempt


FREE = Paying()
