"""The ledger adds up: to the last digit what the calls cost."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from batchmill.record.ledger import LedgerEntry, ledger, total

CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "node": st.sampled_from(["a", "b"]),
            "model": st.sampled_from(["m", "n"]),
            "input_tokens": st.one_of(st.none(), st.integers(0, 10**6)),
            "output_tokens": st.integers(0, 10**6),
            "cost": st.one_of(st.none(), st.floats(0, 100)),
            "error": st.sampled_from(["", "no"]),
        }
    ),
    max_size=40,
)


@given(CALLS)
@example(
    [
        {"node": "a", "model": "m", "input_tokens": 0, "output_tokens": 0, "cost": c, "error": ""}
        for c in (68.0, 2.220446049250313e-16, 2.0)
    ]
)
def test_the_total_is_what_adding_the_calls_gives(calls):
    whole = total(ledger(calls))
    assert whole.calls == len(calls)
    assert whole.input_tokens == sum(call["input_tokens"] or 0 for call in calls)
    assert whole.output_tokens == sum(call["output_tokens"] for call in calls)
    assert Fraction(whole.cost) == sum(
        (Fraction(repr(call["cost"])) for call in calls if call["cost"] is not None), Fraction(0)
    )
    assert whole.unpriced == sum(call["cost"] is None for call in calls)
    assert (whole.node, whole.model) == ("", "")


def test_entries_are_by_node_and_model_in_the_order_they_came():
    call = {"model": "m", "input_tokens": 1, "output_tokens": 2, "cost": 0.1}
    calls = [
        {**call, "node": "b"},
        {**call, "node": "a"},
        {**call, "node": "b"},
        {**call, "node": "b", "model": "n"},
    ]
    assert [(entry.node, entry.model, entry.calls) for entry in ledger(calls)] == [
        ("b", "m", 2),
        ("a", "m", 1),
        ("b", "n", 1),
    ]
    assert ledger(calls)[0].as_json()["cost"] == 0.2


def test_without_a_price_the_cost_is_not_known():
    (entry,) = ledger([{"model": "m", "input_tokens": 5}])
    assert entry.as_json()["cost"] is None
    assert entry.as_json()["unpriced"] == 1
    assert LedgerEntry().as_json()["calls"] == 0
