"""Combinations of the items of several sources, and their items side by side."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.readers import open_source
from batchmill.items.sources import as_source
from batchmill.lists import LazyList

A, B = [1, 2, 3], ["x", "y"]


def opened(spec: dict[str, Any], folder: Path | None = None) -> list[Any]:
    return list(open_source(spec, folder))


def test_every_combination_the_last_side_changing_fastest(tmp_path: Path) -> None:
    wanted = [{"a": a, "b": b} for a, b in itertools.product(A, B)]
    source = open_source({"product": {"a": A, "b": B}})
    assert isinstance(source, LazyList)
    assert list(source) == wanted
    assert (len(source), source[3], source[-1], source[2:4]) == (6, wanted[3], wanted[-1], wanted[2:4])
    (tmp_path / "a.jsonl").write_text("1\n2\n3\n")
    read: dict[str, Any] = {"jsonl": "a.jsonl"}
    for sides in ({"a": read, "b": B}, {"a": {"range": [1, 4]}, "b": B}, {"a": read, "b": tuple(B)}):
        assert opened({"product": sides}, tmp_path) == wanted
    assert opened({"product": {"b": B, "a": read}}, tmp_path) == [
        {"b": b, "a": a} for b, a in itertools.product(B, A)
    ]
    assert opened({"product": {"a": A, "b": []}}) == []


def test_a_product_of_lists_is_never_made() -> None:
    long = range(10**6)
    source = as_source(open_source({"product": {"a": long, "b": long, "c": long}}))
    assert source.remaining() == 10**18
    assert source.take(2) == [{"a": 0, "b": 0, "c": 0}, {"a": 0, "b": 0, "c": 1}]


def test_what_is_excluded() -> None:
    product = {"a": [1, True, 2], "b": B}
    found = opened({"product": product, "exclude": [{"a": 1}, {"a": 2, "b": "y"}]})
    assert found == [{"a": True, "b": "x"}, {"a": True, "b": "y"}, {"a": 2, "b": "x"}]
    with pytest.raises(InvalidSetting, match="`exclude` names 'c', and the sides are a, b"):
        opened({"product": product, "exclude": [{"c": 1}]})


def test_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("1\n2\n3\n")
    wanted = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert list(open_source({"zip": {"a": [1, 2], "b": B}})) == wanted
    assert opened({"zip": {"a": {"range": [1, 3]}, "b": B}}) == wanted
    with pytest.raises(InvalidSetting, match="'a' has 3 items, 'b' has 2 items"):
        open_source({"zip": {"a": A, "b": B}})
    source = as_source(open_source({"zip": {"a": {"jsonl": "a.jsonl"}, "b": B}}, tmp_path))
    assert source.take(9) == wanted
    with pytest.raises(StorageError, match="not equally long: 'b' has only 2 items"):
        source.take(9)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"product": {}}, "needs an object of lists and sources"),
        ({"zip": [1]}, "needs an object of lists and sources"),
        ({"zip": {"a": "b"}}, "`zip.a` must be a list or a source"),
        ({"product": {"a": {"none": 1}}}, "no source 'none'"),
        ({"product": {"a": [1]}, "exclude": {}}, "must be a list of objects"),
        ({"zip": {"a": [1]}, "exclude": []}, "'zip' has no options"),
    ],
)
def test_what_is_no_source(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        open_source(spec)
