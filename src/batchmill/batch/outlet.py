"""Final outcomes on their way out: saved in the journal, judged, counted, and put in order."""

from __future__ import annotations

from batchmill.batch.keeping import Judge, judged, keep
from batchmill.batch.reorder_buffer import ReorderBuffer
from batchmill.batch.separate_attempts import SeparateAttempts
from batchmill.block import Block
from batchmill.journal.contract import ItemLog
from batchmill.outcome import SKIPPED
from batchmill.policy import FailureWatch


class Outlet:
    """Takes blocks of final outcomes. ``attempts`` has the records of earlier attempts of their items, if
    attempts are started one by one.

    Concurrency: its owner calls :meth:`put` and uses ``results`` and ``watch`` under one lock. :meth:`keep`
    and :meth:`judge` are called outside of it, from any thread, because writing to a disk can be slow.
    """

    def __init__(
        self,
        watch: FailureWatch,
        *,
        ordered: bool,
        log: ItemLog | None,
        judge: Judge | None,
        attempts: SeparateAttempts | None,
    ) -> None:
        self.results = ReorderBuffer(ordered=ordered)
        self.watch = watch
        self._watches_denials = watch.policy.watches_denials
        self._record = None if log is None else log.record
        self._judge = judge
        self._attempts = attempts

    @property
    def keeps(self) -> bool:
        """Whether outcomes are saved."""
        return self._record is not None

    def keep(self, block: Block) -> None:
        """Keep outcomes, before anybody sees them. Raises :class:`~batchmill.errors.StorageError`."""
        if self._record is not None:
            self._complete(block)
            keep(self._record, block)

    def judge(self, block: Block) -> None:
        """Turn results that the judge rejects into errors."""
        if self._judge is not None:
            judged(block, self._judge)

    def put(self, block: Block, *, ran: bool = True) -> bool:
        """Under the lock: count a block and give it to the consumer's side. Returns whether it can be
        delivered now. With ``ran`` False, its outcomes were known, or its items never started."""
        self._complete(block)
        if not block.special and not self._watches_denials:  # nearly all blocks, even of one item
            self.watch.add(len(block), 0)
            return self.results.put(block)
        errors = [outcome.error for outcome in block.special.values() if outcome.error is not None]
        failed = sum(error.kind != "cancelled" for error in errors)
        succeeded = len(block) - len(errors)
        if not ran:
            self.watch.add(succeeded, failed, answered=0)
            return self.results.put(block)
        skipped = sum(value is SKIPPED for value in block.values) if self._watches_denials else 0
        self.watch.add(succeeded, failed, errors, answered=succeeded - skipped)
        return self.results.put(block)

    def _complete(self, block: Block) -> None:
        if self._attempts is not None:
            self._attempts.complete(block)
