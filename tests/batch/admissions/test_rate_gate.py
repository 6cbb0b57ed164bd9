"""The gate: first come first served, one key for many batches, stopped while waiting, budgets."""

from __future__ import annotations

import threading
import time

import pytest

import batchmill
from batchmill.batch.admissions.gate_claim import GateClaim
from batchmill.batch.admissions.gates import Gates
from batchmill.batch.admissions.rate_gate import Gate
from batchmill.concurrency.clock import FakeClock
from batchmill.executors.contract import Chunk
from batchmill.outcome import nano_usd
from batchmill.policy.budget import BudgetLimits
from batchmill.policy.limits import EndedAttempt, Limits


def gate(limits=None, key="api", gates=None, budget=None, **settings):
    gates = gates or Gates()
    budgets = [(gates.budget("the run", budget), True)] if budget is not None else []
    return Gate(gates, gates.lane(key, limits or Limits()), budgets, **settings)


def never():
    return False


def enter(way, items, stopped):
    """Wait until the first of neighbouring items may start; passes for it and those that start with it."""
    claim = GateClaim(way, Chunk(items[0][1], [item for item, _ in items]), stopped)
    try:
        while claim.wait():
            if claim.admit(len(items)):
                return claim.passes
        return []
    finally:
        claim.leave_line()


def in_thread(work):
    thread = threading.Thread(target=work, name="waiter")
    thread.start()
    return thread


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_who_comes_first_is_served_first():
    way = gate(Limits(max_concurrent=1))
    held = enter(way, [("first", 0)], never)[0]
    served, threads = [], []

    def wait(number):
        leave = enter(way, [(number, number)], never)[0]
        served.append(number)
        way.leave(leave, EndedAttempt())

    for number in range(8):
        threads.append(in_thread(lambda number=number: wait(number)))
        until(lambda number=number: len(way._lane.waiting) == number + 1)
    way.leave(held, EndedAttempt())
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def test_batches_with_one_key_share_its_limit_and_others_do_not():
    gates = Gates()
    one, two = gate(Limits(max_concurrent=1), gates=gates), gate(gates=gates)
    other = gate(Limits(max_concurrent=1), key="other", gates=gates)
    held = enter(one, [("a", 0)], never)[0]
    entered = threading.Event()

    def wait():
        two.leave(enter(two, [("b", 0)], never)[0], EndedAttempt())
        entered.set()

    thread = in_thread(wait)
    other.leave(enter(other, [("c", 0)], never)[0], EndedAttempt())
    until(lambda: one._lane.waiting)
    assert not entered.is_set()
    one.leave(held, EndedAttempt())
    thread.join()
    assert entered.is_set()


def test_who_waits_hears_that_it_is_over():
    way = gate(Limits(per_second=0.001))
    enter(way, [("a", 0)], never)
    over, got = threading.Event(), []
    thread = in_thread(lambda: got.append(enter(way, [("b", 1)], over.is_set)))
    until(lambda: way._lane.waiting)
    over.set()
    way.wake()
    thread.join()
    assert got == [[]]


def test_several_start_together_where_the_limit_allows():
    way = gate(Limits(per_second=1000, burst=3))
    assert way.most == 5
    assert len(enter(way, [(n, n) for n in range(5)], never)) == 5
    assert gate(Limits(per_second=50)).most == 1
    assert gate(Limits(per_second=5000, max_concurrent=9)).most == 1


def test_a_pause_is_no_longer_than_the_batch_allows():
    way = gate(Limits(per_second=100), longest_pause=0.01)
    way.leave(enter(way, [("a", 0)], never)[0], EndedAttempt(refused=True, pause=3600))
    began = time.monotonic()
    enter(way, [("b", 1)], never)
    assert time.monotonic() - began < 60


def test_a_budget_waits_for_what_runs_and_then_says_that_it_is_used_up():
    told = []
    gates = Gates(on_exhausted=told.append)
    way = gate(gates=gates, budget=BudgetLimits(requests=2))
    first, second = enter(way, [("a", 0)], never)[0], enter(way, [("b", 1)], never)[0]
    got = []
    thread = in_thread(lambda: got.append(enter(way, [("c", 2)], never)))
    until(lambda: way._lane.waiting)
    way.withdraw(first)  # it was not made after all
    thread.join()
    assert len(got[0]) == 1
    way.leave(second, EndedAttempt())
    way.leave(got[0][0], EndedAttempt())
    assert enter(way, [("d", 3)], never) == []
    assert told == ["the budget of 2 requests of the run is used up"]
    assert gates.exhausted == told[0]


def test_the_first_call_of_unknown_cost_runs_alone_and_teaches_what_calls_cost():
    way = gate(budget=BudgetLimits(tokens=1000, usd=1), expect=lambda item, index: 25)
    first = enter(way, [("a", 0)], never)[0]
    assert first.reserved[0].tokens == 1000
    way.leave(first, EndedAttempt(tokens=100), calls=1, nano_usd=nano_usd(0.02))
    second = enter(way, [("b", 1)], never)[0]
    assert second.reserved[0].tokens == 100
    assert second.reserved[0].nano_usd == nano_usd(0.02)


@pytest.mark.parametrize(("cost", "nano"), [(None, 0), (0.1, 100_000_000), (1e-9, 1), (1e-12, 1), (0.0, 0)])
def test_dollars_become_whole_billionths(cost, nano):
    assert nano_usd(cost) == nano


def test_a_call_of_which_nothing_is_heard_counts_as_what_was_expected():
    limits = BudgetLimits(tokens=1000, usd=1)
    way = gate(budget=limits, expect=lambda *_: 25, expect_usd=lambda *_: 0.03, models=True)
    budget = way._budgets[0][0]
    way.leave(enter(way, [("a", 0)], never)[0], EndedAttempt(tokens=None))
    assert (budget.spent.tokens, budget.spent.nano_usd) == (25, nano_usd(0.03))
    way.leave(enter(way, [("b", 1)], never)[0], EndedAttempt(tokens=100), calls=1, nano_usd=nano_usd(0.02))
    way.leave(
        enter(way, [("c", 2)], never)[0], EndedAttempt(tokens=None)
    )  # by now it is known what calls use
    assert (budget.spent.tokens, budget.spent.nano_usd) == (225, nano_usd(0.07))


def test_an_attempt_that_never_made_a_call_counts_as_none():
    way = gate(budget=BudgetLimits(tokens=1000), expect=lambda *_: 25)
    way.leave(enter(way, [("a", 0)], never)[0], EndedAttempt(tokens=None))
    assert way._budgets[0][0].spent.tokens == 0


def test_what_was_not_asked_spends_no_request():
    way = gate(Limits(per_second=10), budget=BudgetLimits(requests=1))
    for number in range(3):
        way.leave(enter(way, [(number, number)], never)[0], EndedAttempt(asked=False))
    assert way._budgets[0][0].spent.requests == 0


def test_a_call_without_a_price_ends_a_budget_of_dollars():
    told = []
    gates = Gates(on_exhausted=told.append)
    way = gate(gates=gates, budget=BudgetLimits(usd=5))
    way.leave(enter(way, [("a", 0)], never)[0], EndedAttempt(tokens=5), calls=1, unpriced="m")
    assert told == ["the budget of 5 USD of the run cannot be held: the model 'm' has no price"]
    tokens = gate(gates=gates, key="other")
    tokens.leave(enter(tokens, [("a", 0)], never)[0], EndedAttempt(), calls=1, unpriced="m")
    assert len(told) == 1


def test_limits_of_a_lane_are_those_of_the_gates_that_are_open():
    gates = Gates()
    lane = gates.lane("api", Limits())

    def asking(**limits):
        return Gate(gates, lane, limits=Limits(**limits))

    slow, quick, any_will_do = asking(per_second=1), asking(per_second=100), asking()
    quick.open()
    slow.open()
    assert lane.limiter.limits.per_second == 1
    slow.close()
    assert lane.limiter.limits.per_second == 100
    quick.close()
    any_will_do.open()
    assert lane.limiter.limits.per_second == 100
    slow.open()
    assert lane.limiter.limits.per_second == 1


def test_calls_one_after_another_with_the_same_limits_go_on_where_the_last_one_stopped():
    clock = FakeClock()
    gates = Gates(clock=clock)
    lane = gates.lane("api", Limits())
    for _ in range(2):
        one = Gate(gates, lane, limits=Limits(per_second=1))
        one.open()
        wait = lane.limiter.wait(0, clock.monotonic())
        if not wait:
            one.leave(enter(one, [("a", 0)], never)[0], EndedAttempt(pause=3.0))
        one.close()
    assert wait == 3.0


def test_a_key_can_get_another_limit_in_the_same_process():
    """What nobody at work asks for any more does not hold."""
    limited = {"per_second": 0.001, "key": "one that can be changed"}
    batchmill.map(abs, [1], rate_limit=limited)
    done = batchmill.map(abs, range(50), rate_limit={**limited, "per_second": 10_000})
    assert list(done) == list(range(50))


def test_calls_at_once_teach_what_calls_use_no_more_than_one_does():
    """Each is compared with its own estimate, and not with what others have shown since it started."""
    way = gate(budget=BudgetLimits(tokens=10_000), expect=lambda item, index: 25)
    way.leave(enter(way, [("a", 0)], never)[0], EndedAttempt(tokens=25), calls=1)
    leaves = [enter(way, [("b", index)], never)[0] for index in range(8)]
    for leave in leaves:
        way.leave(leave, EndedAttempt(tokens=100), calls=1)
    assert enter(way, [("c", 9)], never)[0].reserved[0].tokens == 100
