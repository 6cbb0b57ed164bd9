"""The copy of the working folder: like its original before every run, whatever a run did to it."""

from __future__ import annotations

import os
import shutil

import pytest

from batchmill.bench.scratch import RestoredFolder, Scratch, copied
from batchmill.errors import BenchFailed


@pytest.fixture
def folder(tmp_path):
    original = tmp_path / "original"
    (original / "texts" / "old").mkdir(parents=True)
    (original / "texts" / "a").write_text("first")
    (original / "texts" / "old" / "b").write_text("second")
    (original / "link").symlink_to("texts/a")
    (original / ".git").mkdir()
    copied(original, tmp_path / "copy")
    return tmp_path / "copy", RestoredFolder(original, tmp_path / "copy")


def content(copy):
    found = {}
    for path in copy.rglob("*"):
        held = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_text()
        found[str(path.relative_to(copy))] = (path.lstat().st_mode, held)
    return found


def write_and_set_the_time_back(copy):
    path = copy / "texts" / "a"
    before = path.stat()
    path.write_text("FIRST")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_a_folder(copy):
    (copy / "texts" / "a").unlink()
    (copy / "texts" / "a").mkdir()
    (copy / "texts" / "a" / "c").write_text("third")


CHANGES = {
    "new file": lambda copy: (copy / "texts" / "new").write_text("new"),
    "new folder": lambda copy: (copy / "new").mkdir(),
    "appended": lambda copy: (copy / "texts" / "old" / "b").write_text("second and more"),
    "time set back": write_and_set_the_time_back,
    "removed": lambda copy: (copy / "texts" / "a").unlink(),
    "folder removed": lambda copy: shutil.rmtree(copy / "texts"),
    "folder for file": replace_by_a_folder,
    "link": lambda copy: ((copy / "link").unlink(), (copy / "link").symlink_to("texts/old")),
    "mode": lambda copy: (copy / "texts" / "a").chmod(0o600),
    "mode of a folder": lambda copy: (copy / "texts").chmod(0o700),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_change_is_undone_every_time(folder, change):
    copy, restored = folder
    before = content(copy)
    assert ".git" not in before
    for _ in range(2):
        change(copy)
        restored.restore()
        assert content(copy) == before


def test_what_did_not_change_is_not_copied_again(folder):
    copy, restored = folder
    (copy / "texts" / "a").write_text("changed")
    kept = (copy / "texts" / "old" / "b").stat().st_ino
    restored.restore()
    assert (copy / "texts" / "old" / "b").stat().st_ino == kept


def test_all_runs_share_one_copy_which_is_removed_in_the_end(tmp_path):
    (tmp_path / "a").write_text("first")
    with Scratch(tmp_path) as scratch:
        copy = scratch.folder()
        (copy / "a").write_text("changed")
        (copy / "left").touch()
        assert scratch.folder() == copy
        assert content(copy).keys() == {"a"}
        assert (copy / "a").read_text() == "first"
    assert not copy.exists()
    assert (tmp_path / "a").read_text() == "first"


def test_a_folder_is_checked_before_it_is_copied(tmp_path, monkeypatch):
    monkeypatch.setattr("batchmill.bench.scratch.MOST_FILES", 0)
    (tmp_path / "a").touch()
    with Scratch(tmp_path) as scratch, pytest.raises(BenchFailed, match="too large to be copied"):
        scratch.folder()


def test_a_file_that_has_gone_from_the_original_is_told(folder):
    copy, restored = folder
    (copy / "texts" / "a").unlink()
    (copy.parent / "original" / "texts" / "a").unlink()
    with pytest.raises(BenchFailed, match="cannot be restored"):
        restored.restore()
