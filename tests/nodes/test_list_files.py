"""The list-files node."""

from __future__ import annotations

import os

import pytest

from batchmill.errors import InvalidParams, NodeError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("b.txt", "a.txt", "c.md", ".hidden.txt", "d/x.txt", "d/e/y.txt", "d/e/.z.txt", ".git/k.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("params", "files"),
    [
        ({}, ["a.txt", "b.txt", "c.md"]),
        ({"pattern": "*.txt"}, ["a.txt", "b.txt"]),
        ({"pattern": "?.txt", "hidden": True}, ["a.txt", "b.txt"]),
        ({"pattern": "*.txt", "hidden": True}, [".hidden.txt", "a.txt", "b.txt"]),
        ({"pattern": ".h*"}, [".hidden.txt"]),
        ({"pattern": "[ab].txt"}, ["a.txt", "b.txt"]),
        ({"pattern": "*.txt", "recursive": True}, ["a.txt", "b.txt", "d/e/y.txt", "d/x.txt"]),
        ({"pattern": "**/*.txt"}, ["a.txt", "b.txt", "d/e/y.txt", "d/x.txt"]),
        ({"pattern": "d/*.txt"}, ["d/x.txt"]),
        ({"pattern": "d/**"}, ["d/e/y.txt", "d/x.txt"]),
        ({"pattern": "**/e/*"}, ["d/e/y.txt"]),
        ({"pattern": "./*.md"}, ["c.md"]),
        ({"pattern": "*/*.txt", "hidden": True}, [".git/k.txt", "d/x.txt"]),
        ({"path": "d", "recursive": True}, ["d/e/y.txt", "d/x.txt"]),
        ({"path": "d/"}, ["d/x.txt"]),
        ({"pattern": "*.png"}, []),
        ({"path": "./d"}, ["./d/x.txt"]),
    ],
)
def test_patterns(run, tree, params, files):
    assert run("list-files", **params).outputs == {"files": files, "count": len(files)}


def test_an_absolute_folder_gives_absolute_paths(run, tree, monkeypatch):
    assert run("list-files", path=str(tree / "d")).outputs["files"] == [str(tree / "d" / "x.txt")]
    monkeypatch.setenv("HOME", str(tree))
    assert run("list-files", path="~/d").outputs["files"] == [str(tree / "d" / "x.txt")]


def test_links(run, tree):
    (tree / "to_file").symlink_to("a.txt")
    (tree / "to_nothing").symlink_to("gone")
    (tree / "to_itself").symlink_to("to_itself")
    (tree / "d" / "up").symlink_to(tree)
    files = run("list-files", recursive=True).outputs["files"]
    assert files == ["a.txt", "b.txt", "c.md", "d/e/y.txt", "d/x.txt", "to_file"]


def test_hostile_names(run, tmp_path):
    names = ["-rf", "a\nb", "*", "[a]", "$(x)", " ", "é", "\udcff"]
    for name in names:
        with open(os.path.join(tmp_path, name), "w"):
            pass
    found = run("list-files", path=str(tmp_path)).outputs["files"]
    assert [os.path.basename(path) for path in found] == sorted(names)


def test_folders_that_cannot_be_listed(run, tree):
    with pytest.raises(NodeError, match="cannot list 'gone': there is no such file or folder"):
        run("list-files", path="gone")
    with pytest.raises(NodeError, match="where a folder is needed"):
        run("list-files", path="a.txt")
    with pytest.raises(InvalidParams, match="NUL"):
        run("list-files", path="a\0")
    with pytest.raises(InvalidParams, match="is empty"):
        run("list-files", path="")
