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
    }
    missing = {"input_tokens": None}
    assert Usage.total([call, call.as_json(), missing]) == Usage(3, 20, 10)
    assert Usage.total([]) == Usage()
