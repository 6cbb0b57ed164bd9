"""A caller's own items for a batch node, and its callback as they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from batchmill.batch import OnBlock
from batchmill.block import Block
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.journal.contract import ItemLog
from batchmill.journal.log_around import LogAround


@dataclass(frozen=True, slots=True)
class Attachment:
    """``items`` makes the items, instead of those of the document. ``ended`` is called with blocks of final
    outcomes as they end, in no order and from any thread, before any other listener, and without outcomes of
    an earlier pass of the run. ``permits`` hold items back until one is free."""

    items: Callable[[], Iterable[Any]] | None = None
    ended: OnBlock | None = None
    permits: FairSemaphore | None = None

    def heard(self, log: ItemLog | None) -> ItemLog | None:
        """``log``, whose recorded outcomes are also reported to ``ended``."""
        return log if self.ended is None else _Heard(log, self.ended)


class _Heard(LogAround):
    """A log that reports what it records.

    Concurrency: that of the log and of the callback.
    """

    def __init__(self, log: ItemLog | None, ended: OnBlock) -> None:
        super().__init__(log)
        self._ended = ended

    def record(self, block: Block) -> None:
        super().record(block)
        self._ended(block)


NOTHING_ATTACHED = Attachment()
