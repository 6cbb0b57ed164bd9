"""The write-file node."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from batchmill.errors import InvalidParams, NodeError


def test_it_writes_and_tells_where(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = run("write-file", file_path="d/a.txt", content="x\r\ny").outputs
    assert outputs == {"written": True, "file_path": str(tmp_path / "d" / "a.txt")}
    assert (tmp_path / "d" / "a.txt").read_bytes() == b"x\r\ny"
    assert os.listdir(tmp_path / "d") == ["a.txt"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", ""),
        (None, ""),
        (5, "5"),
        (True, "True"),
        ({"a": ["é"]}, '{\n  "a": [\n    "é"\n  ]\n}'),
        ([], "[]"),
        (b"\xff", b"\xff"),
    ],
)
def test_contents(run, tmp_path, content, text):
    run("write-file", file_path=str(tmp_path / "f"), content=content)
    assert (tmp_path / "f").read_bytes() == (text if isinstance(text, bytes) else text.encode())


def test_appending(run, tmp_path):
    for piece in ("a\n", {"b": 1}):
        run("write-file", file_path=str(tmp_path / "f"), content=piece, append=True)
    assert (tmp_path / "f").read_text() == 'a\n{\n  "b": 1\n}'


def test_encodings_and_bytes(run, tmp_path):
    path = str(tmp_path / "f")
    run("write-file", file_path=path, content="é", encoding="utf-16-le")
    assert (tmp_path / "f").read_bytes() == b"\xe9\x00"
    run("write-file", file_path=path, content="/w==", content_is_binary=True)
    assert (tmp_path / "f").read_bytes() == b"\xff"
    run("write-file", file_path=path, content="/w==", encoding="binary")
    assert (tmp_path / "f").read_bytes() == b"\xff"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"content": "é", "encoding": "ascii"}, "'é' of `content` does not exist in ascii"),
        ({"content": "\ud800"}, "does not exist in utf-8"),
        ({"content": "no base64!", "content_is_binary": True}, "is not base64"),
        ({"content": [{"a": object()}]}, "`content`[0].a is an object, which has no form in JSON"),
        ({"content": "x", "encoding": "nine"}, "unknown encoding: nine"),
        ({}, "'content' is required"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(run, tmp_path, params, words):
    (tmp_path / "f").write_text("old")
    with pytest.raises(InvalidParams) as caught:
        run("write-file", file_path=str(tmp_path / "f"), **params)
    assert words in caught.value.message
    assert (tmp_path / "f").read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


def test_folders_and_files_in_the_way(run, tmp_path):
    (tmp_path / "file").write_text("x")
    for path, words in [
        (tmp_path, "it is a folder"),
        (tmp_path / "file" / "sub", "file where a folder is needed"),
    ]:
        for append in (False, True):
            with pytest.raises(NodeError, match=words):
                run("write-file", file_path=str(path), content="x", append=append)


HOSTILE = [
    "-rf",
    "a b",
    "a\nb",
    "*",
    "$(x)",
    "'\"",
    "é",
    "\u202etxt",
    ".hidden",
    "x" * 255,
    "ü" * 127,
    "\udcff",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_names(run, tmp_path, name):
    path = str(tmp_path / name)
    for content in ("1", "2"):
        run("write-file", file_path=path, content=content)
    assert run("read-file", file_path=path).outputs["content"] == "2"
    assert os.listdir(tmp_path) == [name]
    copied = run("copy-file", source_path=path, dest_path=str(tmp_path / "d" / name)).outputs["dest_path"]
    run("move-file", source_path=copied, dest_path=path, overwrite=True)
    assert run("delete-file", file_path=path).outputs["deleted"] is True


REFUSED = """
import os, sys
from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes import bind, default_registry
cases = [(default_registry().get(name), params) for name, params in eval(sys.argv[1])]
if os.getuid() == 0: os.setuid(65534)
for node, params in cases:
    try:
        print(node().run(bind(node, params), Attempt()))
    except NodeError as error:
        print(error)
"""


def test_without_the_right_nothing_changes_and_the_reason_is_told(tmp_path):
    for ancestor in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        ancestor.chmod(ancestor.stat().st_mode | 0o055)
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "f").write_text("old")
    (locked / "secret").write_text("s")
    (locked / "secret").chmod(0o000)
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    (open_folder / "kept").write_text("kept")
    (open_folder / "kept").chmod(0o444)
    locked.chmod(0o555)
    f, kept, free = str(locked / "f"), str(open_folder / "kept"), str(open_folder / "g")
    cases = [
        ("write-file", {"file_path": f, "content": "x"}),
        ("write-file", {"file_path": f, "content": "x", "append": True}),
        ("write-file", {"file_path": str(locked / "new"), "content": "x"}),
        ("write-file", {"file_path": str(locked / "sub" / "new"), "content": "x"}),
        ("write-file", {"file_path": kept, "content": "x"}),
        ("read-file", {"file_path": str(locked / "secret")}),
        ("copy-file", {"source_path": f, "dest_path": str(locked / "g")}),
        ("copy-file", {"source_path": f, "dest_path": kept, "overwrite": True}),
        ("move-file", {"source_path": f, "dest_path": free}),
        ("delete-file", {"file_path": f}),
    ]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, repr(cases)], capture_output=True, text=True, check=False, cwd="/"
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(cases), done.stderr
    for case, line in zip(cases, lines, strict=True):
        assert "permission denied" in line or "not permitted" in line, (case, line)
    locked.chmod(0o755)
    assert sorted(os.listdir(locked)) == ["f", "secret"]
    assert (locked / "f").read_text() == "old"
    assert (open_folder / "kept").read_text() == "kept"
    assert os.listdir(open_folder) == ["kept"]
