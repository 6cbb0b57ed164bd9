"""Permits that batches share: who has one, and when it is free again. And beside a gate: in which order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from batchmill.batch.admissions.gate_claim import GateClaim, RateLimited
from batchmill.batch.admissions.gates import Gates
from batchmill.batch.admissions.job_permits import JobPermits
from batchmill.batch.admissions.rate_gate import Gate
from batchmill.batch.window import Window
from batchmill.block import Block
from batchmill.concurrency.clock import FakeClock
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.items.sources import as_source
from batchmill.outcome import LEAST_WAIT, ErrorInfo, Outcome
from batchmill.policy import FailurePolicy, FailureWatch
from batchmill.policy.budget import BudgetLimits
from batchmill.policy.limits import EndedAttempt, Limits


def shared(n: int, permits: FairSemaphore, *, one_by_one: bool = False) -> Window:
    admissions = [JobPermits(permits, one_by_one=one_by_one)]
    watch = FailureWatch(FailurePolicy(), n)
    return Window(as_source(range(n)), watch, ordered=False, admissions=admissions)


def done(start: int, count: int) -> Block:
    return Block(start, [None] * count, [0.0] * count, items=range(start, start + count))


def free(permits: FairSemaphore) -> int:
    """How many permits are free, found by taking them all and giving them back."""
    taken: list[Any] = []
    while (permit := permits.acquire(lambda: True)) is not None:
        taken.append(permit)
    for permit in taken:
        permits.release(permit)
    return len(taken)


def test_a_chunk_has_one_permit_until_all_of_it_is_settled() -> None:
    permits = FairSemaphore(2)
    channel = shared(10, permits)
    chunk = channel.take(4, 100)
    assert chunk is not None
    assert free(permits) == 1
    channel.deliver(done(0, 3))
    assert free(permits) == 1
    channel.give_back(chunk.part(3))
    assert free(permits) == 2


def test_items_given_back_and_taken_again_have_a_permit_of_their_own() -> None:
    permits = FairSemaphore(2)
    channel = shared(4, permits)
    first = channel.take(4, 100)
    assert first is not None
    channel.give_back(first.part(2))
    again = channel.take(4, 100)
    assert again is not None
    assert (again.start, len(again), free(permits)) == (2, 2, 0)
    channel.deliver(done(2, 2))
    assert free(permits) == 1
    channel.deliver(done(0, 2))
    assert free(permits) == 2


def test_items_that_a_worker_runs_side_by_side_travel_alone() -> None:
    channel = shared(4, FairSemaphore(3), one_by_one=True)
    chunk = channel.take(4, 100)
    assert chunk is not None
    assert len(chunk) == 1


def test_a_batch_that_is_stopped_while_its_worker_waits_gives_the_items_back() -> None:
    permits = FairSemaphore(1)
    held = permits.acquire(lambda: False)
    channel = shared(4, permits)
    channel.stop()
    assert channel.take(4, 100) is None
    assert held is not None
    assert free(permits) == 0


def test_it_is_no_source_that_gives_at_once() -> None:
    channel = shared(4, FairSemaphore(1))
    watch = FailureWatch(FailurePolicy(), 4)
    assert Window(as_source(range(4)), watch, ordered=False).instant
    assert not channel.instant


class Limited:
    """Batches of one item each behind one limit, in a run with few permits; each has a worker that takes."""

    def __init__(
        self, count: int, permits: FairSemaphore, limits: Limits, budget: BudgetLimits | None = None
    ) -> None:
        self.clock = FakeClock()
        self.gates = Gates(clock=self.clock)
        self.permits = permits
        self.lane = self.gates.lane("api", limits)
        budgets = [(self.gates.budget("the run", budget), True)] if budget is not None else []
        self.channels: list[Window] = []
        self.started: list[Window] = []
        for _ in range(count):
            watch = FailureWatch(FailurePolicy(), 1)
            gate = Gate(self.gates, self.lane, budgets)
            both = [RateLimited(gate), JobPermits(permits, one_by_one=False)]
            window = Window(as_source([7]), watch, ordered=False, admissions=both)
            self.channels.append(window)
        self.threads = [threading.Thread(target=self._take, args=(one,)) for one in self.channels]
        for thread in self.threads:
            thread.start()

    def _take(self, channel: Window) -> None:
        if channel.take(1, 100) is not None:
            self.started.append(channel)

    def look(self) -> None:
        with self.gates.lock:
            self.lane.wake()

    def close(self) -> None:
        for channel in self.channels:
            channel.stop()
        for thread in self.threads:
            thread.join()


def test_who_waits_for_a_permit_has_not_started_yet(soon: Callable[[Any], bool]) -> None:
    """The limit allows three starts while there is no permit: one of them may be made when there is one."""
    permits = FairSemaphore(3)
    held = [permits.acquire(lambda: False) for _ in range(3)]
    run = Limited(5, permits, Limits(per_second=1))
    try:
        assert soon(lambda: len(run.lane.waiting) == 5)
        for _ in range(3):
            run.clock.advance(1.0)
            run.look()
        assert soon(lambda: len(permits._waiting) == 1)  # the first in line; the others have no need yet
        for permit in held:
            assert permit is not None
            permits.release(permit)
        assert soon(lambda: run.started)
        assert soon(lambda: len(run.lane.waiting) == 4)
        assert not run.threads[-1].join(0.05)
        assert len(run.started) == 1
        run.clock.advance(1.0)
        run.look()
        assert soon(lambda: len(run.started) == 2)
    finally:
        run.close()


def test_a_pause_that_a_service_asks_for_holds_those_who_wait_for_a_permit(
    soon: Callable[[Any], bool],
) -> None:
    permits = FairSemaphore(1)
    run = Limited(2, permits, Limits(per_second=1000, burst=100))
    try:
        assert soon(lambda: run.started)
        assert soon(lambda: len(permits._waiting) == 1)
        first = run.started[0]
        gated, permitted = first._admissions._tickets[0].claims
        assert isinstance(gated, GateClaim)
        run.clock.advance(0.5)
        gated._gate.leave(gated.passes[0], EndedAttempt(refused=True, pause=30.0))
        permitted.settled()
        assert not run.threads[-1].join(0.05)
        assert len(run.started) == 1
        assert soon(lambda: free(permits) == 1)  # what waits out the pause has none
        run.clock.advance(30.0)
        run.look()
        assert soon(lambda: len(run.started) == 2)
    finally:
        run.close()


def test_what_waits_for_a_permit_has_set_nothing_aside(soon: Callable[[Any], bool]) -> None:
    permits = FairSemaphore(1)
    held = permits.acquire(lambda: False)
    run = Limited(3, permits, Limits(max_concurrent=2), BudgetLimits(requests=2))
    try:
        assert soon(lambda: len(run.lane.waiting) == 3)
        budget = run.gates.budget("the run", BudgetLimits())
        assert budget.outstanding == 0
        assert run.lane.limiter.in_flight == 0
        assert held is not None
        permits.release(held)
        assert soon(lambda: run.lane.limiter.in_flight == 1)
    finally:
        run.close()


def test_what_was_waited_for_a_permit_is_told_of_the_first_item(
    soon: Callable[[Callable[[], object]], bool],
) -> None:
    permits = FairSemaphore(1)
    held = permits.acquire(lambda: False)
    assert held is not None
    channel = shared(2, permits)
    taker = threading.Thread(target=channel.take, args=(2, 100))
    taker.start()
    assert soon(lambda: permits._waiting)
    assert channel.under_way(5) == (0, [])  # it waits
    time.sleep(2 * LEAST_WAIT)
    permits.release(held)
    taker.join()
    assert channel.under_way(5)[0] == 2
    channel.deliver(done(0, 2))
    (block,) = channel.ready()
    assert list(block.waits) == [0]
    assert block.waits[0].permit >= LEAST_WAIT
    assert block.waits[0].limit == 0


def test_an_attempt_that_is_made_again_has_a_permit_of_its_own() -> None:
    """The permit of the one before is free by the time the item can be taken again."""
    permits = FairSemaphore(1)
    gates = Gates()
    both = [RateLimited(Gate(gates, gates.lane("api", Limits()))), JobPermits(permits, one_by_one=False)]
    watch = FailureWatch(FailurePolicy(), 1)
    window = Window(as_source(["a"]), watch, ordered=False, admissions=both)
    for attempt in (1, 2):
        chunk = window.take(1, 100)
        assert chunk is not None
        assert (chunk.attempts, free(permits)) == (attempt - 1, 0)
        failed = Outcome(0, error=ErrorInfo("ValueError", "no"), attempts=attempt, wall=0.5)
        window.deliver(Block.of(replace(failed, again=0.0 if attempt == 1 else None), "a"))
        assert free(permits) == 1
    (block,) = window.ready()
    (outcome,) = block.outcomes()
    assert (outcome.attempts, outcome.wall) == (2, 1.0)
