"""Which items to blame when workers of a cluster are lost: pure counting.

We only know which items a lost worker had, not which of them it was running. So no item is charged for one
loss. The items continue in smaller parts, after a second loss one by one, each of them alone: a third loss is
then its own. An order costs as much as thousands of short items, so a large chunk is not taken apart at once.
"""

from __future__ import annotations

import math

from batchmill.outcome import ErrorInfo

MOST_LOSSES = 3
SUSPECT = MOST_LOSSES - 1
SINGLY = 32  # in a chunk of at most so many, each item is long enough for an order of its own


class Losses:
    """The losses of one batch. Not thread-safe: its owner has a lock."""

    def __init__(self) -> None:
        self._workers: dict[int, list[str]] = {}
        self._known: dict[str, int] = {}  # by worker, the last order that was out when we heard of its loss

    def is_new(self, worker: str, order: int, last: int) -> bool:
        """Whether the loss of ``order`` with a ``worker`` is the first that we hear of that loss, and not
        another order that it had; ``last`` is the number of the latest order."""
        if order <= self._known.get(worker, -1):
            return False
        self._known[worker] = last
        return True

    def note(self, index: int, worker: str) -> ErrorInfo | None:
        """An item was on a ``worker`` that was lost; the error to charge to it, None while it has to be run
        again."""
        workers = self._workers.setdefault(index, [])
        workers.append(worker)
        if len(workers) < MOST_LOSSES:
            return None
        del self._workers[index]
        places = ", ".join(workers)
        message = f"was running when {MOST_LOSSES} workers of the cluster were lost ({places})"
        return ErrorInfo("WorkerDied", message, "worker_died")

    def part(self, index: int, n_items: int) -> int:
        """How many items continue together of a lost chunk of ``n_items`` that begins at ``index``, once its
        loss was noted."""
        if n_items <= SINGLY or self.suspects(index):
            return 1
        return math.isqrt(n_items)

    def suspects(self, index: int) -> bool:
        """Whether an item must run while no other does."""
        return len(self._workers.get(index, ())) >= SUSPECT
