"""Rows of Parquet files: values, columns, places, and what is wrong with some."""

from __future__ import annotations

import datetime
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from batchmill.errors import InvalidSetting, MissingExtra, StorageError
from batchmill.items import parquet_rows
from batchmill.items.readers import open_source
from batchmill.items.sources import as_source

pa = pytest.importorskip("pyarrow", reason="has no build here")
pq = pytest.importorskip("pyarrow.parquet", reason="has no build here")

ROWS: list[dict[str, Any]] = [
    {"n": 1, "x": 0.5, "t": "a", "l": [1, 2], "o": {"k": None}, "d": datetime.date(2026, 1, 2)},
    {"n": None, "x": 1e300, "t": "é", "l": [], "o": {"k": "v"}, "d": None},
]


def written(path: Path, rows: list[dict[str, Any]], **more: Any) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, **more)


def test_rows_of_the_columns_that_are_wanted(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", ROWS)
    written(tmp_path / "b.parquet", ROWS[:1])
    assert list(open_source({"parquet": "a.parquet"}, tmp_path)) == ROWS
    assert list(open_source({"parquet": "?.parquet", "columns": ["t", "n"]}, tmp_path)) == [
        {"t": "a", "n": 1},
        {"t": "é", "n": None},
        {"t": "a", "n": 1},
    ]
    assert [list(row) for row in open_source({"parquet": "a.parquet", "columns": ["t", "n"]}, tmp_path)] == [
        ["t", "n"]
    ] * 2


def test_rows_come_some_at_a_time_and_tell_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "ROWS_TOGETHER", 3)
    written(tmp_path / "a", [{"n": n} for n in range(8)], row_group_size=4)
    source = as_source(open_source({"parquet": "a"}, tmp_path, placed=True))
    pieces = []
    while piece := source.take(99):
        pieces.append([(one.item["n"], one.place["line"]) for one in piece])
    assert max(map(len, pieces)) <= 3
    assert [pair for piece in pieces for pair in piece] == [(n, n + 1) for n in range(8)]


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "ROWS_TOGETHER", 3)
    written(tmp_path / "a", [{"n": n} for n in range(8)])
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "text").write_text("no Parquet\n")
    (tmp_path / "cut").write_bytes(data[:-20])
    (tmp_path / "double").touch()
    pq.write_table(pa.table([[1], [2]], names=["n", "n"]), tmp_path / "double")
    for name, words in {
        "none": "No such file",
        "text": "[Pp]arquet",
        "cut": "[Pp]arquet",
        "double": "twice",
    }.items():
        with pytest.raises(StorageError, match=f"{name}, after row 0: .*({words})"):
            list(open_source({"parquet": name}, tmp_path))
    with pytest.raises(StorageError, match="there is no column 'm', only 'n'"):
        list(open_source({"parquet": "a", "columns": ["m"]}, tmp_path))
    for columns in ([], ["a", "a"], "a"):
        with pytest.raises(InvalidSetting, match="different names"):
            open_source({"parquet": "a", "columns": columns}, tmp_path)
    source = as_source(open_source({"parquet": "a"}, tmp_path))
    assert len(source.take(99)) == 3
    os.utime(tmp_path / "a", ns=(0, 1))
    with pytest.raises(StorageError, match="a, after row 3: the file was changed while it was read"):
        source.take(99)


def test_times_that_are_too_fine_are_an_error_that_names_the_column(tmp_path: Path) -> None:
    for name, nanoseconds in (("fine", 1), ("fit", 1000)):
        column = pa.array([nanoseconds, None], type=pa.timestamp("ns"))
        pq.write_table(pa.table({"a": [1, 2], "at": column}), tmp_path / name)
    assert next(iter(open_source({"parquet": "fit"}, tmp_path)))["at"].microsecond == 1
    if importlib.util.find_spec("pandas") is None:
        with pytest.raises(StorageError, match=r"the column 'at': .*leave it out with `columns`"):
            list(open_source({"parquet": "fine"}, tmp_path))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"batchmill\[parquet\]"):
        open_source({"parquet": "a"})
