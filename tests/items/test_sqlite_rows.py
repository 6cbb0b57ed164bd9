"""Rows of a query: their values, what is bound to it, and who may write meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from batchmill.errors import InvalidSetting, StorageError
from batchmill.items import sqlite_rows
from batchmill.items.readers import open_source
from batchmill.items.sources import as_source


@pytest.fixture
def base(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "a b?.db")) as connection:
        connection.execute("CREATE TABLE t (n, name)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(1, "x"), (2.5, None), (3, b"\xff")])
        connection.commit()
    return tmp_path / "a b?.db"


def rows(base: Path, query: str, **more: Any) -> list[Any]:
    return list(open_source({"sqlite": base.name, "query": query, **more}, base.parent))


def test_rows_and_what_is_bound(base: Path) -> None:
    assert rows(base, "SELECT name, n FROM t") == [
        {"name": "x", "n": 1},
        {"name": None, "n": 2.5},
        {"name": b"\xff", "n": 3},
    ]
    assert rows(base, "SELECT n FROM t WHERE n > ?", parameters=[2.5]) == [{"n": 3}]
    assert rows(base, "SELECT n FROM t WHERE name = :x", parameters={"x": "' OR 1"}) == []
    assert rows(base, "WITH u AS (SELECT 7 AS seven) SELECT * FROM u") == [{"seven": 7}]


@pytest.mark.parametrize(
    ("query", "more", "words"),
    [
        ("SELECT x FROM t", {}, "no such column: x"),
        ("SELECT n, n FROM t", {}, "two columns are called 'n'; name one with AS"),
        ("DELETE FROM t", {}, "readonly database"),
        ("BEGIN", {}, "gives no rows; write a SELECT"),
        ("SELECT 1; SELECT 2", {}, "one statement at a time"),
        ("SELECT ?", {}, "uses 1"),
        ("SELECT ?", {"parameters": [[1]]}, "items cannot be read from a b"),
        (
            "SELECT CAST(x'ff' AS TEXT) AS a",
            {},
            r"UTF-8.*; take the bytes of that column with CAST\(name AS BLOB\)",
        ),
    ],
)
def test_what_is_wrong_with_a_query(base: Path, query: str, more: dict[str, Any], words: str) -> None:
    with pytest.raises(StorageError, match=words):
        rows(base, query, **more)
    assert len(rows(base, "SELECT n FROM t")) == 3


def test_what_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.db: there is no such file"):
        rows(tmp_path / "none.db", "SELECT 1")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text").write_text("no database at all\n" * 99)
    with pytest.raises(StorageError, match="not a database"):
        rows(tmp_path / "text", "SELECT * FROM t")
    for spec in (
        {"sqlite": "x"},
        {"sqlite": "x", "query": ""},
        {"sqlite": "x", "query": "q", "parameters": 3},
    ):
        with pytest.raises(InvalidSetting, match=r"query|parameters"):
            open_source(spec)


def test_a_small_result_lets_the_database_go_and_a_large_one_is_read_by_any_thread(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> None:
        with closing(sqlite3.connect(base, timeout=0)) as connection:
            connection.execute("INSERT INTO t VALUES (4, 4)")
            connection.commit()

    spec = {"sqlite": base.name, "query": "SELECT n FROM t"}
    source = as_source(open_source(spec, base.parent))
    assert len(source.take(1)) == 1
    write()
    monkeypatch.setattr(sqlite_rows, "ROWS_TOGETHER", 2)
    source = as_source(open_source(spec, base.parent))
    found = list(source.take(9))
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write()
    others: list[Any] = []
    thread = threading.Thread(target=lambda: others.extend([*source.take(9), *source.take(9)]))
    thread.start()
    thread.join()
    assert [row["n"] for row in found + others] == [1, 2.5, 3, 4]
    write()
