"""YAML gives the same values as JSON would, knows where they stand, and builds no Python objects."""

from __future__ import annotations

import json
import re
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from batchmill.ir.faults import Fault
from batchmill.ir.positions import TextPlace
from batchmill.ir.screening import MAX_DEPTH, Unwalkable
from batchmill.ir.yaml_text import YamlError, plain_value, read_yaml

PARSERS = ["libyaml", "python"] if hasattr(yaml, "CLoader") else ["python"]


@pytest.fixture(params=PARSERS)
def parser(request, monkeypatch):
    """Both parsers of PyYAML, where the faster one is there."""
    if request.param == "python" and hasattr(yaml, "CLoader"):
        monkeypatch.setattr(yaml, "CLoader", yaml.Loader)
    return request.param


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("0.1.0", "0.1.0"),
        ("word", "word"),
    ],
)
def test_plain_words_follow_yaml_1_2(word, value):
    found = plain_value(word)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("word", [".nan", ".inf", "-.INF", "9" * 5000])
def test_numbers_that_json_does_not_have_are_refused(word):
    with pytest.raises(ValueError, match=r"must be a finite number|digits"):
        plain_value(word)


# Escaped pairs of surrogates, as JSON writes characters above U+FFFF, are no YAML.
# Nor are keys of more than 1,024 characters on one line.
TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=100)
# What YAML 1.2 reads as a number and YAML 1.1, which PyYAML writes, does not: it leaves such text unquoted.
NUMBER_SINCE_1_2 = re.compile(r"[-+]?[0-9]*\.?[0-9]*[eE][-+]?[0-9]+|[-+]?0o[0-7]+|[-+]?0[0-9]+|[-+]?\.[0-9]+")


def json_of(text):
    return st.recursive(
        st.none() | st.booleans() | st.integers() | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=10,
    )


JSON = json_of(TEXT)


@given(JSON)
def test_json_is_read_as_json(value):
    assert read_yaml(json.dumps(value)).value == value


@given(json_of(TEXT.filter(lambda text: not NUMBER_SINCE_1_2.fullmatch(text))))
def test_what_a_yaml_writer_wrote_comes_back(value):
    assert read_yaml(yaml.safe_dump(value)).value == value


def test_every_value_and_key_has_its_place(parser):
    document = read_yaml("a: 1\nlist:\n  - x\n  - key: [1, 2]\n")
    assert document.value == {"a": 1, "list": ["x", {"key": [1, 2]}]}
    assert document.places[()] == TextPlace((1, 1), (1, 1))
    assert document.places[("a",)] == TextPlace((1, 4), (1, 1))
    assert document.places[("list", 1, "key")] == TextPlace((4, 10), (4, 5))
    assert document.places[("list", 1, "key", 1)] == TextPlace((4, 14), (4, 14))


def test_an_alias_gives_the_value_again(parser):
    document = read_yaml("a: &x {n: 1}\nb: *x\nc: [*x, &y z, *y]\n")
    assert document.value == {"a": {"n": 1}, "b": {"n": 1}, "c": [{"n": 1}, "z", "z"]}
    assert document.places[("b",)] == TextPlace((2, 4), (2, 1))


def test_standard_tags_are_read(parser):
    text = "{a: !!str 12, b: !!int '3', c: !!float 2, d: !!seq [1], e: !!map {}, f: ! 5, g: !!null ~}"
    value = read_yaml(text).value
    assert value == {"a": "12", "b": 3, "c": 2, "d": [1], "e": {}, "f": "5", "g": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: !!python/name:os.system x", "tag"),
        ("a: !mine 1", "tag"),
        ("a: !!int word", "not what its tag"),
        ("a: !!bool 1", "not what its tag"),
        ("a: [1, 2", "not YAML"),
        ("a: 'open", "not YAML"),
        ("a: b: c", "not YAML"),
        ("a: *nothing", "nothing|undefined"),
        ("? [1]\n: 2", "a key must be text"),
        ("a: 1\n---\nb: 2", "second YAML document"),
        ("&a [*a]", "before its anchor"),
        ("x: &a y\n*a : 1", "alias cannot be a key"),
    ],
)
def test_other_yaml_is_refused_in_words(parser, text, message):
    with pytest.raises(YamlError, match=message):
        read_yaml(text)


def test_a_control_character_is_refused(parser):
    with pytest.raises(YamlError, match=r"character that YAML does not allow|not YAML"):
        read_yaml("a: \x07")


@pytest.mark.parametrize("key", ["1", "true", "null", "1.5", "~"])
def test_a_key_that_is_no_text_is_a_fault(key):
    ((fault, position),) = read_yaml(f"a:\n  {key}: x").faults
    assert fault == Fault(("a",), f"the key {key} is not text", "put it in quotes")
    assert position == (2, 3)


def test_a_quoted_key_is_text():
    document = read_yaml("'1': a\n\"true\": b")
    assert document.value == {"1": "a", "true": "b"}
    assert document.faults == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<<: *x", {"n": 1, "m": [2]}),
        ("<<: *x\n  n: 5", {"n": 5, "m": [2]}),
        ("n: 5\n  <<: *x", {"n": 5, "m": [2]}),
        ("n: null\n  <<: *x", {"n": None, "m": [2]}),
        ("<<: [*x, *y]", {"n": 1, "m": [2], "k": 4}),
        ("<<: [*y, *x, *y]", {"n": 3, "m": [2], "k": 4}),
        ("<<: {n: 7}\n  k: 8", {"n": 7, "k": 8}),
        ("<<: []\n  k: 8", {"k": 8}),
        ("'<<': *x", {"<<": {"n": 1, "m": [2]}}),
        ("k: <<", {"k": "<<"}),
        ("in: {<<: *x}\n  <<: *y", {"in": {"n": 1, "m": [2]}, "n": 3, "k": 4}),
    ],
)
def test_a_merge_key_gives_what_is_not_said(text, value):
    document = read_yaml(f"x: &x {{n: 1, m: [2]}}\ny: &y {{n: 3, k: 4}}\nb:\n  {text}\n")
    assert document.value["b"] == value
    assert document.faults == []
    assert document.value["x"] == {"n": 1, "m": [2]}


def test_a_mapping_with_merged_keys_can_be_merged_itself():
    value = read_yaml("a: &a {n: 1}\nb: &b {<<: *a, m: 2}\nc: {<<: *b, k: 3}\n").value
    assert list(value["c"].items()) == [("n", 1), ("m", 2), ("k", 3)]


def test_a_merged_key_stands_where_it_is_merged():
    places = read_yaml("a: &x {n: 1}\nb:\n  k: 2\n  <<: *x\n").places
    assert places["b", "n"].value == (4, 7)
    assert places["b", "k"].key == (3, 3)


@pytest.mark.parametrize("text", ["<<: 1", "<<: [{n: 1}, 2]", "<<:", "<<: text"])
def test_only_objects_can_be_merged(text):
    ((fault, position),) = read_yaml(f"a: 1\nb:\n  {text}\n").faults
    assert fault.message == "`<<` takes an object, or a list of objects"
    assert position == (3, 3)


def test_a_merge_key_that_stands_twice_is_a_fault():
    ((fault, position),) = read_yaml("a: &x {n: 1}\nb:\n  <<: *x\n  <<: *x\n").faults
    assert (fault.path, position, fault.on_key) == (("b", "<<"), (4, 3), True)


@pytest.mark.slow
def test_a_chain_of_merges_has_an_end():
    lines = ["a0: &a0 {k0: 0}"]
    lines += [f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: 0}}" for n in range(1, 1500)]
    with pytest.raises(YamlError, match="merges more than 1,000,000 keys"):
        read_yaml("\n".join(lines))


def test_a_key_that_stands_twice_is_a_fault_at_the_second():
    ((fault, position),) = read_yaml("a: 1\nb: 2\na: 3\n").faults
    assert (fault.path, position, fault.on_key) == (("a",), (3, 1), True)


def test_depth_has_a_limit(parser):
    assert read_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH).value
    with pytest.raises((Unwalkable, YamlError)):
        read_yaml("[" * 20_000)


def test_a_bomb_of_aliases_costs_no_memory(parser):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    document = read_yaml("\n".join(lines))
    assert document.value["a11"][0] is document.value["a11"][9]


def test_no_python_object_is_made(parser, monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with pytest.raises(YamlError):
        read_yaml("!!python/module:this")
    assert "this" not in sys.modules
