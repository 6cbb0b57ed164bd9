"""What is called clean at a glance is what the full screening finds nothing in."""

from __future__ import annotations

import gc
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.ir.quick_screening import no_collection, reads_clean
from batchmill.ir.screening import Unwalkable, screen

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_clean_is_clean(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    raw = json.loads(text)
    if reads_clean(raw, text):
        assert screen(raw) == []


@pytest.mark.parametrize(
    "text",
    [
        "[1e999]",
        "[-1e999, NaN]",
        "[" + "9" * 4301 + "]",
        "[" * 201 + "]" * 201,
        '{"a":' * 201 + "1" + "}" * 201,
    ],
)
def test_what_is_wrong_is_never_clean(text: str) -> None:
    sys.set_int_max_str_digits(5000)  # or it would not even be read
    try:
        raw = json.loads(text)
    finally:
        sys.set_int_max_str_digits(4300)
    assert not reads_clean(raw, text)
    try:
        assert screen(raw)
    except Unwalkable:
        pass


def test_too_many_values_are_not_clean() -> None:
    text = "[" + "1," * 10_000_000 + "1]"
    assert not reads_clean([], text)


@pytest.mark.parametrize(
    "text",
    [
        '{"nodes": [{"id": "a", "params": {"x": [1, -2.5, 1e30, true, null, "é \\n \\u00e9"]}}]}',
        "[[], {}, [{}]]",
        "3",
    ],
)
def test_ordinary_documents_are_clean(text: str) -> None:
    assert reads_clean(json.loads(text), text)


def test_the_collector_is_left_as_it_was() -> None:
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
