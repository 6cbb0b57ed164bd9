"""Calls and their sums."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchmill.record import LLMCall, Usage

usages = st.builds(Usage, st.integers(0, 9), st.integers(0, 10**9), st.integers(0, 10**9))


@given(usages, usages, usages)
def test_usage_adds_up_whatever_the_order(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a


def test_totals_over_calls_and_mappings() -> None:
    call = LLMCall("m", "p", "r", 10, 5, 0.2, "ask", 3)
    assert call.as_json() == {
        "model": "m",
        "prompt": "p",
        "response": "r",
        "input_tokens": 10,
        "output_tokens": 5,
        "wall": 0.2,
        "node": "ask",
        "index": 3,
        "provider": "",
        "cached_tokens": 0,
        "cost": None,
        "attempt": 1,
        "error": "",
        "tokens": None,
        "estimated": False,
        "kept": False,
        "id": "",
        "at": None,
    }
    missing = {"input_tokens": None}
    assert Usage.total([call, call.as_json(), missing]) == Usage(3, 20, 10, unpriced=3, tokens=30, untold=1)
    priced = LLMCall("m", input_tokens=4, output_tokens=1, cached_tokens=3, cost=0.5)
    assert Usage.total([priced, call]) == Usage(2, 14, 6, 3, cost=0.5, unpriced=1, tokens=20)
    assert Usage.total([]) == Usage()


def test_what_was_not_told_counts_as_its_estimate_and_what_was_kept_as_nothing() -> None:
    guessed = LLMCall("m", input_tokens=None, output_tokens=5, tokens=90, estimated=True, cost=0.25)
    assert Usage.of(guessed) == Usage(1, 0, 5, cost=0.25, tokens=90)
    kept = LLMCall("m", input_tokens=10, output_tokens=5, tokens=15, kept=True, cost=0.0)
    assert Usage.of(kept) == Usage.of(kept.as_json()) == Usage(kept=1)
