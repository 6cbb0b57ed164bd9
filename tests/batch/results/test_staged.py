"""A file takes the place of another when it is complete, and no sooner."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from batchmill.batch.results import staged
from batchmill.batch.results.staged import StagedFile, partial_of
from batchmill.errors import StorageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_what_was_there_stays_until_the_new_file_is_complete(path: Path) -> None:
    path.write_text("old")
    path.chmod(0o640)
    file = StagedFile(str(path))
    file.write(b"new")
    partial = Path(f"{path}.partial")
    assert (path.read_text(), partial.read_text(), file.path) == ("old", "new", str(partial))
    assert stat.S_IMODE(partial.stat().st_mode) == 0o640
    file.complete()
    file.close()
    assert (path.read_text(), file.path) == ("new", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["out.jsonl"]


def test_what_is_not_completed_stays_beside(path: Path) -> None:
    for text in (b"first, and longer", b"second"):
        file = StagedFile(str(path))
        file.write(text)
        file.close()
        assert file.path == f"{path}.partial"
        assert Path(file.path).read_bytes() == text
    assert not path.exists()


def test_folders_are_made_and_the_mask_of_the_process_counts(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        file = StagedFile(str(tmp_path / "a" / "b" / "out"))
        file.complete()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b" / "out").stat().st_mode) == 0o640


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "rows"
    target.write_text("old")
    path.symlink_to(target)
    file = StagedFile(str(path))
    file.write(b"new")
    assert file.path == f"{target}.partial"
    file.complete()
    assert path.is_symlink()
    assert target.read_text() == "new"


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    file = StagedFile(str(tmp_path / "pipe"))
    file.write(b"through")
    file.complete()
    reader.join()
    assert (found, file.path) == ([b"through"], str(tmp_path / "pipe"))
    assert os.listdir(tmp_path) == ["pipe"]


def test_two_do_not_write_one_file(path: Path) -> None:
    first = StagedFile(str(path))
    with pytest.raises(StorageError, match="another run is writing it"):
        StagedFile(str(path))
    first.write(b"first")
    timer = threading.Timer(0.1, first.complete)
    timer.start()
    second = StagedFile(str(path), patience=20)
    timer.join()
    second.write(b"second")
    assert path.read_text() == "first"
    second.complete()
    assert path.read_text() == "second"


def test_neither_do_two_processes_and_a_killed_one_leaves_no_lock(path: Path) -> None:
    program = (
        "import os, sys\n"
        "from batchmill.batch.results.staged import StagedFile\n"
        "file = StagedFile(sys.argv[1])\n"
        "file.write(b'half')\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    path.write_text("old")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(StorageError, match="another run is writing it"):
            StagedFile(str(path))
        child.kill()
        child.wait()
    assert (path.read_text(), Path(f"{path}.partial").read_text()) == ("old", "half")
    file = StagedFile(str(path))
    file.write(b"whole")
    file.complete()
    assert path.read_text() == "whole"


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    Path(f"{path}.partial").symlink_to("precious")
    with pytest.raises(StorageError, match="results cannot be written to"):
        StagedFile(str(path))
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_file_of_another_user_is_not_written_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(f"{path}.partial").write_text("theirs")
    monkeypatch.setattr(staged.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StorageError, match="another user's"):
        StagedFile(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everything")
def test_a_file_that_may_not_be_written_stays(path: Path) -> None:
    path.write_text("old")
    path.chmod(0o400)
    with pytest.raises(StorageError, match="Permission denied"):
        StagedFile(str(path))


def test_a_name_that_is_too_long_for_its_ending_is_shortened(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + ".jsonl")
    file = StagedFile(str(path))
    file.complete()
    assert path.exists()
    assert len(os.fsencode(os.path.basename(partial_of(str(path))))) <= 255


def test_gzip_comes_in_members_that_can_be_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged, "MEMBER_BYTES", 100)
    path = tmp_path / "out.jsonl.GZ"
    file = StagedFile(str(path))
    for number in range(100):
        file.write(b"%d\n" % number)
        if number == 50:
            so_far = gzip.decompress(Path(f"{path}.partial").read_bytes())
            assert so_far == b"".join(b"%d\n" % n for n in range(len(so_far.splitlines())))
            assert len(so_far) >= 100
    file.complete()
    assert gzip.decompress(path.read_bytes()) == b"".join(b"%d\n" % n for n in range(100))
    empty = StagedFile(str(tmp_path / "none.gz"))
    empty.complete()
    assert gzip.decompress((tmp_path / "none.gz").read_bytes()) == b""
    part = StagedFile(str(tmp_path / "part.gz"))
    part.write(b"rest")
    part.close()
    assert gzip.decompress((tmp_path / "part.gz.partial").read_bytes()) == b"rest"
