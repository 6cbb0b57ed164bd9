"""Folders that only the user can access, made while others remove theirs."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from batchmill.journal.folders import make_private


def test_missing_folders_are_made_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_private(folder)
    assert not make_private(folder)
    assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent)} == {0o700}


def test_a_folder_above_that_another_process_removes_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, mkdir, removed = tmp_path / "a" / "b", Path.mkdir, []

    def interfering(self: Path, *args: Any, **options: Any) -> None:
        if self == folder and not removed:
            folder.parent.rmdir()
            removed.append(self)
        mkdir(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", interfering)
    assert make_private(folder)
    assert removed
    assert folder.is_dir()


def test_what_can_never_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", lambda self, **options: None)
    with pytest.raises(FileNotFoundError, match=f"no folder can be made in {tmp_path}"):
        make_private(tmp_path / "a")
