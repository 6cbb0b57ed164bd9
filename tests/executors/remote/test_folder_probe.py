"""The file by which workers see whether they share a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.remote.folder_probe import GRACE_SECONDS, probing, seen


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def aged(path: Path) -> Path:
    long_ago = path.stat().st_mtime - 2 * GRACE_SECONDS
    os.utime(path, (long_ago, long_ago))
    return path


def test_it_is_there_while_it_is_needed(folder: Path) -> None:
    with probing() as probe:
        assert seen(probe)
    assert not seen(probe)
    assert list(folder.iterdir()) == []


def test_the_next_run_removes_that_of_a_killed_one_and_nothing_else(folder: Path) -> None:
    with probing() as held:
        mine = aged(Path(held.path))
        killed, young, other, own = (
            mine.with_name(mine.name.replace(held.content, name)) for name in ("1" * 16, "2" * 16, "3", "4")
        )
        other = other.with_name(f".batchmill-elsewhere-{'3' * 16}")
        for path, content in ((killed, "1" * 16), (young, "2" * 16), (other, "3" * 16), (own, "a letter")):
            path.write_text(content)
        for path in (killed, other, own):
            aged(path)
        with probing() as probe:
            assert {*folder.iterdir()} == {mine, young, other, own, Path(probe.path)}


def test_a_folder_that_cannot_be_written_to_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "no/folder")
    with pytest.raises(ExecutorUnavailable, match="cannot be written to"), probing():
        pass
