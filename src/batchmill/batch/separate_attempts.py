"""Attempts that are started one by one, if an admission starts each of them.

A worker makes one attempt and hands the item back. The time and records of a failed attempt stay here until
the item ends, so that its outcome includes all attempts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

from batchmill.block import Block, together
from batchmill.executors.contract import Chunk
from batchmill.journal.contract import ItemLog
from batchmill.outcome import NO_WAITS, Commands, ErrorInfo, Outcome, Waits
from batchmill.record import used_by


class SeparateAttempts:
    """See the module. With a ``log``, paid calls are saved there at once, as the item may never end.

    Concurrency: any thread may call any method; ``_lock`` guards ``_before``, and is never held while another
    lock is taken.
    """

    def __init__(self, log: ItemLog | None) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._before: dict[int, Outcome] = {}  # what failed attempts took and recorded, all together

    def after_failure(self, outcome: Outcome, item: object) -> tuple[Chunk, float] | None:
        """The next step for an item whose attempt ended so, and the wait in seconds; None if that was the
        last attempt."""
        if outcome.again is None or outcome.error is None:
            return None
        self._remember(outcome)
        told = self._told(outcome.index, outcome.error)
        return Chunk(outcome.index, [item], outcome.attempts, told), outcome.again

    def after_loss(self, chunk: Chunk, waits: Waits) -> tuple[Chunk, float]:
        """The same of the one item of ``chunk``, which was lost with its worker in an attempt that had waited
        so."""
        lost = chunk.lost
        assert lost is not None  # noqa: S101  # it is such a chunk
        if chunk.tried:
            wall = sum(one.wall for one in chunk.tried)
            tried = (chunk.tried[0]._replace(waited=waits.limit), *chunk.tried[1:])
            self._remember(Outcome(chunk.start, wall=wall, tried=tried, waits=waits))
        return Chunk(chunk.start, chunk.items, chunk.attempts, self._told(chunk.start, lost)), chunk.wait

    def _told(self, index: int, error: ErrorInfo) -> ErrorInfo:
        """Why the last attempt failed, and the use by all of them: the next attempt's worker does not have
        the records."""
        with self._lock:
            known = self._before.get(index)
        return error if known is None or not known.records else replace(error, used=used_by(known.records))

    def _remember(self, outcome: Outcome) -> None:
        index = outcome.index
        with self._lock:
            known = self._before.get(index, Outcome(index))
            records, tried = (*known.records, *outcome.records), (*known.tried, *outcome.as_tried())
            wall, waits = known.wall + outcome.wall, known.waits
            if outcome.waits != NO_WAITS:
                waits = waits.plus(outcome.waits)
            cpu = together((known.cpu, outcome.cpu))
            ran = [one.commands for one in (known, outcome) if one.commands is not None]
            commands = reduce(Commands.plus, ran) if ran else None
            self._before[index] = Outcome(
                index, wall=wall, records=records, tried=tried, waits=waits, cpu=cpu, commands=commands
            )
        if self._log is not None and outcome.records:
            self._log.enter(index, records)

    def complete(self, block: Block) -> None:
        """Give final outcomes what their items' earlier attempts took and recorded; a second time adds
        nothing."""
        for earlier in self._earlier(block):
            block.put_before(earlier.index - block.start, earlier)

    def _earlier(self, block: Block) -> Iterator[Outcome]:
        if not self._before:
            return
        for index in range(block.start, block.start + len(block)):
            with self._lock:
                found = self._before.pop(index, None)
            if found is not None:
                yield found
