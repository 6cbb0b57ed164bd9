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
        found: dict[int, Outcome] = {}
        for offset, one in known.items():
            skipped = one.value is SKIPPED
            if self._skips is None or not self._skips(items[offset], start + offset):
                if not skipped:
                    found[offset] = one
            elif skipped or one.error is not None:
                found[offset] = one
            else:
                found[offset] = Outcome(start + offset, SKIPPED, kept=True)
        self.run_again(len(known) - len(found))
        return found
