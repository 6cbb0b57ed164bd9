"""Names, one a line, as the bytes they are."""

import gzip
import os

import pytest

from batchmill.errors import StorageError
from batchmill.items import names, text_lines
from batchmill.items.names import names_in_files


@pytest.fixture
def read(tmp_path):
    def names(data, **settings):
        path = tmp_path / "names"
        path.write_bytes(data)
        return list(names_in_files([str(path)], **settings))

    return names


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"one\rtwo\n", ["one\rtwo"]),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n", ["a\x0bb\x0cc\x1cd\x85e\u2028f"]),
        (b"caf\xe9\nb\n", ["caf\udce9", "b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xff\xfea\n", ["\udcff\udcfea"]),
        (b" a \n", [" a "]),
        (b"", []),
        (b"\n", [""]),
        (b"\xef\xbb\xbf", []),
    ],
)
def test_lines(read, data, names):
    assert read(data) == names


def test_what_is_written_comes_back_byte_for_byte(read):
    data = bytes(byte for byte in range(256) if byte not in b"\n\r")
    assert [os.fsencode(name) for name in read(data + b"\n" + data)] == [data, data]


def test_other_ends(read):
    assert read(b"a\nb\0c\r\0", end=b"\0") == ["a\nb", "c\r"]
    assert read(b"\xef\xbb\xbfa\0", end=b"\0") == ["\ufeffa"]
    assert read(b"a::b\n::", end=b"::") == ["a", "b\n"]


def test_lines_that_come_in_pieces(read, monkeypatch):
    for size in (1, 2, 3, 5):
        monkeypatch.setattr(text_lines, "READ_BYTES", size)
        assert read(b"ab\r\n\ncde\xe9\r\nf") == ["ab", "", "cde\udce9", "f"]
        assert read(b"ab::c:d::", end=b"::") == ["ab", "c:d"]


def test_a_line_beyond_all_bounds_is_told(read, monkeypatch):
    monkeypatch.setattr(names, "MAX_LINE", 3 << 16)
    with pytest.raises(StorageError, match="line 2: longer than"):
        read(b"a\n" + bytes(5 << 16))


def test_compressed_names(tmp_path):
    with gzip.open(tmp_path / "names.gz", "wb") as file:
        file.write(b"a\nb\xff\n")
    assert list(names_in_files([str(tmp_path / "names.gz")])) == ["a", "b\udcff"]
