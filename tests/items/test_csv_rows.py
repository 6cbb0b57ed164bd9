"""CSV in other forms than the usual one: marks, encodings, headers, lines that are no rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchmill.errors import StorageError
from batchmill.items import byte_streams, text_lines
from batchmill.items.readers import open_source
from batchmill.items.sources import as_source


def read(folder: Path, content: str | bytes, **options: Any) -> tuple[list[Any], str]:
    """The rows of a file, and the error that it ends with."""
    (folder / "x").write_bytes(content.encode() if isinstance(content, str) else content)
    source, found = as_source(open_source({**options, "csv": "x"}, folder)), list[Any]()
    try:
        while taken := source.take(7):
            found.extend(taken)
    except StorageError as fault:
        return found, str(fault)
    return found, ""


A_B = [{"a": "1", "b": "2"}]
FORMS: dict[str, tuple[str | bytes, dict[str, Any], list[Any]]] = {
    "semicolons": ("a;b\n1,5;2\n", {"delimiter": ";"}, [{"a": "1,5", "b": "2"}]),
    "tabs": ("a\tb\n1\t2\n", {"delimiter": "\t"}, A_B),
    "other quotes": ("a,b\n'1,''\n',\"\n", {"quote": "'"}, [{"a": "1,'\n", "b": '"'}]),
    "no quotes": ('a,b\n"1,2"\n', {"quote": None}, [{"a": '"1', "b": '2"'}]),
    "latin-1": (b"a\n\xe9\n", {"encoding": "latin-1"}, [{"a": "\u00e9"}]),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), {"encoding": "utf-16"}, A_B),
    "UTF-16 with a mark": ("\ufeffa,b\n1,2\n".encode("utf-16-be"), {"encoding": "utf-16-be"}, A_B),
    "cut anywhere": (
        "a\n\u3042\U0001f600\n".encode("utf-16"),
        {"encoding": "utf-16"},
        [{"a": "\u3042\U0001f600"}],
    ),
    "Shift JIS": ("a\n\u8868\n".encode("shift_jis"), {"encoding": "shift_jis"}, [{"a": "\u8868"}]),
    "UTF-8 by another name": ("\ufeffa\n\u00e9\n", {"encoding": "utf-8-sig"}, [{"a": "\u00e9"}]),
    "no header": ("1,2\n3,4\n", {"header": False}, [["1", "2"], ["3", "4"]]),
    "names for no header": ("1,2\n", {"header": False, "columns": ["a", "b"]}, A_B),
    "columns kept": ("b,x,x,a\n2,,,1\n", {"columns": ["a", "b"]}, A_B),
    "lines before": ('report "1\n\na,b\n1,2\n', {"skip": 2}, A_B),
    "more lines left out than there are": ("a\n1\n", {"skip": 5}, []),
    "comments": ("#1\n\n#2\na,b\n#3\n1,2\n\n#4\n", {"comment": "#"}, A_B),
    "comments within quotes": ('a\n"1\n#2"\n', {"comment": "#"}, [{"a": "1\n#2"}]),
    "comments of two marks": ("// x\na\n/1\n", {"comment": "//"}, [{"a": "/1"}]),
    "lines that end with CR": ('a,b\r1,2\r"x\ry",\r', {}, [*A_B, {"a": "x\ry", "b": ""}]),
    "lines that end with CR, but for the last": ("a,b\r1,2", {}, A_B),
    "CR in quotes, and LF": ('"a\rb"\n"1\r2"\n', {}, [{"a\rb": "1\r2"}]),
    "CRLF": ("a,b\r\n1,2\r\n", {}, A_B),
    "columns of nothing": ("", {"columns": ["a"]}, []),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("size", [1, 3, byte_streams.READ_BYTES])
def test_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int) -> None:
    monkeypatch.setattr(text_lines, "READ_BYTES", size)
    content, options, rows = FORMS[name]
    assert read(tmp_path, content, **options) == (rows, "")


FAULTS: dict[str, tuple[str | bytes, dict[str, Any], list[Any], str]] = {
    "line behind comments": (
        "#\n#\na,b\n1,2\n#\n3\n",
        {"comment": "#"},
        A_B,
        "x, line 6: 1 cell where the header",
    ),
    "line behind lines": (
        "?\n?\na,b\n1,2\n3\n",
        {"skip": 2},
        A_B,
        "x, line 5: 1 cell where the header has 2",
    ),
    "ragged without a header": (
        "1,2\n3\n",
        {"header": False},
        [["1", "2"]],
        "x, line 2: 1 cell where the first row",
    ),
    "ragged for names": (
        "1\n",
        {"header": False, "columns": ["a", "b"]},
        [],
        "x, line 1: 1 cell where `columns` has 2",
    ),
    "ragged where columns are kept": (
        "a,b\n1\n",
        {"columns": ["a"]},
        [],
        "x, line 2: 1 cell where the header",
    ),
    "no such column": (
        "\na,b\n1,2\n",
        {"columns": ["c"]},
        [],
        "x, line 2: there is no column 'c', only 'a', 'b'",
    ),
    "a kept column twice": ("a,a\n1,2\n", {"columns": ["a"]}, [], "the column name 'a' occurs twice"),
    "open quote": (
        "a;b\n1;'2\n3;4\n",
        {"delimiter": ";", "quote": "'"},
        [],
        "x, line 2: the quote that opens here",
    ),
    "text behind a quote": ("#\na\n'1'2\n", {"quote": "'", "comment": "#"}, [], "x, line 3: ',' expected"),
    "no such text": (
        "a\n1\n".encode("utf-16-le") + b"\x00\xdc\n\0",
        {"encoding": "utf-16-le"},
        [{"a": "1"}],
        "x, after line 2: the rest is not utf-16-le text: illegal encoding",
    ),
    "cut text": ("a\n1\n".encode("utf-16") + b"1", {"encoding": "utf-16"}, [{"a": "1"}], "x, after line 2"),
    "UTF-16 unnamed": (
        "a,b\n".encode("utf-16"),
        {},
        [],
        'x, line 1: the text is UTF-16; name its `encoding`, "utf-16"',
    ),
    "UTF-16 without a mark": (
        "a,b\n".encode("utf-16-le"),
        {},
        [],
        'UTF-16-LE; name its `encoding`, "utf-16-le"',
    ),
    "UTF-16 turned round": (
        "a,b\n".encode("utf-16-be"),
        {},
        [],
        'UTF-16-BE; name its `encoding`, "utf-16-be"',
    ),
    "UTF-32": ("a,b\n".encode("utf-32"), {}, [], 'the text is UTF-32; name its `encoding`, "utf-32"'),
    "no UTF-16": (b"a\n1\n", {"encoding": "utf-16"}, [], "x, after line 0: the rest is not utf-16 text"),
    "not ASCII": (
        "a\n1\n\u00e9\n",
        {"encoding": "ascii"},
        [{"a": "1"}],
        "x, after line 2: the rest is not ascii",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("size", [1, 3, byte_streams.READ_BYTES])
def test_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int) -> None:
    monkeypatch.setattr(text_lines, "READ_BYTES", size)
    content, options, before, words = FAULTS[name]
    found, fault = read(tmp_path, content, **options)
    assert found == before
    assert words in fault
