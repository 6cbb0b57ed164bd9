"""Conditions of items whose results are known from an earlier pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from batchmill.graph.compile.node import PlannedNode
from batchmill.journal.contract import ItemLog
from batchmill.journal.log_around import LogAround
from batchmill.outcome import SKIPPED, Outcome
from batchmill.step import ItemStep


def looked_at_again(node: PlannedNode, step: ItemStep, log: ItemLog | None) -> ItemLog | None:
    """``log``, where results are skipped items if the node's condition is false for them now."""
    return log if log is None or node.spec.when is None else ConditionLog(log, step.would_skip)


class ConditionLog(LogAround):
    """The log of a node with a condition, which may have changed since an item ran, or refer to what has.

    A result is no part of the batch while the condition of its item is false, as in a run from the beginning.
    It stays in the journal: nothing runs again once the condition is true. ``skips`` tells by the item and
    its position.

    Concurrency: that of the log around which it is.
    """

    def __init__(self, log: ItemLog, skips: Callable[[object, int], bool]) -> None:
        super().__init__(log)
        self._skips = skips

    def match(self, start: int, items: Sequence[object]) -> Mapping[int, Outcome]:
        """What the log knows, with skipped items in the place of results whose condition is false."""
        known = super().match(start, items)
        skipped = [offset for offset in known if self._skips(items[offset], start + offset)]
        return known if not skipped else {**known, **_skipped(start, skipped, known)}


def _skipped(start: int, offsets: Sequence[int], known: Mapping[int, Outcome]) -> dict[int, Outcome]:
    succeeded = [offset for offset in offsets if known[offset].error is None]
    return {offset: Outcome(start + offset, SKIPPED, kept=True) for offset in succeeded}
