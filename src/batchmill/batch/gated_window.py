"""A window whose items start when a gate lets them, each attempt by itself.

A worker makes one attempt of what it is given and hands it back. An attempt that failed and is to be made
again waits here, without a worker, and passes the gate anew: so a limit counts attempts, whoever makes
them and however they end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from batchmill.batch.keeping import Judge, Record
from batchmill.batch.rate_gate import Admission, Gate, nano_usd
from batchmill.batch.window import Window
from batchmill.block import Block, together
from batchmill.executors.contract import Chunk, Seat
from batchmill.items.sources import Source
from batchmill.journal.contract import ItemLog
from batchmill.outcome import LEAST_WAIT, NO_WAITS, Commands, Outcome, Waits
from batchmill.policy import FailureWatch, RetryPolicy
from batchmill.policy.limits import Ended
from batchmill.record import Usage

_LOST = ("timeout", "worker_died", "cancelled")  # how an attempt ends of which nothing is heard any more


@dataclass(slots=True)
class _Started:
    """An attempt that was let through: its pass, and what was known of the item before."""

    leave: Admission
    chunk: Chunk


class GatedWindow(Window):
    """See the module.

    Concurrency: as the window; ``_gated`` guards ``_started`` and ``_before``, and is never held while
    waiting or while another lock is taken.
    """

    def __init__(
        self,
        source: Source,
        watch: FailureWatch,
        *,
        ordered: bool,
        gate: Gate,
        retry: RetryPolicy,
        log: ItemLog | None = None,
        judge: Judge | None = None,
    ) -> None:
        super().__init__(source, watch, ordered=ordered, log=log, judge=judge)
        self._gate = gate
        self._retry = retry
        self._gated = threading.Lock()
        self._started: dict[int, _Started] = {}
        self._before: dict[int, Outcome] = {}  # what failed attempts took and recorded, all together
        self.on_stop(gate.wake)

    @property
    def instant(self) -> bool:
        return False  # somebody may have to wait at the gate

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        while (chunk := self._take(min(most, self._gate.most), ahead, consumes)) is not None:
            if not len(chunk):
                return chunk
            self._waits(chunk)
            indexed = [(item, chunk.start + offset) for offset, item in enumerate(chunk.items)]
            try:
                passes = self._gate.enter(indexed, lambda: self._stopped, seat)
            except BaseException:
                super().give_back(chunk)
                raise
            if passes is None:
                super().give_back(chunk)
                return None
            if not passes:  # stopped, or about to be
                super().give_back(chunk)
                self.stop()
                continue
            started = chunk if len(passes) == len(chunk) else chunk.part(0, len(passes))
            if len(started) < len(chunk):
                super().give_back(chunk.part(len(passes)))
            self._begin(started, passes)
            self._begins(started)
            return started
        return None

    def _reads_itself(self, most: int) -> bool:
        return False  # who waits in the source would not hear of an item that is due to be tried again

    def _begin(self, chunk: Chunk, passes: Sequence[Admission]) -> None:
        with self._gated:
            for offset, leave in enumerate(passes):
                one = chunk if len(chunk) == 1 else chunk.part(offset, offset + 1)
                self._started[chunk.start + offset] = _Started(leave, one)

    def _end(self, index: int) -> _Started:
        with self._gated:
            return self._started.pop(index)

    def give_back(self, chunk: Chunk) -> None:
        if not len(chunk):
            return
        begun = [self._end(chunk.start + offset) for offset in range(len(chunk))]
        if chunk.lost is not None and chunk.attempts > begun[0].chunk.attempts:  # it was lost on the way
            self._gate.leave(begun[0].leave, Ended(tokens=None, pause=chunk.lost.retry_after or 0.0))
            if chunk.tried:
                wall = sum(one.wall for one in chunk.tried)
                waited = begun[0].leave.waited
                tried = (chunk.tried[0]._replace(waited=waited), *chunk.tried[1:])
                waits = Waits(waited) if waited >= LEAST_WAIT else NO_WAITS
                self._remember(Outcome(chunk.start, wall=wall, tried=tried, waits=waits))
            again = Chunk(chunk.start, chunk.items, chunk.attempts, chunk.lost)
            decision = self._retry.decide(chunk.attempts, chunk.lost, None, chunk.lost.refusals)
            self.defer(again, decision.after)
            return
        for one in begun:
            self._gate.withdraw(one.leave)
            super().give_back(one.chunk)

    def deliver(self, block: Block) -> None:
        final: list[int] = []
        self._tell_waits(block)
        for offset, outcome in enumerate(block.outcomes()):
            self._tell_gate(outcome)
            if outcome.again is None or outcome.error is None:
                final.append(offset)
                continue
            self._remember(outcome)
            again = Chunk(outcome.index, [block.items[offset]], outcome.attempts, outcome.error)
            self.defer(again, outcome.again)
        if len(final) == len(block):
            super().deliver(block)
            return
        for offset in final:
            super().deliver(block.part(offset, offset + 1))

    def _tell_waits(self, block: Block) -> None:
        with self._gated:
            found = [self._started.get(block.start + offset) for offset in range(len(block))]
        for offset, begun in enumerate(found):
            if begun is not None and begun.leave.waited >= LEAST_WAIT:
                block.wait_before(offset, Waits(begun.leave.waited))

    def _tell_gate(self, outcome: Outcome) -> None:
        """Tell the gate how an attempt ended."""
        begun = self._end(outcome.index)
        if outcome.plain:
            self._gate.leave(begun.leave, Ended(outcome.wall))
            return
        records = list(_calls(outcome.records))
        usage = Usage.total(records)
        error = outcome.error
        quick_failure = error is not None and error.kind != "timeout"
        ended = Ended(
            None if quick_failure else outcome.wall,
            _tokens(usage, begun.leave, lost=error is not None and error.kind in _LOST and not records),
            error is not None and error.refused,
            (error.retry_after or 0.0) if error is not None else 0.0,
            asked=bool(usage.calls or not usage.kept),
        )
        unpriced = next((one for one in records if usage.unpriced and Usage.of(one).unpriced), None)
        self._gate.leave(
            begun.leave,
            ended,
            usage.calls,
            sum(map(_cost, records)),
            unpriced=None if unpriced is None else _field(unpriced, "model"),
        )

    def _remember(self, outcome: Outcome) -> None:
        index = outcome.index
        with self._gated:
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
        if self._log is not None and outcome.records:  # it may be that nothing more comes of the item
            self._log.enter(index, records)

    def _keep(self, block: Block, record: Record) -> None:
        self._complete(block)
        super()._keep(block, record)

    def _file(self, block: Block) -> None:
        """Every final outcome passes here."""
        self._complete(block)
        super()._file(block)

    def _complete(self, block: Block) -> None:
        """Give outcomes what their items' earlier attempts took and recorded; a second time adds nothing."""
        for earlier in self._earlier(block):
            block.put_before(earlier.index - block.start, earlier)

    def _earlier(self, block: Block) -> Iterator[Outcome]:
        if not self._before:
            return
        for index in range(block.start, block.start + len(block)):
            with self._gated:
                found = self._before.pop(index, None)
            if found is not None:
                yield found


def _calls(records: Iterable[Any]) -> Iterator[Any]:
    """The calls among ``records``, those of sub-workflows included."""
    for record in records:
        if Usage.counts(record):
            yield record
        else:
            yield from _calls(getattr(record, "calls", ()))


def _tokens(usage: Usage, leave: Admission, *, lost: bool) -> float | None:
    """What an attempt counts as; a call that did not tell its tokens as what was set aside for one. None
    where nothing came of the attempt, so that nobody knows whether it made any."""
    return None if lost else usage.tokens + usage.untold * leave.permit.tokens


def _cost(record: Any) -> int:
    return nano_usd(_field(record, "cost"))


def _field(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else getattr(record, name, None)
