"""Costs after the user's prices."""

from __future__ import annotations

import pytest

from batchmill.record import Price, PriceTable

TABLE = PriceTable({"m": Price(2.0, 10.0, 0.5), "n": Price(2.0, 10.0)})


def test_prices_are_for_a_million_tokens():
    assert TABLE.cost("m", 1_000_000, 500_000, 400_000) == pytest.approx(1.2 + 0.2 + 5.0)
    assert TABLE.cost("n", 1_000_000, 0, 400_000) == pytest.approx(2.0)
    assert TABLE.cost("m", 10, 0, 999) == pytest.approx(10 * 0.5 / 1e6)


def test_what_is_not_known_has_no_cost():
    assert TABLE.cost("other", 1, 1) is None
    assert TABLE.cost("m", None, 1) is None
    assert TABLE.cost("m", 1, None) is None
    assert PriceTable().cost("m", 1, 1) is None
