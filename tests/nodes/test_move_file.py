"""The move-file node. Moving to another disk is tested with the small disks of test_files."""

from __future__ import annotations

import errno
import os

import pytest

from batchmill.errors import NodeError
from batchmill.nodes import files, move_file


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_text("content")
    return path


@pytest.fixture
def two_disks(monkeypatch):
    """As if the source were on another disk than everything else."""
    original = os.link

    def link(path, target, **options):
        if str(path).endswith("source"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return original(path, target, **options)

    monkeypatch.setattr(files.os, "link", link)


def test_it_moves_and_makes_folders(run, source, tmp_path):
    outputs = run("move-file", source_path=str(source), dest_path=str(tmp_path / "d" / "new")).outputs
    assert outputs == {"moved": True, "dest_path": str(tmp_path / "d" / "new")}
    assert not source.exists()
    assert (tmp_path / "d" / "new").read_text() == "content"


def test_a_file_is_overwritten_only_when_asked(run, source, tmp_path):
    (tmp_path / "dest").write_text("mine")
    with pytest.raises(NodeError, match="set `overwrite` to replace it"):
        run("move-file", source_path=str(source), dest_path=str(tmp_path / "dest"))
    assert (tmp_path / "dest").read_text() == "mine"
    assert source.exists()
    run("move-file", source_path=str(source), dest_path=str(tmp_path / "dest"), overwrite=True)
    assert (tmp_path / "dest").read_text() == "content"
    assert not source.exists()


def test_sources_and_places_that_will_not_do(run, source, tmp_path):
    (tmp_path / "folder").mkdir()
    for path, dest, words in [
        (tmp_path / "gone", tmp_path / "x", "no such file"),
        (tmp_path / "folder", tmp_path / "x", "it is a folder"),
        (source, tmp_path / "folder", "it is a folder; for a file in it"),
        (source, source, "it is the source itself"),
        (source, source / "x", "where a folder is needed"),
    ]:
        with pytest.raises(NodeError, match=words):
            run("move-file", source_path=str(path), dest_path=str(dest), overwrite=True)
    assert source.read_text() == "content"


def test_of_a_link_the_link_moves(run, source, tmp_path):
    (tmp_path / "link").symlink_to("source")
    run("move-file", source_path=str(tmp_path / "link"), dest_path=str(tmp_path / "moved"))
    assert (tmp_path / "moved").is_symlink()
    assert not (tmp_path / "link").is_symlink()
    assert source.read_text() == "content"


def test_across_disks_it_is_copied_whole_and_then_removed(run, source, tmp_path, two_disks):
    run("move-file", source_path=str(source), dest_path=str(tmp_path / "d" / "new"))
    assert (tmp_path / "d" / "new").read_text() == "content"
    assert not source.exists()


def test_across_disks_a_source_that_cannot_go_leaves_no_copy(run, source, tmp_path, two_disks, monkeypatch):
    original = os.unlink

    def unlink(path):
        if path == str(source):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        original(path)

    monkeypatch.setattr(move_file.os, "unlink", unlink)
    with pytest.raises(NodeError, match="permission denied"):
        run("move-file", source_path=str(source), dest_path=str(tmp_path / "new"))
    assert sorted(os.listdir(tmp_path)) == ["source"]
