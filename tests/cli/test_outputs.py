"""The folder for what commands print: there as long as it is needed, and nobody else's."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from batchmill.cli import outputs as module
from batchmill.cli.outputs import new_name, outputs_folder
from batchmill.errors import StorageError
from batchmill.journal.journal import Journal


def test_beside_a_journal_it_stays_when_there_is_something_in_it(tmp_path):
    journal, name = Journal(tmp_path / "j.sqlite"), new_name()
    with outputs_folder(journal, name) as folder:
        assert os.stat(folder).st_mode & 0o077 == 0
        assert folder == str(tmp_path / "j.sqlite.outputs" / name)
        open(os.path.join(folder, "slot-1"), "w").close()
    assert list(tmp_path.iterdir()) == []
    with outputs_folder(journal, name) as folder:
        open(os.path.join(folder, "stdout.x"), "w").close()
    assert os.listdir(folder) == ["stdout.x"]
    with outputs_folder(journal, name) as again:
        assert again == folder


def test_large_values_of_a_killed_pass_go_with_the_next(tmp_path):
    journal, name = Journal(tmp_path / "j.sqlite"), new_name()
    folder = journal.outputs_of(name)
    folder.mkdir(parents=True)
    (folder / "batchmill-x").touch()
    (folder / "stdout.x").touch()
    with outputs_folder(journal, name):
        assert os.listdir(folder) == ["stdout.x"]


def test_without_a_journal_it_goes_with_the_run():
    with outputs_folder(None, "") as folder:
        open(os.path.join(folder, "stdout.x"), "w").close()
    assert not os.path.exists(folder)


def test_where_there_can_be_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageError, match=r"use --journal PATH"),
        outputs_folder(Journal(tmp_path / "file" / "j.sqlite"), new_name()),
    ):
        pass
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StorageError, match=r"and TMPDIR"), outputs_folder(None, ""):
        pass


@pytest.mark.slow
def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path, monkeypatch, soon):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command = [
        sys.executable,
        "-m",
        "batchmill",
        "map",
        "--items",
        "range:0:2",
        "--no-journal",
        "-j",
        "1",
        "-q",
    ]
    script = "seq 1 100000; test {} = 0 || { touch begun; until test -e over; do sleep 0.02; done; }"
    running = subprocess.Popen([*command, "--", script], cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert soon((tmp_path / "begun").exists)
    running.send_signal(signal.SIGKILL)
    running.wait()
    (tmp_path / "over").touch()
    (left,) = tmp_path.glob("batchmill-map-*")
    others = tmp_path / "batchmill-map-others"
    others.mkdir()
    (others / "kept").touch()
    with outputs_folder(None, ""):
        assert left.exists(), "it may be about to be locked"
    for path in (left, others):
        os.utime(path, (time.time() - 3600,) * 2)
    with outputs_folder(None, ""):
        assert not left.exists()
        assert (others / "kept").exists(), "nothing says that it is ours"


def test_a_folder_that_others_may_write_to_is_not_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, mode in (("open", 0o777), ("link", None)):
        folder = tmp_path / f"{module.PREFIX}{name}"
        target = tmp_path / f"target-{name}"
        target.mkdir()
        (target / module.OWNER).touch()
        if mode is None:
            folder.symlink_to(target)
        else:
            target.rename(folder)
            folder.chmod(mode)
        os.utime(folder, (0, 0))
    with outputs_folder(None, ""):
        pass
    assert (tmp_path / f"{module.PREFIX}open" / module.OWNER).exists()
    assert (tmp_path / "target-link" / module.OWNER).exists()
