"""Runs whose disk is full, read-only or gone: exit code 5, a journal that opens, a run that is resumed."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from batchmill.journal.database import connect
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
ITEMS = 60


@contextmanager
def disk(folder, size):
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root may mount a small disk")


def flow(folder, text, items=ITEMS):
    """Each item gives text of a size, so that the disk fills up as the run goes on."""
    code = f"import time; time.sleep(0.005); result = str(x) * {text}"
    document = {
        "nodes": [
            {
                "id": "each",
                "type": "code",
                "params": {"code": code, "inputs": {"x": "${item}"}},
                "batch": {"items": {"range": [items]}, "executor": "thread", "max_concurrent": 2},
            },
            {"id": "n", "type": "echo", "params": {"message": "${each.success_count}"}},
        ],
        "outputs": {"n": {"source": "${n.echo}"}},
    }
    (folder / "flow.json").write_text(json.dumps(document))


@pytest.fixture
def batchmill(batchmill_command):
    """The command without its progress: exit code, stdout and stderr."""
    return lambda *arguments: batchmill_command(*arguments, "--progress", "none")


def opens(path):
    with Reader(Journal(path)) as reader:
        return sum(visit.done for run in reader.runs() for visit in reader.visits(run))


@needs_root
@pytest.mark.parametrize("room", ["middle", "end"])
def test_a_disk_that_fills_up(tmp_path, room, batchmill):
    flow(tmp_path, text=8000)
    with disk(tmp_path / "disk", "2m") as small:
        filler = small / "filler"
        filler.write_bytes(bytes((1500 if room == "middle" else 1150) << 10))
        journal = str(small / "runs.sqlite")
        code, _, err = batchmill("run", "flow.json", "--journal", journal)
        assert code == 5, err
        assert "full" in err
        assert "resume with: batchmill resume" in err
        done = opens(small / "runs.sqlite")
        assert 0 < done < ITEMS + 1
        filler.unlink()
        code, out, err = batchmill("resume", "--journal", journal)
        assert code == 0, err
        assert out.strip() == str(ITEMS)
        assert f"{done} kept" in err


@needs_root
def test_a_disk_that_is_full_from_the_start(tmp_path, batchmill):
    flow(tmp_path, text=10)
    with disk(tmp_path / "disk", "1m") as small:
        subprocess.run(["dd", "if=/dev/zero", f"of={small / 'filler'}", "bs=4096"], capture_output=True)
        journal = str(small / "runs.sqlite")
        code, _, err = batchmill("run", "flow.json", "--journal", journal)
        assert code == 5, err
        (small / "filler").unlink()
        assert batchmill("run", "flow.json", "--journal", journal)[0] == 0


@needs_root
def test_a_disk_that_can_only_be_read(tmp_path, batchmill):
    flow(tmp_path, text=10)
    with disk(tmp_path / "disk", "1m") as small:
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        code, _, err = batchmill("run", "flow.json", "--journal", str(small / "runs.sqlite"))
        assert code == 5, err
        assert "--no-journal" in err


@needs_root
def test_no_room_for_what_commands_print_ends_the_run(tmp_path, batchmill_command):
    with disk(tmp_path / "disk", "1m") as small:
        journal = ("--journal", str(small / "runs.sqlite"))
        command = ("-q", "-j", "1", "--", "echo {} >> ran; head -c 300000 /dev/zero")
        code, _, err = batchmill_command("map", "--items", "range:0:20", *journal, *command)
        assert code == 5, err
        assert "the output of the command cannot be kept" in err
        assert "resume with: batchmill resume" in err
        assert len((tmp_path / "ran").read_text().split()) < 5
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        code, out, err = batchmill_command("resume", *journal, "-q")
        assert (code, len(out)) == (0, 20 * 300_000), err


@pytest.mark.slow
def test_a_folder_that_is_deleted_while_the_run_writes(tmp_path):
    flow(tmp_path, text=10, items=400)
    process = subprocess.Popen(
        [sys.executable, "-m", "batchmill", "run", "flow.json", "--progress", "none"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    folder = tmp_path / ".batchmill"
    deadline = time.monotonic() + 20
    while not _has_outcomes(folder / "runs.sqlite") and time.monotonic() < deadline:
        time.sleep(0.01)
    shutil.rmtree(folder)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert "was deleted or replaced" in err
    assert "Traceback" not in err


def _has_outcomes(path):
    if not path.exists() or path.stat().st_size == 0:
        return False
    try:
        return opens(path) > 3
    except Exception:  # being made just now
        return False


def test_a_folder_that_cannot_be_made(tmp_path, batchmill):
    flow(tmp_path, text=10)
    (tmp_path / ".batchmill").write_text("a file where the folder is to be")
    code, _, err = batchmill("run", "flow.json")
    assert code == 5, err
    assert batchmill("run", "flow.json", "--no-journal")[0] == 0


def test_files_and_folder_are_the_users_alone(tmp_path, batchmill):
    flow(tmp_path, text=10, items=3)
    before = os.umask(0)
    try:
        assert batchmill("run", "flow.json")[0] == 0
    finally:
        os.umask(before)
    folder = tmp_path / ".batchmill"
    assert folder.stat().st_mode & 0o777 == 0o700
    connection = connect(folder / "runs.sqlite", create=False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        modes = {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()}
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    assert set(modes.values()) == {0}, modes
