"""Conditions of items whose results are known from an earlier pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from batchmill.graph.compile.node import PlannedNode
from batchmill.journal.contract import ItemLog
from batchmill.journal.known import AllKnown
from batchmill.journal.log_around import LogAround
from batchmill.outcome import SKIPPED, Outcome
from batchmill.step import ItemStep


def looked_at_again(node: PlannedNode, step: ItemStep, log: ItemLog | None) -> ItemLog | None:
    """``log`` with the conditions of items as they are now."""
    if log is None:
        return None
    return ConditionLog(log, step.would_skip if node.spec.when is not None else None)


class ConditionLog(LogAround):
    """The log of a node that has or had a condition, which may have changed since an item ran or was skipped,
    or refer to what has.

    A result is no part of the batch while the condition of its item is false, as in a run from the beginning.
    It stays in the journal: nothing runs again once the condition is true. An item that was skipped runs once
    its condition is true. ``skips`` tells by the item and its position; None if there is no condition.

    Concurrency: that of the log around which it is.
    """

    def __init__(self, log: ItemLog, skips: Callable[[object, int], bool] | None) -> None:
        super().__init__(log)
        self._skips = skips

    def match(self, start: int, items: Sequence[object]) -> Mapping[int, Outcome]:
        """What the log knows; of items whose condition is false, that they are skipped."""
        known = super().match(start, items)
        if self._skips is None and isinstance(known, AllKnown):  # they all have results
            return known
        left_out = {offset for offset in known if self._is_false(items[offset], start + offset)}
        to_run = {offset for offset, one in known.items() if one.value is SKIPPED} - left_out
        self.run_again(len(to_run))
        return {
            offset: Outcome(start + offset, SKIPPED, kept=True)
            if self._replaces(one, offset in left_out)
            else one
            for offset, one in known.items()
            if offset not in to_run
        }

    def _is_false(self, item: object, index: int) -> bool:
        return self._skips is not None and self._skips(item, index)

    @staticmethod
    def _replaces(one: Outcome, left_out: bool) -> bool:
        return left_out and one.error is None and one.value is not SKIPPED
