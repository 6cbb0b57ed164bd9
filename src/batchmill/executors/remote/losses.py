"""Which items to blame when workers of a cluster are lost: pure counting.

We only know which items a lost worker had, not which of them it was running. So no item is charged for one
loss. The items continue one by one, and an item that was there twice runs alone: a third loss is then its
own.
"""

from __future__ import annotations

from batchmill.outcome import ErrorInfo

MOST_LOSSES = 3
SUSPECT = MOST_LOSSES - 1


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

    def suspects(self, index: int) -> bool:
        """Whether an item must run while no other does."""
        return len(self._workers.get(index, ())) >= SUSPECT
