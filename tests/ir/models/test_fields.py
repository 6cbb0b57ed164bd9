"""Numbers, words and sizes: nothing is coerced, and every refusal says the whole range."""

from __future__ import annotations

import math

import pytest
from pydantic_core import PydanticCustomError

from batchmill.ir.models.fields import (
    Bytes,
    Number,
    SchemaValue,
    Text,
    Whole,
    WholeOrAuto,
    WholeOrTemplate,
)


@pytest.mark.parametrize("value", [1, 7, 1000, 10.0])
def test_whole_numbers_in_range_are_taken(value):
    found = Whole(1, 1000).check(value)
    assert found == value
    assert type(found) is int


@pytest.mark.parametrize(
    "value", [0, -1, 1001, 10**9, 1.5, math.nan, math.inf, True, False, "10", None, [1], {}, 10**4000]
)
def test_other_values_are_refused_with_the_range(value):
    with pytest.raises(PydanticCustomError, match="must be a whole number from 1 to 1,000, not "):
        Whole(1, 1000).check(value)


@pytest.mark.parametrize("value", [0, 0.5, 60, 1e3])
def test_numbers_in_range_are_taken_as_floats(value):
    found = Number(0, 1000).check(value)
    assert found == value
    assert type(found) is float


@pytest.mark.parametrize("value", [-0.1, 1001, math.nan, math.inf, -math.inf, True, "1", None, 10**400])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(PydanticCustomError, match="must be a number of seconds from 0 to 1,000, not "):
        Number(0, 1000, unit="seconds").check(value)


def test_a_bound_may_be_excluded():
    with pytest.raises(PydanticCustomError, match="above 0 and up to 10, not 0"):
        Number(0, 10, above=True).check(0)
    assert Number(0, 10, above=True).check(1e-9) == 1e-9


@pytest.mark.parametrize(
    ("value", "size"),
    [(100, 100), ("5KB", 5000), ("5 KiB", 5120), ("2mb", 2_000_000), ("1G", 10**9), (64.0, 64)],
)
def test_sizes_are_read(value, size):
    assert Bytes(10, 10**12).check(value) == size


@pytest.mark.parametrize(
    "value", [9, "9", "100", "1.5MB", "MB", "", "-5MB", "5TB", "5iB", True, None, "9" * 20]
)
def test_other_sizes_are_refused(value):
    with pytest.raises(PydanticCustomError, match="512MB"):
        Bytes(10, 10**12).check(value)


@pytest.mark.parametrize("value", ["a", "_x", "fetch-all_2", "2nd", "größe"])
def test_names(value):
    assert Text(r"^\w[\w-]*$", "a name").check(value) == value


@pytest.mark.parametrize("value", ["", "-a", "a b", "a.b", "a\n", "${a}", 1, None, True])
def test_other_texts_are_no_names(value):
    with pytest.raises(PydanticCustomError, match="must be a name, not "):
        Text(r"^\w[\w-]*$", "a name").check(value)


def test_a_message_shows_braces_as_they_are():
    with pytest.raises(PydanticCustomError, match=r'must be a name, not "\{value\}"'):
        Text(r"^\w[\w-]*$", "a name").check("{value}")


def test_words_beside_numbers():
    assert WholeOrAuto(1, 5).check("auto") == "auto"
    assert WholeOrTemplate(1, 5).check("${n}") == "${n}"
    with pytest.raises(PydanticCustomError, match="`auto` or a whole number from 1 to 5"):
        WholeOrAuto(1, 5).check("Auto")
    with pytest.raises(PydanticCustomError, match="a whole number or a template"):
        WholeOrTemplate(1, 5).check("3")


@pytest.mark.parametrize("value", [1, "x", [], None])
def test_a_schema_is_an_object_or_a_boolean(value):
    assert SchemaValue().check(False) is False
    with pytest.raises(PydanticCustomError, match="JSON Schema"):
        SchemaValue().check(value)
