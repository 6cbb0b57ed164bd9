"""A log of a run that notes whether anything was run, or all outcomes were known."""

from __future__ import annotations

from batchmill.block import Block
from batchmill.journal.contract import ContentKey, ItemLog, RunLog, SingleLog
from batchmill.journal.log_around import LogAround


class NotingLog:
    """A :class:`~batchmill.journal.contract.RunLog` around another one. ``has_run`` becomes True with the
    first visit or item whose outcome was not known.

    Concurrency: that of ``log``; ``has_run`` only ever changes from False to True.
    """

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self.name = log.name
        self.has_run = False

    def single(self, address: str, key: ContentKey, *, cached: bool) -> SingleLog:
        found = self._log.single(address, key, cached=cached)
        self.has_run = self.has_run or found.known is None
        return found

    def batch(
        self, address: str, key: ContentKey, total: int | None, *, cached: bool, source: str | None = None
    ) -> ItemLog:
        return _NotingItems(self._log.batch(address, key, total, cached=cached, source=source), self)

    def single_not_kept(self, address: str) -> SingleLog:
        self.has_run = True
        return self._log.single_not_kept(address)

    def batch_not_kept(self, address: str) -> ItemLog:
        self.has_run = True
        return self._log.batch_not_kept(address)


class _NotingItems(LogAround):
    def __init__(self, log: ItemLog, noting: NotingLog) -> None:
        super().__init__(log)
        self._noting = noting

    def record(self, block: Block) -> None:
        self._noting.has_run = True
        super().record(block)
