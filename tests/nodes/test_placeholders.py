"""What the placeholders of ``map`` stand for."""

import os
import pickle
import subprocess

import pytest

from batchmill.errors import UnresolvedReference
from batchmill.nodes.placeholders import PARTS, Placeholder, as_written, text_of, view_of


@pytest.mark.parametrize(
    ("item", "bare", "name", "folder", "stem"),
    [
        ("a/b.tar.gz", "a/b.tar", "b.tar.gz", "a", "b.tar"),
        ("b.txt", "b", "b.txt", ".", "b"),
        ("a.d/b", "a.d/b", "b", "a.d", "b"),
        ("/b.c", "/b", "b.c", "/", "b"),
        (".bashrc", ".bashrc", ".bashrc", ".", ".bashrc"),
        ("a/.x.y", "a/.x", ".x.y", "a", ".x"),
        ("a/b/", "a/b/", "b", "a", "b"),
        ("a//b.c", "a//b", "b.c", "a", "b"),
        ("/", "/", "/", "/", "/"),
        ("", "", "", ".", ""),
        ("b.", "b.", "b.", ".", "b."),
        ("a\nb.c\nd", "a\nb", "a\nb.c\nd", ".", "a\nb"),
        ("caf\udce9.txt", "caf\udce9", "caf\udce9.txt", ".", "caf\udce9"),
    ],
)
def test_parts_of_a_path(item, bare, name, folder, stem):
    made = {part: make(item) for part, make in PARTS.items()}
    assert made == {"": item, ".": bare, "/": name, "//": folder, "/.": stem}


def test_names_and_folders_are_those_of_the_system():
    for item in ("a/b.c", "/a", "a/", "a//b/", "/", ".", "..", "a/..", "x y/z"):
        for program, part in (("basename", "/"), ("dirname", "//")):
            told = subprocess.run([program, "--", item], capture_output=True, text=True).stdout
            assert PARTS[part](item) == told.removesuffix("\n"), (program, item)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("true", "true"), (True, "true"), (None, "null"), (7, "7"), (1.5, "1.5"), ("", ""),
        ([1, "é"], '[1, "é"]'), ({"a": None}, '{"a": null}'), (10**30, "1" + "0" * 30),
    ],
)  # fmt: skip
def test_values_read_as_in_json(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    "number", ["1e5", "1.10", "-0.0", "1E+2", "0.30000000000000004", "100000.0", "7", "-3"]
)
def test_numbers_stay_as_they_were_written(number):
    for value in (as_written(number), as_written(f"[{number}]")[0], as_written(f'{{"a": {number}}}')["a"]):
        assert value == float(number)
        assert text_of(value) == text_of(pickle.loads(pickle.dumps(value))) == number
    with pytest.raises(ValueError, match="something follows"):
        as_written("1.5 [")


ROW = {"name": "pear", "size": 3, "a.b": "dotted", "a": {"b": "nested", "l": [1, [True]]}, "full name": "x y"}


@pytest.mark.parametrize(
    ("keys", "word", "text"),
    [
        (("name",), "name", "pear"),
        (("size",), "size", "3"),
        (("a", "b"), "a.b", "dotted"),
        (("a", "b"), "", "nested"),
        (("a", "l", 1, 0), "a.l[1][0]", "true"),
        (("a", "l"), "a.l", "[1, [true]]"),
        (("full name",), "full name", "x y"),
    ],
)
def test_parts_of_a_row(keys, word, text):
    assert Placeholder("{x}", keys=keys, word=word).text(ROW, several=False) == text


@pytest.mark.parametrize(
    ("item", "keys", "words"),
    [
        (ROW, ("nam",), "{x} stands for nothing: there is no 'nam' in the row; did you mean 'name'?"),
        ({"q": 1}, ("zzz",), "there is no 'zzz' in the row; it has q"),
        ("text", ("name",), "the value 'text' has no 'name'"),
        ([1, 2], (5,), "a list of 2 has no 5"),
        ({}, ("a",), "it has no keys"),
    ],
)
def test_what_is_not_there_is_told(item, keys, words):
    with pytest.raises(UnresolvedReference) as caught:
        Placeholder("{x}", keys=keys, word=str(keys[0])).text(item, several=False)
    assert words in str(caught.value)


def test_several_sources():
    items = ["a/b.c", {"k": 1}]
    assert Placeholder("{1/}", "/", 0).text(items, several=True) == "b.c"
    assert Placeholder("{}").text(items, several=True) == 'a/b.c {"k": 1}'
    assert Placeholder("{k}", keys=("k",), word="k").text(items, several=True) == "1"
    with pytest.raises(UnresolvedReference, match="the line has 2 columns"):
        Placeholder("{3}", "", 2).text(items, several=True)
    with pytest.raises(UnresolvedReference):
        Placeholder("{j}", keys=("j",), word="j").text(items, several=True)


def test_what_depends_on_more_than_the_item_is_given():
    seen = view_of([Placeholder("{}"), Placeholder("{#}")], "a", False, {"{#}": "7", "index": "6"})
    assert seen == {"{}": "a", "{#}": "7", "index": "6"}


def test_it_comes_back_from_plain_data():
    placeholder = Placeholder("{a[0]}", keys=("a", 0), word="a[0]")
    assert Placeholder.of(placeholder.as_json()) == placeholder
    assert os.fsencode(Placeholder("{}").text("\udcff", several=False)) == b"\xff"
