"""Files in forms, as a server reads them."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

import pytest

from batchmill.errors import InvalidParams, NodeError


def parts(one):
    """What a server makes of a request: name, file name, type and content of each part."""
    head = f"Content-Type: {one.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + one.body)
    return [
        (
            part["content-disposition"].params["name"],
            part.get_filename(),
            part.get_content_type() if part["content-type"] else None,
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x,y\r\n1,2\r\n")
    (tmp_path / "raw").write_bytes(bytes(range(256)))
    return tmp_path


def test_fields_and_files_are_sent_together(sent, folder):
    one = sent(form={"n": 1, "tags": ["a", "é"]}, files={"table": str(folder / "a.csv")})
    assert one.method == "POST"
    assert one.headers["content-length"] == str(len(one.body))
    assert parts(one) == [
        ("n", None, None, b"1"),
        ("tags", None, None, b"a"),
        ("tags", None, None, "é".encode()),
        ("table", "a.csv", "text/csv", b"x,y\r\n1,2\r\n"),
    ]


def test_name_and_type_may_be_given_and_a_field_repeated(sent, folder):
    named = {"path": str(folder / "raw"), "filename": "b.bin", "content_type": "image/x-mine"}
    one = sent(files={"f": [named, str(folder / "raw")]})
    content = bytes(range(256))
    assert parts(one) == [
        ("f", "b.bin", "image/x-mine", content),
        ("f", "raw", "application/octet-stream", content),
    ]


def test_a_name_cannot_end_its_header(sent, folder):
    one = sent(files={"f": {"path": str(folder / "raw"), "filename": 'a"\r\nX-Bad: 1\r\n\r\n'}})
    assert b"\r\nX-Bad" not in one.body


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"files": {"f": 5}}, r"`files\.f` is a path or an object"),
        ({"files": {"f": {"name": "x"}}}, r"`files\.f` is a path or an object"),
        ({"files": {}, "body": "x"}, "one body"),
        ({"files": {}, "headers": {"Content-Type": "multipart/form-data"}}, "leave out"),
    ],
)
def test_what_is_refused(run, server, params, what):
    with pytest.raises(InvalidParams, match=what):
        run("http", url=server.url, **params)
    assert server.received == []


@pytest.mark.parametrize("kind", ["text/x\r\nX-Bad: 1", "text/x\nX-Bad: 1"])
def test_a_type_cannot_end_its_header(run, server, folder, kind):
    with pytest.raises(InvalidParams, match="line break"):
        run("http", url=server.url, files={"f": {"path": str(folder / "raw"), "content_type": kind}})
    assert server.received == []


def test_a_file_that_is_not_there(run, server, tmp_path):
    with pytest.raises(NodeError, match="no such file"):
        run("http", url=server.url, files={"f": str(tmp_path / "missing")})
    assert server.received == []
