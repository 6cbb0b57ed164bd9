"""The scanner finds every value and key of any JSON text where the json module reads them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from batchmill.ir.positions import JsonPositions, KnownPositions, NoPositions, TextPlace
from batchmill.values.scanning import doubled_keys, walk_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def every_path(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from every_path(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from every_path(member, (*path, index))


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_each_offset_is_where_that_value_is_written(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = {path: (key, begin) for path, key, begin in walk_json(text, lambda path: True)}
    assert set(found) == {path for path, _ in every_path(value)}
    decoder = json.JSONDecoder()
    for path, member in every_path(value):
        key, begin = found[path]
        assert decoder.raw_decode(text, begin)[0] == member
        if path and isinstance(path[-1], str):
            assert decoder.raw_decode(text, key)[0] == path[-1]
        else:
            assert key == begin


@given(VALUES)
def test_only_wanted_places_are_given_and_they_agree_with_a_full_walk(value):
    text = json.dumps(value, indent=1)
    paths = [path for path, _ in every_path(value)]
    everything = JsonPositions(text).find(paths)
    assert set(everything) == set(paths)
    for path in paths:
        assert JsonPositions(text).find([path]) == {path: everything[path]}


def test_lines_and_columns_count_from_one_and_in_characters():
    text = '{\n  "é": [1,\n    {"😀": true}]\n}'
    found = JsonPositions(text).find([(), ("é",), ("é", 1, "😀")])
    assert found[()] == TextPlace((1, 1), (1, 1))
    assert found[("é",)] == TextPlace((2, 8), (2, 3))
    assert found[("é", 1, "😀")] == TextPlace((3, 11), (3, 6))


def test_brackets_and_quotes_in_text_do_not_mislead():
    text = '{"a": {"x": "}]\\"{"}, "b": 1}'
    assert JsonPositions(text).find([("b",)]) == {("b",): TextPlace((1, 28), (1, 23))}


def test_a_path_that_is_not_there_is_not_found():
    assert JsonPositions('{"a": 1}').find([("b",), ("a", 0)]) == {}
    assert NoPositions().find([()]) == {}
    assert KnownPositions({(): TextPlace((1, 1), (1, 1))}).find([("b",)]) == {}


def test_duplicates_are_told_once_each_and_not_what_is_in_them():
    text = '{"a": {"x": 1}, "b": [{"c": 1, "c": 2}], "a": {"x": 2}, "\\u0061": 3}'
    assert list(doubled_keys(text)) == [(("b", 0, "c"), 31), (("a",), 41), (("a",), 56)]
