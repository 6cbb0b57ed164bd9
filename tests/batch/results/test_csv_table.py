"""Results as a table: all columns, all values, and an apostrophe only for who asks for it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from batchmill.batch.results.csv_table import csv_table
from batchmill.errors import StorageError


def table(rows: list[dict[str, Any]], *, safe: bool = False) -> str:
    return "".join(csv_table(lambda: iter(rows), safe=safe))


def test_later_columns_are_there() -> None:
    rows: list[dict[str, Any]] = [{"index": n, "a": n} for n in range(3000)]
    rows.append({"index": 3000, "late": "kept"})
    text = table(rows)
    assert text.startswith("index,a,late\r\n0,0,\r\n")
    assert text.endswith("3000,,kept\r\n")
    assert len(list(csv.reader(io.StringIO(text)))) == 3002


VALUES = [
    "-5",
    "+49 170",
    "@bob",
    "=1+1",
    "\ta",
    "'x",
    "a,b",
    'say "x"',
    "two\nlines",
    "",
    " a ",
    "007",
    "1e5",
]


@pytest.mark.parametrize("value", VALUES)
def test_text_is_as_it_is(value: str) -> None:
    (_, row) = csv.reader(io.StringIO(table([{"a": value, "b": "x"}]), newline=""))
    assert row == [value, "x"]


def test_other_values() -> None:
    row = {"a": None, "b": "", "c": -5, "d": 1.5, "e": True, "f": [1, "x"], "g": {"k": None}}
    assert table([row]).splitlines()[1] == ',"",-5,1.5,true,"[1, ""x""]","{""k"": null}"'


@pytest.mark.parametrize("text", ["=1", "+1x", "-1-1", "@a", "\ta", "\ra"])
def test_a_safe_cell_is_no_formula(text: str) -> None:
    (_, row) = csv.reader(io.StringIO(table([{"a": text}], safe=True), newline=""))
    assert row == [f"'{text}"]


@pytest.mark.parametrize("text", ["-5", "+5.5", "-1e3", "a", "'x", ""])
def test_a_safe_number_is_a_number(text: str) -> None:
    (_, row) = csv.reader(io.StringIO(table([{"a": text}], safe=True), newline=""))
    assert row == [text]


def test_rows_that_come_meanwhile_lose_no_column() -> None:
    answers = iter([[{"a": 1}], [{"a": 1}, {"a": 2, "new": 3}]])
    with pytest.raises(StorageError, match=r"other columns .new. came in"):
        list(csv_table(lambda: iter(next(answers)), safe=False))


def test_a_table_without_rows_has_its_first_columns() -> None:
    assert "".join(csv_table(lambda: iter([]), safe=False, first=("index",))) == "index\r\n"
