"""Where results go, and how much of the item goes along."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from batchmill.ir.models.collect import CollectFile, ItemKept, ResultsTo

SELECT = {"n": "${item}", "r": {"of": ["${result}", 1]}}


@pytest.mark.parametrize(
    "value",
    [
        "results",
        "none",
        {"jsonl": "out.jsonl"},
        {"csv": "out.csv.gz", "select": SELECT, "errors": "e.jsonl"},
        {"parquet": "out.parquet", "select": {"n": 1}},
    ],
)
def test_where_results_can_go(value: Any) -> None:
    assert ResultsTo().check(value) == value


@pytest.mark.parametrize(
    "value",
    ["all", None, {}, {"jsonl": 1}, {"jsonl": "a", "x": 1}, {"errors": "e"}, [], {"jsonl": "a", "csv": "b"}],
)
def test_where_results_cannot_go(value: Any) -> None:
    with pytest.raises(PydanticCustomError, match="jsonl"):
        ResultsTo().check(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"csv": "a", "selct": {}}, "did you mean `select`"),
        ({"csv": "a", "gz": 1}, 'unknown key "gz"'),
        ({"csv": "a", "jsonl": "b"}, "has `jsonl` and `csv`"),
        ({"csv": " "}, '`csv` must be a path, not " "'),
        ({"csv": "a", "errors": ""}, "`errors` must be a path"),
        ({"csv": "a", "select": {}}, "a template for each column"),
        ({"csv": "a", "select": ["n"]}, "a template for each column"),
        ({"csv": "a", "select": {"${n}": "x"}}, "columns without templates"),
        ({"parquet": "a.parquet.gz"}, "Parquet is by itself"),
    ],
)
def test_what_is_wrong_is_said(value: Any, words: str) -> None:
    with pytest.raises(PydanticCustomError, match=words):
        ResultsTo().check(value)


def test_what_is_written_in_words() -> None:
    assert CollectFile.of("results") is None
    written = {"csv": "a", "select": SELECT, "errors": "e"}
    assert CollectFile.of(written) == CollectFile("csv", "a", SELECT, "e")


def test_how_much_of_an_item_is_kept() -> None:
    for value in (True, False, ["a", "b"]):
        assert ItemKept().check(value) == value
    for value in (None, [], "a", [1], 1):
        with pytest.raises(PydanticCustomError, match="a list of keys"):
            ItemKept().check(value)
