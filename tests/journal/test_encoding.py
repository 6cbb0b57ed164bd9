"""JSON text that gives back the very value, and what it refuses."""

import enum
import json
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.journal.encoding import NOT_JSON, decode, encode, is_exact

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@given(JSON)
def test_json_comes_back_as_it_was(value):
    text = encode(value)
    assert text.isascii()
    assert is_exact(value)
    assert repr(decode(text)) == repr(value)
    assert json.loads(text) == value


def test_half_a_surrogate_pair_comes_back():
    assert decode(encode("\ud800 \x00")) == "\ud800 \x00"


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: 2}, [(1,)], {"a": {"b": (1,)}}, Colour.RED, [Colour.RED], Name("a"), {Name("a"): 1},
     OrderedDict()],
    ids=repr,
)  # fmt: skip
def test_what_would_come_back_as_something_else_is_not_exact(value):
    encode(value)
    assert not is_exact(value)


def holding_itself():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value", [b"x", object(), {1, 2}, float("nan"), [float("inf")], {(1,): 2}, holding_itself()], ids=repr
)
def test_what_is_no_json_is_refused(value):
    with pytest.raises(NOT_JSON):
        encode(value)
