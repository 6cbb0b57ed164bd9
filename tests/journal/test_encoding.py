"""JSON text that gives back the very value, and what it refuses."""

import enum
import json
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchmill.journal.encoding import NOT_JSON, are_exact, decode, decode_all, encode, encode_all, is_exact

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@pytest.mark.slow
@given(JSON)
def test_json_comes_back_as_it_was(value):
    text = encode(value)
    assert text.isascii()
    assert is_exact(value)
    assert repr(decode(text)) == repr(value)
    assert json.loads(text) == value


@settings(max_examples=30)  # each of which is many values
@given(st.lists(JSON | st.lists(st.just("~"), max_size=4)))
def test_many_values_are_encoded_as_each_by_itself(values):
    assert encode_all(values) == [encode(value) for value in values]


@pytest.mark.parametrize("value", [["a", "~", "b"], {"k": ["~", "~", "~"]}, "~", ',"~",', '\\","~",'])
def test_the_mark_between_values_may_be_in_them(value):
    assert encode_all([1, value, "z"]) == ["1", encode(value), '"z"']


def test_one_value_that_is_no_json_refuses_all():
    with pytest.raises(NOT_JSON):
        encode_all([1, float("nan"), 2])


@settings(max_examples=30)
@given(st.lists(JSON | st.lists(st.just("~"), max_size=4)))
def test_many_texts_are_decoded_as_each_by_itself(values):
    assert decode_all(encode_all(values)) == values


@pytest.mark.parametrize(
    "texts",
    [
        ["1,2"],
        ['{"a":1', '"b":2}'],
        ["1]", "[2"],
        ["1", "", "2"],
        ["1", '2,"~",3'],
        ['1,"~",2', "3,4"],
        ["{"],
    ],
)
def test_texts_that_are_values_only_together_are_refused(texts):
    with pytest.raises(ValueError, match=r"."):  # that of json, in its words, or ours
        decode_all(texts)


@pytest.mark.slow
@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.text(), JSON | st.just((1,)) | st.just(Colour.RED)) | JSON))
def test_many_values_are_exact_as_each_by_itself(values):
    assert are_exact(values) == [is_exact(value) for value in values]


@pytest.mark.parametrize("odd", [{1: 2}, {Name("a"): 1}, {"a": Name("b")}, {"a": (1,)}, OrderedDict()])
def test_one_that_is_not_exact_is_found_among_many(odd):
    assert are_exact([{"a": 1}, odd, {"b": None}]) == [True, False, True]


def test_half_a_surrogate_pair_comes_back():
    assert decode(encode("\ud800 \x00")) == "\ud800 \x00"


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: 2}, [(1,)], {"a": {"b": (1,)}}, Colour.RED, [Colour.RED], Name("a"), {Name("a"): 1},
     OrderedDict()],

)  # fmt: skip
def test_what_would_come_back_as_something_else_is_not_exact(value):
    encode(value)
    assert not is_exact(value)


def holding_itself():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value", [b"x", object(), {1, 2}, float("nan"), [float("inf")], {(1,): 2}, holding_itself()]
)
def test_what_is_no_json_is_refused(value):
    with pytest.raises(NOT_JSON):
        encode(value)
