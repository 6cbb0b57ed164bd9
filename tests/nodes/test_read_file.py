"""The read-file node."""

from __future__ import annotations

import os

import pytest

from batchmill.errors import InvalidParams, NodeError


def test_text_is_read_byte_for_byte(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_bytes("\ufeffé\r\nb\rc\n".encode())
    outputs = run("read-file", file_path="f").outputs
    assert outputs == {
        "content": "\ufeffé\r\nb\rc\n",
        "content_is_binary": False,
        "file_path": str(tmp_path / "f"),
    }


def test_encodings(run, tmp_path):
    path = tmp_path / "f"
    path.write_bytes("é".encode("latin-1"))
    assert run("read-file", file_path=str(path), encoding="latin-1").outputs["content"] == "é"
    outputs = run("read-file", file_path=str(path), encoding="auto").outputs
    assert (outputs["content"], outputs["content_is_binary"]) == ("6Q==", True)
    for encoding in ({}, {"encoding": "utf-8"}, {"encoding": None}):
        with pytest.raises(NodeError, match=r"is no utf-8 text: byte 0xe9 at offset 0, line 1") as caught:
            run("read-file", file_path=str(path), **encoding)
        assert not caught.value.retryable
        assert caught.value.type_name == "NotText"
    path.write_bytes(b"abc")
    assert run("read-file", file_path=str(path), encoding="binary").outputs["content"] == "YWJj"


@pytest.mark.parametrize("encoding", ["utf-nine", "rot13", "base64", "a\0b"])
def test_what_is_no_encoding_is_refused_before_anything_runs(run, check, tmp_path, encoding):
    (tmp_path / "f").write_text("x")
    with pytest.raises(InvalidParams, match="common encodings are"):
        run("read-file", file_path=str(tmp_path / "f"), encoding=encoding)
    assert check("read-file", file_path="f", encoding=encoding)[0][0] == "encoding"
    assert check("read-file", file_path="f", encoding="${e}") == []
    assert check("read-file", file_path="f", encoding="cp1252") == []


def test_a_missing_file_may_appear_and_is_tried_again(run, tmp_path):
    with pytest.raises(NodeError, match=r"cannot read '.*gone': there is no such file") as caught:
        run("read-file", file_path=str(tmp_path / "gone"))
    assert caught.value.retryable
    assert caught.value.type_name == "FileNotFoundError"


def test_what_is_no_file(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in [
        (tmp_path, "it is a folder"),
        (tmp_path / "pipe", "device, pipe or socket"),
        ("/dev/zero", "device, pipe or socket"),
        (tmp_path / "loop", "leads to itself"),
        (tmp_path / "pipe" / "x", "where a folder is needed"),
        (tmp_path / ("n" * 300), "name is too long"),
    ]:
        with pytest.raises(NodeError, match=words):
            run("read-file", file_path=str(name))


def test_a_file_that_is_too_large_is_refused_without_reading_it(run, tmp_path):
    with open(tmp_path / "f", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NodeError, match="more than 268435456 bytes; raise `max_bytes`"):
        run("read-file", file_path=str(tmp_path / "f"))
    (tmp_path / "g").write_text("12345")
    assert run("read-file", file_path=str(tmp_path / "g"), max_bytes=5).outputs["content"] == "12345"
    with pytest.raises(NodeError, match="more than 4 bytes"):
        run("read-file", file_path=str(tmp_path / "g"), max_bytes=4)
