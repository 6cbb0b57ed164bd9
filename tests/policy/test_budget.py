"""Budgets: set aside before, settled after, never more than there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.errors import InvalidSetting
from batchmill.outcome import NANO, Spent
from batchmill.policy.budget import Budget, BudgetLimits


def test_it_lends_until_it_is_used_up():
    budget = Budget(BudgetLimits(requests=2), "the run")
    one = Spent(1)
    assert budget.reserve(one) is None
    assert budget.reserve(one) is None
    assert budget.reserve(one) == "the budget of 2 requests of the run is used up"
    budget.release(one)
    assert budget.reserve(one) is None


def test_what_a_call_did_not_use_is_there_for_others():
    budget = Budget(BudgetLimits(tokens=100), "node ask")
    first = Spent(1, 100)
    assert budget.reserve(first) is None
    assert budget.reserve(Spent(1, 10)) is not None
    budget.settle(first, Spent(1, 30))
    assert budget.left().tokens == 70
    assert budget.reserve(Spent(1, 70)) is None


def test_a_call_of_unknown_cost_does_not_start_once_nothing_is_left():
    budget = Budget(BudgetLimits(usd=0.5), "the run", Spent(3, 1000, NANO // 2))
    assert budget.reserve(Spent(1)) == "the budget of 0.5 USD of the run is used up"


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=40))
def test_with_honest_estimates_it_is_never_overdrawn(calls):
    budget = Budget(BudgetLimits(tokens=1000), "the run")
    for expected, real in calls:
        amount = Spent(1, expected)
        if budget.reserve(amount) is None:
            budget.settle(amount, Spent(1, min(real, expected)))
    assert budget.spent.tokens <= 1000
    assert budget.outstanding == 0


def test_tenths_of_cents_add_up_exactly():
    budget = Budget(BudgetLimits(usd=0.3), "the run")
    for _ in range(3):
        assert budget.reserve(Spent(1, 0, NANO // 10)) is None
        budget.settle(Spent(1, 0, NANO // 10), Spent(1, 0, NANO // 10))
    assert budget.left().nano_usd == 0


def test_a_budget_below_nothing_is_refused():
    with pytest.raises(InvalidSetting, match="budget of usd"):
        BudgetLimits(usd=-1)
