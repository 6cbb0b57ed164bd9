"""The folders of a pool: whose they are, and what becomes of those whose process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchmill.executors.folders import OWNER, Folders, remove_abandoned
from batchmill.executors.leftovers import SEMAPHORES

HOLDER = """
import sys, time
from batchmill.executors import folders
folders.MEMORY_FOLDER = {memory!r}
import tempfile; tempfile.tempdir = {folder!r}
made = folders.Folders()
print(*made.paths, flush=True)
time.sleep(60)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("batchmill.executors.folders.MEMORY_FOLDER", str(tmp_path / "memory"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "memory").mkdir()
    return tmp_path


def test_a_living_process_keeps_its_folders(own: Path) -> None:
    folders = Folders()
    assert [Path(path).parent for path in folders.paths] == [own / "memory", own]
    remove_abandoned([str(own), str(own / "memory")], grace=0)
    assert all(map(os.path.isdir, folders.paths))
    folders.remove()
    assert not any(map(os.path.exists, folders.paths))


def test_those_of_a_killed_process_group_are_removed(own: Path) -> None:
    parents = [str(own / "memory"), str(own)]
    command = [sys.executable, "-c", HOLDER.format(memory=parents[0], folder=parents[1])]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with holder:
        assert holder.stdout is not None
        left = holder.stdout.readline().split()
        semaphore = Path(f"{SEMAPHORES}loky-{holder.pid}-abcdefgh")
        semaphore.touch()
        remove_abandoned(parents, grace=0)
        assert all(map(os.path.isdir, left))
        os.killpg(holder.pid, signal.SIGKILL)
    remove_abandoned(parents)
    assert len(left) == 2
    assert all(map(os.path.isdir, left))  # so young that it may be about to be locked
    remove_abandoned(parents, grace=0)
    assert not any(map(os.path.exists, [*left, semaphore]))


def test_what_others_call_alike_is_left_alone(own: Path) -> None:
    for name in ("batchmill-2024-results", "batchmill-1-abcdefgh", "other-1-abcdefgh"):
        (own / name).mkdir()
    (own / "other-1-abcdefgh" / OWNER).touch()
    (own / "batchmill-notes").mkdir()
    (own / "batchmill-notes" / OWNER).touch()
    remove_abandoned([str(own)], grace=0)
    assert len(list(own.iterdir())) == 5
