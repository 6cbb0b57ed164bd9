"""How chunks pass a gate: a place in its line, a start counted for each attempt, and how that attempt ended.

Each attempt passes by itself. A worker makes one attempt and hands the item back; the next attempt waits
without a worker, and passes again. So a limit counts attempts, whichever worker makes them and however they
end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from batchmill.batch.admissions.contract import Claim
from batchmill.batch.admissions.rate_gate import AttemptPass, Gate
from batchmill.block import Block
from batchmill.errors import MissingExtra
from batchmill.executors.contract import Chunk
from batchmill.outcome import Outcome, Waits, nano_usd
from batchmill.policy.limits import EndedAttempt
from batchmill.record import Usage

_LOST = ("timeout", "worker_died", "cancelled")  # how an attempt ends of which nothing is heard any more


class GateClaim(Claim):
    """A place in the line of a gate, and passes for the items of the chunk that may start."""

    def __init__(self, gate: Gate, chunk: Chunk, stopped: Callable[[], bool]) -> None:
        self._gate = gate
        self._stopped = stopped
        self._start = chunk.start
        self._expected = [gate.expected(item, chunk.start + n) for n, item in enumerate(chunk.items)]
        self._place: threading.Condition | None = gate.join()
        self._waited = 0.0  # seconds
        self.passes: list[AttemptPass] = []

    @property
    def waits(self) -> Waits:
        return Waits(limit=self._waited)

    def wait(self) -> bool:
        if self._place is None:
            return False
        asked = time.perf_counter()
        try:
            return self._gate.wait_turn(self._place, self._expected[0], self._stopped)
        finally:
            self._waited += time.perf_counter() - asked

    def admit(self, count: int) -> int:
        self.passes = self._gate.let_through(self._expected[:count], self._stopped)
        return len(self.passes)

    def leave_line(self) -> None:
        if self._place is not None:
            self._gate.part(self._place)
            self._place = None

    def _pass(self, index: int) -> AttemptPass:
        return self.passes[index - self._start]

    def withdrawn(self, index: int) -> None:
        self._gate.withdraw(self._pass(index))

    def lost(self, chunk: Chunk) -> None:
        pause = (chunk.lost.retry_after if chunk.lost is not None else None) or 0.0
        self._gate.leave(self._pass(chunk.start), EndedAttempt(tokens=None, pause=pause))

    def ended(self, block: Block, offset: int) -> None:
        leave, outcome = self._pass(block.start + offset), block.outcome(offset)
        if outcome.plain:
            self._gate.leave(leave, EndedAttempt(outcome.wall))
            return
        records = list(calls_in(outcome.records))
        usage = Usage.total(records)
        unpriced = next((one for one in records if usage.unpriced and Usage.of(one).unpriced), None)
        self._gate.leave(
            leave,
            _how_it_ended(outcome, usage, leave, told=bool(records)),
            usage.calls,
            sum(map(_cost, records)),
            unpriced=None if unpriced is None else _field(unpriced, "model"),
        )


class RateLimited:
    """An :class:`~batchmill.batch.admissions.contract.Admission`: the batch's items go through ``gate``.

    Concurrency: any thread may call any method; the gate guards its own state.
    """

    starts_attempts = True

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def most(self) -> int | None:
        return self._gate.most

    def begin_taking(self) -> None:
        """Nothing to do: any thread may take."""

    def claim(self, chunk: Chunk, stopped: Callable[[], bool]) -> Claim:
        return GateClaim(self._gate, chunk, stopped)

    def wake(self) -> None:
        self._gate.wake()


def _how_it_ended(outcome: Outcome, usage: Usage, leave: AttemptPass, *, told: bool) -> EndedAttempt:
    """The end of an attempt for the limits; ``told`` says that it recorded calls."""
    error = outcome.error
    if error is None:
        kept = usage.kept or any(getattr(record, "known", False) for record in outcome.records)
        return EndedAttempt(outcome.wall, _tokens(usage, leave), asked=bool(usage.calls or not kept))
    nothing_heard = error.kind in _LOST and not told
    called = usage.calls or not (usage.kept or error.type == MissingExtra.__name__)
    return EndedAttempt(
        None if error.kind != "timeout" else outcome.wall,
        None if nothing_heard else _tokens(usage, leave),
        error.refused,
        error.retry_after or 0.0,
        asked=bool(called),
    )


def _tokens(usage: Usage, leave: AttemptPass) -> float:
    """The tokens that an attempt counts as; a call that reported none counts as the reservation for one."""
    return usage.tokens + usage.untold * leave.permit.tokens


def calls_in(records: Iterable[object]) -> Iterator[object]:
    """The calls among ``records``, including those of sub-workflows."""
    for record in records:
        if Usage.counts(record):
            yield record
        else:
            yield from calls_in(getattr(record, "calls", ()))


def _cost(record: object) -> int:
    return nano_usd(_field(record, "cost"))


def _field(record: object, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else getattr(record, name, None)
