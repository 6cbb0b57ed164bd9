"""Templates in large values are never overlooked; what has none is mostly known to have none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.template.presence import LARGE, ConstantItems, is_large, may_hold_templates

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["${a}", "$${", "{$"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def holds(value: Any) -> bool:
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        return any(map(holds, value.values()))
    return isinstance(value, list) and any(map(holds, value))


@given(JSON)
def test_no_template_is_overlooked(value: Any) -> None:
    assert may_hold_templates(value) or not holds(value)


@pytest.mark.parametrize(
    "value",
    [
        list(range(100_000)),
        [0x7B24, 0x247B, 0x247B24, 0x7B24 << 40],
        [{"n": n, "text": f"$ {{{n}}}"} for n in range(40_000)],
        [n * 0.1 for n in range(10_000)],
        ["\ud800", "é" * 10],
    ],
)
def test_numbers_are_no_templates(value: Any) -> None:
    assert not may_hold_templates(value)


def test_what_cannot_be_told_may_hold_some() -> None:
    nested: Any = "${x}"  # too deep for some interpreters; others find it
    for _ in range(5000):
        nested = [nested]
    assert may_hold_templates(nested)
    assert may_hold_templates([object()])


def test_large_is_counted_in_members() -> None:
    assert is_large([0] * (LARGE + 1))
    assert not is_large([0] * LARGE)
    assert not is_large("x" * 10_000)
    assert is_large(dict.fromkeys(range(LARGE + 1)))


def test_constant_items_are_nobody_elses() -> None:
    written = [{"tags": ["a"]}, 3, None]
    items = ConstantItems(written)
    assert items == written
    items[0]["tags"].append("b")
    assert items == written == [{"tags": ["a"]}, 3, None]
