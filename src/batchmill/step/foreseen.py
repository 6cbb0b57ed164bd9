"""Predictions about an attempt before it is made, from its params."""

from __future__ import annotations

from abc import ABC, abstractmethod

from batchmill.errors import TemplateError, UnreadableRow
from batchmill.nodes import Node
from batchmill.nodes.contract import ExpectedCall
from batchmill.step.params import StepParams
from batchmill.template import Scope


class Foreseen(ABC):
    """Base of steps: the questions of limits, budgets and plans, which the node answers."""

    node: Node
    _params: StepParams

    @abstractmethod
    def skips(self, scope: Scope) -> bool:
        """Whether the condition of the node is false with the names of ``scope``, so it does not run."""

    @abstractmethod
    def _scope_of(self, item: object, index: int, folder: str | None = None) -> Scope:
        """The names for one item."""

    def expected_tokens(self, item: object, index: int) -> float:
        """The approximate number of tokens that an attempt at this item uses; 0 if unknown."""
        params = self._resolved(item, index)
        return 0.0 if params is None else self.node.expected_tokens(params)

    def expected_usd(self, item: object, index: int) -> float:
        """The approximate cost of an attempt at this item in US dollars; 0 if unknown."""
        params = self._resolved(item, index)
        return 0.0 if params is None else self.node.expected_usd(params)

    def is_free(self, item: object, index: int) -> bool:
        """Whether an attempt at this item certainly calls no paid service."""
        params = self._resolved(item, index)
        return params is not None and self.node.is_free(params)

    def expected_call(self, item: object, index: int) -> ExpectedCall | None:
        """The expected use by a call of a language model for this item; None if no call is made. Raises
        :class:`~batchmill.errors.TemplateError` if that is unknown."""
        scope = self._scope_of(item, index)
        return None if self.skips(scope) else self.node.expected_call(self._params.resolve(scope))

    def is_booked(self, item: object, index: int) -> bool:
        """Whether an attempt at this item only makes requests that were made already."""
        params = self._resolved(item, index)
        return params is not None and self.node.is_booked(params)

    def _resolved(self, item: object, index: int) -> dict[str, object] | None:
        try:
            scope = self._scope_of(item, index)
            return None if self.skips(scope) else self._params.resolve(scope)
        except (TemplateError, UnreadableRow):  # the attempt itself is about to say so
            return None
