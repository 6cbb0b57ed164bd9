"""Tables in files: no column lost, text byte for byte, what was there kept until the table is whole."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchmill.batch.results import parquet_table, table_files
from batchmill.batch.results.table_files import form_of, result_file
from batchmill.errors import InvalidSetting, MissingExtra, NodeError, StorageError
from batchmill.values import to_json

Rows = list[dict[str, Any]]


def written(path: Path, rows: Rows, columns: list[str] | None = None, *, form: str = "") -> Path:
    file = result_file(str(path), form or form_of(str(path)), columns)
    try:
        for row in rows:
            file.write(to_json(row).encode() + b"\n")
        file.complete()
    finally:
        file.close()
    return path


def csv_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


def test_later_keys_are_columns_too(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [{"a": 1}, {"a": 2, "b": "x"}, {"c": True}])
    assert csv_of(path) == [["a", "b", "c"], ["1", "", ""], ["2", "x", ""], ["", "", "true"]]


def test_columns_that_are_given_are_written_as_they_come(tmp_path: Path) -> None:
    file = result_file(str(tmp_path / "a.csv"), "csv", ["b", "a"])
    file.write(b'{"a": 1, "b": "x"}\n{"a"')
    assert Path(file.path).read_bytes() == b"b,a\r\nx,1\r\n"
    file.write(b": 2}\n")
    file.complete()
    assert (tmp_path / "a.csv").read_bytes() == b"b,a\r\nx,1\r\n,2\r\n"


def test_text_is_byte_for_byte_and_null_is_not_empty_text(tmp_path: Path) -> None:
    texts = ["", "a,b", 'say "x"', "two\nlines\r\nof it", " padded ", "007", "1e5", "ü☃", "=1+1", "\t", "[1]"]
    path = written(tmp_path / "a.csv", [{"n": 1, "t": text} for text in texts])
    assert [row[1] for row in csv_of(path)[1:]] == texts
    both = written(tmp_path / "b.csv", [{"n": 1, "t": ""}, {"n": 2, "t": None}]).read_text()
    assert both == 'n,t\n1,""\n2,\n'
    assert written(tmp_path / "c.csv", [{"t": None}, {"t": "x"}], ["t"]).read_text() == 't\n""\nx\n'
    big = {"i": 12345678901234567890123, "f": 0.1, "l": [1, "a"], "o": {"k": None}}
    assert csv_of(written(tmp_path / "d.csv", [big]))[1] == [
        "12345678901234567890123",
        "0.1",
        '[1, "a"]',
        '{"k": null}',
    ]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_was_there_stays_until_the_table_is_whole(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / "a"
    path.write_text("as it was")
    file = result_file(str(path), form)
    file.write(b'{"a": 1}\n{"a": 2, "b": 3}\n')
    file.close()
    file.close()
    assert path.read_text() == "as it was"
    partial = Path(file.path)
    assert partial.name == "a.partial"
    if form == "csv":
        assert csv_of(partial) == [["a", "b"], ["1", ""], ["2", "3"]]
    else:
        assert read_parquet(partial) == [{"a": 1, "b": None}, {"a": 2, "b": 3}]


@pytest.mark.parametrize(("suffix", "unpack"), [(".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)])
@pytest.mark.first_quick
def test_files_are_compressed_by_their_name(tmp_path: Path, suffix: str, unpack: Callable[..., Any]) -> None:
    rows = [{"n": n, "text": "x" * 400} for n in range(6000)]  # more than one part
    path = written(tmp_path / f"a.jsonl{suffix}", rows)
    with unpack(path, "rt", encoding="utf-8") as text:
        assert text.read() == "".join(to_json(row) + "\n" for row in rows)
    with unpack(written(tmp_path / f"A.CSV{suffix.upper()}", rows[:2]), "rt") as text:
        assert text.read().splitlines()[0] == "n,text"
    with unpack(written(tmp_path / f"b.jsonl{suffix}", [])) as nothing:
        assert nothing.read() == b""


def test_zstd(tmp_path: Path) -> None:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        zstd = pytest.importorskip("backports.zstd")
    rows = [{"n": n, "text": "x" * 400} for n in range(6000)]
    with zstd.open(written(tmp_path / "a.jsonl.zst", rows), "rt") as text:
        assert text.read() == "".join(to_json(row) + "\n" for row in rows)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("backports", "backports.zstd", "compression", "compression.zstd", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"batchmill\[zstd\]"):
        result_file(str(tmp_path / "a.csv.zst"), "csv")
    with pytest.raises(MissingExtra, match=r"batchmill\[parquet\]"):
        result_file(str(tmp_path / "a.parquet"), "parquet")
    assert not list(tmp_path.iterdir())


def test_forms_by_name() -> None:
    names = ["a", "a.csv", "a.CSV.gz", "a.parquet", "a.jsonl.zst", "csv"]
    assert [form_of(name) for name in names] == ["jsonl", "csv", "csv", "parquet", "jsonl", "jsonl"]
    with pytest.raises(InvalidSetting, match=r"remove \.gz"):
        form_of("a.parquet.gz")


def test_a_full_disk_is_told() -> None:
    file = result_file("/dev/full", "csv")
    file.write(b'{"a": 1}\n')
    with pytest.raises(StorageError, match="/dev/full"):
        file.complete()
    file.close()
    with pytest.raises(StorageError):
        result_file("/dev/full", "csv", ["a"])


def read_parquet(path: Path) -> Rows:
    import pyarrow.parquet

    return list(pyarrow.parquet.read_table(path).to_pylist())


class TestParquet:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Types are looked at, and groups written, a few rows at a time."""
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(table_files, "_READ", 60)
        monkeypatch.setattr(parquet_table, "GROUP_ROWS", 3)

    def test_types_widen(self, tmp_path: Path) -> None:
        rows: Rows = [
            {"a": None, "o": {"x": 1}, "l": []},
            {"a": 1, "o": {"x": 2}, "l": []},
            {"a": 2, "o": {"y": "t"}, "l": [1]},
            {"a": 2.5, "o": None, "l": [0.5]},
            {"a": 3, "late": True, "never": None},
        ] * 3
        path = written(tmp_path / "a.parquet", rows)
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
        assert file.num_row_groups == 5
        assert [str(one.type) for one in file.schema_arrow] == [
            "double",
            "struct<x: int64, y: string>",
            "list<element: double>",
            "bool",
            "null",
        ]
        found = file.read().to_pylist()
        assert [row["a"] for row in found] == [None, 1.0, 2.0, 2.5, 3.0] * 3
        assert [row["late"] for row in found[:5]] == [None] * 4 + [True]
        assert found[2]["o"] == {"x": None, "y": "t"}
        file.close()

    @pytest.mark.parametrize(
        ("first", "second", "words"),
        [
            (1, "x", "text"),
            ("x", 1, "a number"),
            (True, 1, "a number"),
            (1, True, "a boolean"),
            (True, 0.5, "a number"),
            (0.5, True, "a boolean"),
            ([{"x": 0.5}], [{"x": True}], "a list"),
            ({"a": 1}, {"a": "x"}, "an object"),
            ([1], ["x"], "a list"),
            (1, 2**63, "a number"),
            ("x", "\udce9.txt", r"text that is not UTF-8, .*'\\udce9\.txt'.*JSON lines"),
        ],
    )
    @pytest.mark.parametrize("between", [0, 10])
    def test_mixed_types_are_an_error(
        self, tmp_path: Path, first: Any, second: Any, words: str, between: int
    ) -> None:
        rows = [{"n": first}] * (1 + between) + [{"n": second}]
        with pytest.raises(NodeError, match=f"the column 'n' has .*{words}.*`select`"):
            written(tmp_path / "a.parquet", rows)
        assert not (tmp_path / "a.parquet").exists()

    def test_whole_numbers_that_would_lose_digits_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(NodeError, match="'n'"):
            written(tmp_path / "a.parquet", [{"n": 2**53 + 1}] * 10 + [{"n": 0.5}] * 10)

    def test_objects_that_never_have_a_key_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(NodeError, match="objects without any key"):
            written(tmp_path / "a.parquet", [{"n": [{"x": {}}]}])

    def test_no_rows(self, tmp_path: Path) -> None:
        assert read_parquet(written(tmp_path / "a.parquet", [], ["a", "b"])) == []
        assert read_parquet(written(tmp_path / "b.parquet", [])) == []

    def test_columns_that_are_given(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.parquet", [{"a": 1, "b": "x"}, {"a": 2}], ["b", "a"])
        assert [list(row.items()) for row in read_parquet(path)] == [
            [("b", "x"), ("a", 1)],
            [("b", None), ("a", 2)],
        ]
