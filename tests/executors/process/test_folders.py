"""The folders of a pool: whose they are, and what becomes of those whose process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchmill.executors.process.folders import Folders, remove_abandoned
from batchmill.executors.process.leftovers import OWNER, folder_prefix, remove_leftovers
from batchmill.executors.process.loky_private import SEMAPHORES

HOLDER = """
import sys, time
from batchmill.executors.process import folders
folders.MEMORY_FOLDER = {memory!r}
import tempfile; tempfile.tempdir = {folder!r}
made = folders.Folders()
print(*made.paths, flush=True)
time.sleep(60)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("batchmill.executors.process.folders.MEMORY_FOLDER", str(tmp_path / "memory"))
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
        semaphore = Path(SEMAPHORES, f"sem.loky-{holder.pid}-abcdefgh")
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


DEAD = 2**22 + 1  # more than a process id can be


def planted(parent: Path, name: str, told: str = "") -> Path:
    """A folder that looks like that of a dead process's pool."""
    folder = parent / name
    folder.mkdir()
    (folder / OWNER).write_text(told)
    return folder


def test_no_path_in_a_file_is_believed(own: Path) -> None:
    """Anybody may write such a file; a folder that it names stays, and so does one of a living pool."""
    precious = own / "batchmill-report-2026"
    precious.mkdir()
    living = Folders()
    planted(own / "memory", f"batchmill-{DEAD}-x", f"{own}\0{precious}\0{living.paths[0]}\0{living.paths[1]}")
    planted(own / "memory", "batchmill-report-x", f"x\0{precious}")
    remove_abandoned([str(own / "memory"), str(own)], grace=0)
    assert precious.is_dir()
    assert all(map(os.path.isdir, living.paths))
    assert sorted(path.name for path in (own / "memory").iterdir())[-1] == "batchmill-report-x"
    living.remove()


def test_links_are_neither_followed_nor_removed(own: Path) -> None:
    target = planted(own, "results")
    (own / f"batchmill-{DEAD}-link").symlink_to(target)
    linked = planted(own, f"batchmill-{DEAD}-file")
    (linked / OWNER).unlink()
    (linked / OWNER).symlink_to(target / OWNER)
    remove_abandoned([str(own)], grace=0)
    assert target.is_dir()
    assert (own / f"batchmill-{DEAD}-link").is_symlink()
    assert linked.is_dir()
    remove_leftovers(DEAD, [str(own)])
    assert target.is_dir()
    assert (own / f"batchmill-{DEAD}-link").is_symlink()


def test_what_belongs_to_another_user_is_left_alone(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchmill.executors.process.leftovers.SEMAPHORES", str(own))
    folder = planted(own, f"batchmill-{DEAD}-x")
    semaphore = own / f"sem.loky-{DEAD}-x"
    semaphore.touch()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)  # seen as by somebody else
    remove_abandoned([str(own)], grace=0)
    remove_leftovers(DEAD, [str(own)])
    assert folder.is_dir()
    assert semaphore.exists()
    monkeypatch.undo()
    monkeypatch.setattr("batchmill.executors.process.leftovers.SEMAPHORES", str(own))
    remove_abandoned([str(own)], grace=0)
    assert not folder.exists()
    assert not semaphore.exists()


def test_leftovers_of_a_process_are_only_those_with_its_number(own: Path) -> None:
    kept = [
        planted(own, name) for name in (f"batchmill-{DEAD}1-x", f"batchmill-{DEAD}", f"batchmill-{DEAD}-a b")
    ]
    gone = [planted(own, f"{folder_prefix(DEAD)}x"), planted(own, f"{folder_prefix(DEAD)}y")]
    (gone[1] / OWNER).unlink()  # it was killed before it had locked it
    remove_leftovers(DEAD, [str(own), str(own / "nowhere")])
    assert not any(folder.exists() for folder in gone)
    assert all(folder.is_dir() for folder in kept)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_root_removes_nothing_of_an_unprivileged_user(own: Path) -> None:
    theirs = planted(own, f"batchmill-{DEAD}-x", f"x\0{own}")
    for path in (theirs, theirs / OWNER):
        os.chown(path, 65534, 65534)
    remove_abandoned([str(own)], grace=0)
    remove_leftovers(DEAD, [str(own)])
    assert theirs.is_dir()
