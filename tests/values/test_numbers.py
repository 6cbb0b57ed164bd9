"""Numbers out of text: no digit is lost without a word."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.values import LostDigits, exact_float, exact_number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_writes_a_float_can_be_read(value: float) -> None:
    for text in (repr(value), f"{value:.17e}", f"{value:.16e}", f"{value:.25e}"):
        assert exact_float(text) == value or math.isinf(float(text))


@pytest.mark.parametrize(
    "text", ["0.12345678901234567890", "1e400", "-1e309", "1e-400", "0.1234567890123456789"]
)
def test_a_number_that_would_change_is_refused(text: str) -> None:
    with pytest.raises(LostDigits):
        exact_float(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("007", 7),
        ("+5", 5),
        ("-5", -5),
        (" 1.5 ", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("0" * 20, 0),
    ],
)
def test_numbers_as_people_write_them(text: str, expected: float) -> None:
    found = exact_number(text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("text", ["", "x", "1,5", "1 000", "0x10", "NaN", "inf", "1e", "--1", "٣", "1_000"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        exact_number(text)


def test_an_integer_that_python_does_not_read() -> None:
    with pytest.raises(LostDigits, match="4,300 digits"):
        exact_number("1" * 4301)
