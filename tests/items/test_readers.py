"""Sources of items: what files may look like, what is wrong with some, and how far each is read."""

from __future__ import annotations

import csv
import gzip
import io
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.bad_row import BadRow
from batchmill.batch.results import compression
from batchmill.errors import InvalidSetting, MissingExtra, StorageError
from batchmill.items import csv_rows, text_lines, unpacking
from batchmill.items.readers import open_source
from batchmill.items.sources import as_source
from batchmill.items.text_lines import numbered_lines
from batchmill.template import Scope, compile_value


def items(
    spec: dict[str, Any], folder: Path | None = None, *, keep_bad: bool = False
) -> tuple[list[Any], str]:
    """All items of a source, and the error that it ends with."""
    source, found = as_source(open_source(spec, folder, keep_bad=keep_bad)), list[Any]()
    try:
        while taken := source.take(7):
            found.extend(taken)
    except StorageError as fault:
        return found, str(fault)
    return found, ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


ENDS = st.sampled_from(["\n", "\r\n"])
TEXTS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8)


@given(
    lines=st.lists(st.tuples(TEXTS, ENDS), max_size=12),
    last=TEXTS,
    cuts=st.integers(1, 9),
    bom=st.booleans(),
    ends=st.booleans(),
)
def test_lines_however_they_end_and_come(
    lines: list[tuple[str, str]], last: str, cuts: int, bom: bool, ends: bool
) -> None:
    whole = "".join(text + end for text, end in lines) + last
    data = io.BytesIO((b"\xef\xbb\xbf" if bom else b"") + whole.encode())
    found = [pair for piece in numbered_lines(lambda _: data.read(cuts), "x", ends=ends) for pair in piece]
    expected = whole.removeprefix("\ufeff") if not bom else whole
    split = [line + "\n" for line in expected.split("\n")]
    split[-1] = split[-1][:-1]
    split = split if split[-1] else split[:-1]
    wanted = [line if ends or line[-1] != "\n" else line[:-1].removesuffix("\r") for line in split]
    assert [text for _, text in found] == wanted
    if not ends:
        assert wanted == compile_value("${x | lines}").resolve(Scope({"x": expected}))
    assert [number for number, _ in found] == list(range(1, len(wanted) + 1))


def test_lines(folder: Path) -> None:
    written(folder, "a.txt", "\ufeffone\r\n\r\ntw\0o\rthree  \r\r\nlast\r")
    assert items({"lines": "a.txt"}, folder) == (["one", "", "tw\0o\rthree  \r", "last\r"], "")
    assert items({"lines": str(folder / "a.txt")})[0][0] == "one"
    written(folder, "empty", "")
    assert items({"lines": "empty"}, folder) == ([], "")


def test_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    written(folder, "a.txt", "one\n")
    assert items({"lines": "~/a.txt"}, Path("/")) == (["one"], "")
    assert items({"glob": "~/*.txt"}, Path("/")) == ([str(folder / "a.txt")], "")


def test_a_quote_that_is_closed_only_later_is_told_where_it_opens(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = csv.field_size_limit()
    monkeypatch.setattr(csv_rows, "MAX_LINE", 1000)
    csv.field_size_limit(1000)
    try:
        written(folder, "x", 'a,b\n1,"2\n' + "3,4\n" * 1000)
        assert "x, line 2: the quote that opens here" in items({"csv": "x"}, folder)[1]
    finally:
        csv.field_size_limit(before)


def test_jsonl(folder: Path) -> None:
    written(folder, "a", '{"a": 1}\n\n \t\r\n[2]\r\n["x",\rnull]\n7')
    assert items({"jsonl": "a"}, folder) == ([{"a": 1}, [2], ["x", None], 7], "")


def test_csv(folder: Path) -> None:
    text = '\ufeffname,text\r\nAda,"two\r\nlines, ""quoted"""\r\n\r\n  \t,é\n"",'
    written(folder, "a", text)
    rows = [
        {"name": "Ada", "text": 'two\r\nlines, "quoted"'},
        {"name": "  \t", "text": "é"},
        {"name": "", "text": ""},
    ]
    assert items({"csv": "a"}, folder) == (rows, "")
    written(folder, "b", "")
    assert items({"csv": "b"}, folder) == ([], "")
    written(folder, "c", "only,a,header")
    assert items({"csv": "c"}, folder) == ([], "")


def test_several_files_are_read_one_after_another(folder: Path) -> None:
    written(folder, "b.csv", "a,b\n1,2\n")
    written(folder, "a.csv", "a\n3\n")
    (folder / "c.csv").mkdir()
    one, two = {"a": "1", "b": "2"}, {"a": "3"}
    assert items({"csv": "*.csv"}, folder) == ([two, one], "")
    assert items({"csv": ["b.csv", "*.csv", "b.csv"]}, folder) == ([one, two], "")
    assert items({"csv": "x*.csv"}, folder) == ([], "")
    found, fault = items({"lines": ["a.csv", "none", "b.csv"]}, folder)
    assert found == ["a", "3"]
    assert "none: No such file" in fault
    written(folder, "a[1].txt", "literal\n")
    assert items({"lines": "a[1].txt"}, folder) == (["literal"], "")


def test_rows_that_tell_where_they_stand(folder: Path) -> None:
    written(folder, "a", 'a\n\n1\n"2\n3"\n4,4\n5\n')
    written(folder, "b", "a\n6\n")
    source = open_source({"csv": ["a", "b"]}, folder, placed=True, keep_bad=True)
    assert [one if isinstance(one, BadRow) else (one.item["a"], one.place) for one in source] == [
        ("1", {"path": "a", "line": 3}),
        ("2\n3", {"path": "a", "line": 4}),
        "4,4",
        ("5", {"path": "a", "line": 7}),
        ("6", {"path": "b", "line": 2}),
    ]
    for kind, rows in {"lines": ["x", "", "y"], "jsonl": [1, None]}.items():
        written(folder, kind, "x\n\ny" if kind == "lines" else "1\n\nnull\n")
        found = list(open_source({kind: kind}, folder, placed=True))
        assert [one.item for one in found] == rows
        assert found[-1].place == {"path": kind, "line": 3}


def test_files_of_a_pattern_may_be_left_out(folder: Path) -> None:
    for name in ("a", "b"):
        written(folder, f"{name}.txt", name)
    source = open_source({"lines": ["*.txt"]}, folder, leave_out=lambda paths: paths[1:])
    assert list(source) == ["b"]


FAULTS = {
    "bad UTF-8": ("lines", b"one\ntwo\nth\xffree\nfour", ["one", "two"], "x, line 3: byte 0xff at place 3"),
    "latin-1 in CSV": ("csv", b"a\nb\n\xe9\n", [{"a": "b"}], "x, line 3: byte 0xe9 at place 1"),
    "cut UTF-8 at the end": ("lines", "a\né".encode()[:-1], ["a"], "x, line 2: byte 0xc3"),
    "bytes as of UTF-16 further down": ("lines", b"a\n\xff\xfe\n", ["a"], "x, line 2: byte 0xff at place 1"),
    "bytes as of gzip": ("lines", b"\x1f\x8b no\n", [], "x, line 1: byte 0x8b at place 2"),
    "UTF-16": ("lines", "a\nb".encode("utf-16"), [], "x, line 1: the text is UTF-16"),
    "no JSON": ("jsonl", b"1\n\n{nope}\n4", [1], "x, line 3: not JSON"),
    "NUL in JSON": ("jsonl", b"1\n\0\n", [1], "x, line 2: not JSON"),
    "endless number": ("jsonl", b"1\n" + b"9" * 5000, [1], "x, line 2: not JSON"),
    "nested JSON": ("jsonl", b"1\n" + b"[" * 200_000, [1], "x, line 2: not JSON"),
    "short row": (
        "csv",
        b"a,b\n1,2\n3\n4,5",
        [{"a": "1", "b": "2"}],
        "x, line 3: 1 cell where",
    ),
    "long row": (
        "csv",
        b"a,b\n1,2\n3,4,5",
        [{"a": "1", "b": "2"}],
        "x, line 3: 3 cells where",
    ),
    "row behind lines": ("csv", b'a,b\n"1\n2",3\n4\n', [{"a": "1\n2", "b": "3"}], "x, line 4: 1 cell"),
    "open quote": (
        "csv",
        b'a\nb\n"c\nd\n',
        [{"a": "b"}],
        "x, line 3: the quote that opens here is never closed",
    ),
    "open quote behind lines": (
        "csv",
        b'a,b\n"1\n2","3\n4 ""5"" \n6\n',
        [],
        "x, line 3: the quote that opens here is never closed",
    ),
    "quote closed elsewhere": (
        "csv",
        b'a,b\n"1,2\n3,"4"\n',
        [],
        "x, line 3: ',' expected after '\"' (its row begins on line 2)",
    ),
    "carriage return in CSV": (
        "csv",
        b"a\nb\rc\n",
        [],
        "x, line 2: a CR without LF stands in a cell without quotes",
    ),
    "NaN": (
        "jsonl",
        b'1\n{"a": [NaN]}\n',
        [1],
        "x, line 2: not JSON: NaN is not a finite number, as JSON needs at column 8 ($.a[0])",
    ),
    "a key twice": ("jsonl", b'{"a": 1, "a": 2}\n', [], 'x, line 1: not JSON: the key "a" stands twice'),
    "digits": (
        "jsonl",
        b"0.12345678901234567890\n",
        [],
        "x, line 1: not JSON: the number 0.12345678901234567890 would",
    ),
    "Parquet": ("jsonl", b"PAR1\x15\xff\n", [], "x, line 1: this is a Parquet file"),
    "text behind a quote": ("csv", b'a\nb\n"c"d\n', [{"a": "b"}], "x, line 3: ',' expected"),
    "same header twice": ("csv", b"a,b,a\n1,2,3", [], "x, line 1: the column name 'a' occurs twice"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_named_with_its_line(folder: Path, name: str) -> None:
    kind, content, before, words = FAULTS[name]
    written(folder, "x", content)
    found, fault = items({kind: "x"}, folder)
    assert found == before
    assert words in fault


KEPT = {
    "bad UTF-8": [r"th\xffree"],
    "bytes as of UTF-16 further down": [r"\xff\xfe"],
    "bytes as of gzip": ["\x1f\\x8b no"],
    "latin-1 in CSV": [r"\xe9"],
    "cut UTF-8 at the end": [r"\xc3"],
    "no JSON": ["{nope}"],
    "NUL in JSON": ["\0"],
    "endless number": ["9" * 5000],
    "nested JSON": ["[" * 200_000],
    "short row": ["3"],
    "long row": ["3,4,5"],
    "row behind lines": ["4"],
    "open quote": ['"c'],
    "open quote behind lines": ['"1\n2","3', '4 ""5"" ', "6"],
    "quote closed elsewhere": ['"1,2'],
    "carriage return in CSV": ["b\rc"],
    "NaN": ['{"a": [NaN]}'],
    "a key twice": ['{"a": 1, "a": 2}'],
    "digits": ["0.12345678901234567890"],
    "text behind a quote": ['"c"d'],
}
"""What of a file of FAULTS is bad; nothing is where the file as a whole is."""
BEHIND = {
    "bad UTF-8": ["four"],
    "no JSON": [4],
    "short row": [{"a": "4", "b": "5"}],
    "open quote": [{"a": "d"}],
    "quote closed elsewhere": [{"a": "3", "b": "4"}],
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_row_is_kept_in_its_place_and_the_rest_is_read(folder: Path, name: str) -> None:
    kind, content, before, words = FAULTS[name]
    written(folder, "x", content)
    found, fault = items({kind: "x"}, folder, keep_bad=True)
    bad = KEPT.get(name, [])
    assert found == [*before, *bad, *BEHIND.get(name, [])]
    assert (words in fault) is not bool(bad)
    kept = [one for one in found if isinstance(one, BadRow)]
    assert kept == bad
    assert not kept or words in kept[0].message


@pytest.mark.parametrize("cut", [1, 2, 3, 1 << 20])
def test_bad_rows_are_the_same_however_the_bytes_come(
    folder: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_lines, "READ_BYTES", cut)
    written(folder, "x", b'a,b\n1,2\n3\n"4,\n\n5,\xe9\n6,7\n"8,9')
    found, fault = items({"csv": "x"}, folder, keep_bad=True)
    assert found == [{"a": "1", "b": "2"}, "3", '"4,', r"5,\xe9", {"a": "6", "b": "7"}, '"8,9']
    assert fault == ""
    assert [one.message for one in found if isinstance(one, BadRow)] == [
        "x, line 3: 1 cell where the header has 2",
        "x, line 8: ',' expected after '\"' (its row begins on line 4)",
        "x, line 6: byte 0xe9 at place 3 is not UTF-8 text; name its `encoding`, such as latin-1",
        "x, line 8: the quote that opens here is never closed",
    ]


def test_a_header_that_is_no_text_is_no_bad_row(folder: Path) -> None:
    written(folder, "x", b"a\xff\n1\n")
    found, fault = items({"csv": "x"}, folder, keep_bad=True)
    assert (found, fault[:12]) == ([], "x, line 1: b")


def test_a_bad_row_travels() -> None:
    row = pickle.loads(pickle.dumps(BadRow("text", "why")))
    assert (type(row), row, row.message) == (BadRow, "text", "why")
    assert type(str(row)) is str


def test_a_line_without_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "MAX_LINE", 1 << 20)
    written(folder, "x", b"first\n" + b"y" * (3 << 20))
    for kind in ("lines", "jsonl", "csv"):
        fault = items({kind: "x"}, folder)[1]
        assert "x, line 2: longer than 1 MiB" in fault or "line 1: not JSON" in fault


def test_a_gigabyte_of_one_line_is_not_read_to_its_end(folder: Path) -> None:
    with (folder / "x").open("wb") as file:
        file.write(b"first\n")
        file.truncate(1 << 30)
    found, fault = items({"lines": "x"}, folder)
    assert found == ["first"]
    assert "x, line 2: longer than 64 MiB" in fault


def test_gzip(folder: Path) -> None:
    rows = "".join(f'{{"n": {n}}}\n' for n in range(5000))
    members = gzip.compress(rows[:20_000].encode()) + gzip.compress(rows[20_000:].encode())
    written(folder, "x.jsonl.gz", members)
    assert items({"jsonl": "x.jsonl.gz"}, folder) == ([{"n": n} for n in range(5000)], "")
    written(folder, "X.GZ", members)
    assert len(items({"lines": "X.GZ"}, folder)[0]) == 5000


GZIP_FAULTS = {
    "cut short": (lambda data: data[: len(data) * 3 // 4], "end-of-stream"),
    "garbage behind": (lambda data: data + b"garbage", "[Nn]ot a gzipped file"),
    "damaged": (lambda data: data[:-8] + bytes(4) + data[-4:], "(?i)crc"),  # its checksum
    "empty": (lambda data: b"", None),
}


@pytest.mark.parametrize("name", GZIP_FAULTS)
def test_gzip_that_is_none(folder: Path, name: str) -> None:
    spoil, words = GZIP_FAULTS[name]
    lines = [os.urandom(20).hex() for _ in range(4000)]
    written(folder, "x.gz", spoil(gzip.compress("\n".join(lines).encode())))  # type: ignore[no-untyped-call]
    found, fault = items({"lines": "x.gz"}, folder)
    assert found == lines[: len(found)]
    if words is None:
        assert (found, fault) == ([], "")
        return
    assert "x.gz, after line " in fault
    assert re.search(words, fault)
    assert fault.startswith(f"x.gz, after line {len(found)}: ")


COMPRESS = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}
WORDS = "\n".join(f"{n} {n * n}" for n in range(400)).encode()


def compressed(kind: str, data: bytes) -> bytes:
    try:
        pack = compression.pack_for(f"x{COMPRESS[kind]}")
    except MissingExtra:
        pytest.skip(f"{kind} is not installed")
    assert pack is not None
    return pack(data)


@pytest.mark.parametrize("kind", COMPRESS)
def test_compression_is_known_by_the_content(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = WORDS.decode().split("\n")
    one, two = compressed(kind, WORDS[:1000]), compressed(kind, WORDS[1000:])
    for name, data in {"x": one + two, "x.gz": one + bytes(8) + two + bytes(4), "y.csv": two}.items():
        written(folder, name, data)
    for size in (3, 1 << 16):
        monkeypatch.setattr(unpacking, "INPUT_BYTES", size)
        assert items({"lines": ["x", "x.gz"]}, folder) == (lines + lines, "")
    assert items({"csv": "y.csv", "header": False}, folder)[0][-1] == ["399 159201"]
    spoilt = {
        "cut": (one + two)[:-9],
        "garbage": one + b"no more of it",
        "damaged": one + bytes([two[0] ^ 1]) + two[1:],
    }
    for name, data in spoilt.items():
        written(folder, name, data)
        found, fault = items({"lines": name}, folder)
        assert found == lines[: len(found)]
        assert fault.startswith(f"{name}, after line {len(found)}: "), name


def test_what_begins_like_compressed_data_and_is_text(folder: Path) -> None:
    texts = ["", "B", "BZh", "BZh9", "BZh91AY&S", "P*M", "("]
    for text in texts:
        written(folder, "x", text)
        assert items({"lines": "x"}, folder) == ([text] if text else [], "")
    written(folder, "plain.gz", "a\n")
    assert items({"lines": "plain.gz"}, folder) == (["a"], "")


@pytest.mark.parametrize("change", ["longer", "other", "replaced"])
def test_a_file_that_changes_while_it_is_read(folder: Path, change: str) -> None:
    written(folder, "x", b"line\n" * 40_000)
    source = as_source(open_source({"lines": "x"}, folder))
    count = len(source.take(1 << 20))  # what came together
    assert 0 < count < 40_000
    if change == "replaced":  # who reads goes on in the file that was opened
        written(folder, "y", b"new\n").joinpath("y").replace(folder / "x")
        while taken := source.take(1 << 20):
            count += len(taken)
        assert count == 40_000
        return
    with (folder / "x").open("r+b") as file:
        file.seek(0, os.SEEK_END if change == "longer" else os.SEEK_SET)
        file.write(b"more\n")
    os.utime(folder / "x", ns=(0, 1))  # clocks of file systems are coarse
    with pytest.raises(StorageError, match=rf"x, after line {count}: the file was changed while it was read"):
        source.take(1)


def test_a_frame_that_zstd_skips(folder: Path) -> None:
    written(folder, "x", b"P*M\x18\x03\0\0\0abc" + compressed("zstd", b"a\nb"))
    assert items({"lines": "x"}, folder) == (["a", "b"], "")


def test_zstd_that_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("backports", "compression"):
        monkeypatch.setitem(sys.modules, name, None)
    written(folder, "x", b"\x28\xb5\x2f\xfd")
    with pytest.raises(MissingExtra, match="batchmill\\[zstd\\]"):
        items({"lines": "x"}, folder)


@pytest.mark.slow
def test_a_gzip_bomb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "BOMB_DECODED", 1 << 20)
    written(folder, "x.gz", gzip.compress(b"\n" * (8 << 20)))
    found, fault = items({"lines": "x.gz"}, folder)
    assert 0 < len(found) <= 2 << 20
    assert "over 200 times its size" in fault


def test_more_than_anybody_means(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_DECODED", 100_000)
    written(folder, "x.gz", gzip.compress(os.urandom(80_000).hex(" ").replace(" ", "\n").encode()))
    assert "once decoded" in items({"lines": "x.gz"}, folder)[1]


@pytest.mark.parametrize("path", ["nowhere.txt", ".", "a\0b"])
def test_what_cannot_be_opened(folder: Path, path: str) -> None:
    found, fault = items({"lines": path}, folder)
    assert found == []
    assert "items cannot be read from" in fault or "directory" in fault


def test_nothing_is_opened_before_it_is_read(folder: Path) -> None:
    source = as_source(open_source({"lines": "later.txt"}, folder))
    written(folder, "later.txt", "a\nb")
    assert list(source.take(1)) == ["a"]
    assert list(source.take(9)) == ["b"]
    assert list(source.take(9)) == []


@pytest.fixture
def pipe(folder: Path) -> Iterator[tuple[Path, Any]]:
    """A named pipe, and a function that opens it for writing."""
    path = folder / "pipe"
    os.mkfifo(path)
    opened: list[Any] = []

    def open_end() -> Any:
        opened.append(path.open("wb", buffering=0))
        return opened[-1]

    yield path, open_end
    for one in opened:
        one.close()


def test_what_is_in_a_pipe_is_there_before_more_comes(pipe: tuple[Path, Any]) -> None:
    path, open_end = pipe
    source = as_source(open_source({"jsonl": str(path)}))
    taken: list[Any] = []
    reading = threading.Thread(target=lambda: taken.extend([*source.take(1), *source.take(1)]))
    reading.start()
    end = open_end()
    end.write(b"1\n2\n3")  # the third is not whole
    reading.join(5)
    assert taken == [1, 2]
    end.write(b"4\n")
    end.close()
    assert list(source.take(100)) == [34]
    assert list(source.take(100)) == []


@pytest.mark.parametrize("written_to", [False, True])
def test_a_wait_for_a_pipe_can_be_ended(pipe: tuple[Path, Any], written_to: bool) -> None:
    path, open_end = pipe
    source = as_source(open_source({"jsonl": str(path)}))
    taken: list[Any] = []
    reading = threading.Thread(target=lambda: taken.append(source.take(100)))
    reading.start()
    if written_to:
        open_end().write(b"[1, ")
    source.stop()
    reading.join(5)
    assert [list(one) for one in taken] == [[]]


STDIN = "from batchmill.items.readers import open_source; print(list(open_source({'stdin': %r})))"


@pytest.mark.parametrize(
    ("form", "data", "expected"),
    [
        ("nul", b"a\nb\0\xc3\xa9\0c", "['a\\nb', 'é', 'c']"),
        ("lines", b"a\r\n\xc3\xa9\n", "['a', 'é']"),
        ("jsonl", b"1\n\n{}\n", "[1, {}]"),
        ("lines", b"", "[]"),
    ],
)
@pytest.mark.first_quick
def test_standard_input(form: str, data: bytes, expected: str) -> None:
    code = STDIN % form
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == expected


def test_standard_input_that_is_closed() -> None:
    command = f'exec {sys.executable} -c "{STDIN % "lines"}" <&-'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert "items cannot be read from standard input: it is closed" in done.stderr


def test_standard_input_with_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\nx\n"))
    found, fault = items({"stdin": "jsonl"})
    assert found == [1]
    assert fault.startswith("standard input, line 2: not JSON")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "a source has one key of"),
        ({"lines": "a", "csv": "b"}, "a source has one key of"),
        ({"tsv": "a"}, "no source 'tsv'"),
        ({"lines": ""}, "needs a path"),
        ({"glob": 3}, "needs a path"),
        ({"stdin": "csv"}, '"lines", "jsonl" or "nul"'),
        ({"csv": []}, "needs a path"),
        ({"csv": ["a", 3]}, "needs a path"),
        ({"jsonl": "a", "delimiter": ";"}, "'jsonl' has no options, not 'delimiter'"),
        ({"csv": "a", "sep": ";"}, "no option 'sep'"),
        ({"csv": "a", "delimiter": "::"}, "`delimiter` of the source 'csv' must be one character"),
        ({"csv": "a", "quote": ","}, "another character than `delimiter`"),
        ({"csv": "a", "encoding": "klingon"}, "must be a text encoding"),
        ({"csv": "a", "encoding": "hex"}, "must be a text encoding"),
        ({"csv": "a", "header": 1}, "true or false"),
        ({"csv": "a", "columns": ["b", "b"]}, "different names"),
        ({"csv": "a", "skip": True}, "number of lines"),
        ({"csv": "a", "comment": ""}, "not empty"),
        ({"range": [1, 2, 0]}, "step not 0"),
        ({"range": [1.5]}, "whole numbers"),
    ],
)
def test_a_source_that_is_none(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        open_source(spec)


def test_range_and_glob(folder: Path) -> None:
    assert open_source({"range": [2, 9, 3]}) == range(2, 9, 3)
    for name in ("b.txt", "a.txt", ".c.txt"):
        written(folder, name, "")
    assert items({"glob": "*.txt"}, folder) == (["a.txt", "b.txt"], "")


@pytest.mark.slow
def test_a_million_lines_take_no_memory(folder: Path) -> None:
    path = folder / "x"
    with path.open("w") as file:
        file.writelines(f'{{"n": {n}}}\n' for n in range(300_000))
    code = (
        "import resource, json; from batchmill.items.readers import open_source\n"
        "def grown(n):\n"
        "    from itertools import islice\n"
        f"    assert sum(1 for _ in islice(open_source({{'jsonl': {str(path)!r}}}), n)) == n\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "few = grown(3000); print(grown(300_000) - few)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4000 * (1 if sys.platform == "linux" else 1000)
