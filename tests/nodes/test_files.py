"""Files that appear whole or not at all, and errors in words."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes import files
from batchmill.nodes.files import copy_whole, full_path, give_name, in_words, place, write_pieces, write_whole


def listing(folder):
    return sorted(os.listdir(folder))


def test_paths_are_absolute_and_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert full_path("a/../b", "p") == str(tmp_path / "b")
    assert full_path("~/x", "p") == "/home/of/mine/x"


@pytest.mark.parametrize(
    ("value", "words"), [("", "is empty"), ("a\0b", "NUL"), ("\ud800", "cannot be the name")]
)
def test_what_is_no_path_is_refused(value, words):
    with pytest.raises(InvalidParams, match=words):
        full_path(value, "file_path")


@pytest.mark.parametrize(
    ("number", "words", "retryable"),
    [
        (errno.ENOSPC, "the disk is full", True),
        (errno.EROFS, "the file system is read-only", True),
        (errno.EDQUOT, "the disk quota is used up", True),
        (errno.EACCES, "permission denied", True),
        (errno.ENOENT, "there is no such file", True),
        (errno.EISDIR, "it is a folder", False),
        (errno.EIO, os.strerror(errno.EIO), True),
    ],
)
def test_errors_of_the_system_in_words(number, words, retryable):
    with pytest.raises(NodeError) as caught, in_words("write", "/x/y"):
        raise OSError(number, os.strerror(number))
    assert caught.value.message.startswith("cannot write '/x/y': ")
    assert words in caught.value.message
    assert caught.value.retryable is retryable
    assert caught.value.outputs == {"error": caught.value.message}


def test_a_file_is_made_with_its_folders(tmp_path):
    write_whole(str(tmp_path / "a" / "b" / "c.txt"), b"hi")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"hi"
    assert listing(tmp_path / "a" / "b") == ["c.txt"]


def test_a_new_file_obeys_the_umask_and_an_old_one_keeps_its_mode(tmp_path):
    path = tmp_path / "f"
    before = os.umask(0o027)
    try:
        write_whole(str(path), b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o751)
    write_whole(str(path), b"22")
    assert stat.S_IMODE(path.stat().st_mode) == 0o751
    assert path.read_bytes() == b"22"


def test_a_symbolic_link_is_written_through(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("sub/new")
    write_whole(str(tmp_path / "link"), b"new")
    write_whole(str(tmp_path / "dangling"), b"made")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "sub" / "new").read_text() == "made"


def test_a_device_stays_a_device_and_a_pipe_nobody_reads_does_not_block(tmp_path):
    write_whole("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):
        write_whole(str(tmp_path / "pipe"), b"x")


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "f"
    sizes, stop = set(), threading.Event()
    write_whole(str(path), b"a" * 100_000)

    def read():
        while not stop.is_set():
            sizes.add(len(path.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(50):
        write_whole(str(path), b"b" * (100_000 + 100_000 * (turn % 2)))
    stop.set()
    reader.join()
    assert sizes <= {100_000, 200_000}


@pytest.mark.parametrize("call", ["open", "write", "fsync", "fstat", "fchmod", "replace"])
def test_whichever_call_fails_the_old_file_is_whole_and_nothing_is_left(tmp_path, monkeypatch, call):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    original, failed = getattr(os, call), []

    def full(*args, **options):
        if str(args[0]).endswith(".tmp") or call not in ("open",):
            failed.append(args)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            write_whole(str(path), b"new")
    assert failed
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["f"]


def test_a_file_that_arrived_short_does_not_get_its_name(tmp_path):
    with pytest.raises(OSError, match="3 bytes arrived of 5"):
        place(str(tmp_path / "f"), lambda number: os.write(number, b"abc") + 2, overwrite=True)
    assert listing(tmp_path) == []


def test_short_writes_are_carried_on(tmp_path, monkeypatch):
    original = os.write
    monkeypatch.setattr(files.os, "write", lambda number, data: original(number, bytes(data[:7])))
    write_whole(str(tmp_path / "f"), bytes(range(256)))
    assert (tmp_path / "f").read_bytes() == bytes(range(256))


def test_without_overwriting_only_one_of_many_gets_the_name(tmp_path):
    (tmp_path / "source").write_text("s")
    barrier, outcomes = threading.Barrier(8), []

    def work():
        barrier.wait()
        try:
            copy_whole(str(tmp_path / "source"), str(tmp_path / "dest"), overwrite=False)
            outcomes.append("made")
        except FileExistsError:
            outcomes.append("taken")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made"] + ["taken"] * 7
    assert listing(tmp_path) == ["dest", "source"]


def test_file_systems_without_links(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")

    def refuse(*args, **options):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(files.os, "link", refuse)
    with pytest.raises(FileExistsError):
        give_name(str(tmp_path / "a"), str(tmp_path / "b"), overwrite=False)
    give_name(str(tmp_path / "a"), str(tmp_path / "c"), overwrite=False)
    assert listing(tmp_path) == ["b", "c"]


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes import bind, default_registry
node = default_registry().get(sys.argv[1])
try:
    node().run(bind(node, eval(sys.argv[2])), Attempt())
except NodeError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("node", "params"),
    [
        ("write-file", {"file_path": "f", "content": "x" * 120_000}),
        ("write-file", {"file_path": "f", "content": "x" * 120_000, "append": True}),
        ("copy-file", {"source_path": "big", "dest_path": "f", "overwrite": True}),
    ],
)
def test_a_file_that_does_not_fit_leaves_the_old_one_whole(tmp_path, node, params):
    (tmp_path / "f").write_text("old")
    (tmp_path / "big").write_text("x" * 120_000)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, node, repr(params)], cwd=tmp_path, capture_output=True, text=True
    )
    assert "larger than the limit" in done.stdout, done.stderr
    assert (tmp_path / "f").read_text() == "old"
    assert listing(tmp_path) == ["big", "f"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte; only root can mount one."""
    place_of_it = tmp_path / "disk"
    place_of_it.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place_of_it)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk; the size limit above stands in for it")
    yield place_of_it
    subprocess.run(["umount", str(place_of_it)], check=True)


def test_a_full_disk_leaves_the_old_file_whole(small_disk, run, tmp_path):
    (small_disk / "f").write_text("old")
    (tmp_path / "big").write_text("x" * 2_000_000)
    for node, params in [
        ("write-file", {"file_path": str(small_disk / "f"), "content": "x" * 2_000_000}),
        ("write-file", {"file_path": str(small_disk / "f"), "content": "x" * 2_000_000, "append": True}),
        ("copy-file", {"source_path": str(tmp_path / "big"), "dest_path": str(small_disk / "g")}),
        ("move-file", {"source_path": str(tmp_path / "big"), "dest_path": str(small_disk / "g")}),
    ]:
        with pytest.raises(NodeError, match="the disk is full"):
            run(node, **params)
        assert (small_disk / "f").read_text() == "old"
        assert listing(small_disk) == ["f"]
    assert (tmp_path / "big").stat().st_size == 2_000_000


def test_a_file_moves_to_another_disk_whole(small_disk, run, tmp_path):
    (tmp_path / "f").write_text("content")
    (tmp_path / "f").chmod(0o640)
    run("move-file", source_path=str(tmp_path / "f"), dest_path=str(small_disk / "sub" / "g"))
    assert not (tmp_path / "f").exists()
    assert (small_disk / "sub" / "g").read_text() == "content"
    assert stat.S_IMODE((small_disk / "sub" / "g").stat().st_mode) == 0o640
    (tmp_path / "f").write_text("again")
    with pytest.raises(NodeError, match="there is a file already"):
        run("move-file", source_path=str(tmp_path / "f"), dest_path=str(small_disk / "sub" / "g"))
    run("move-file", source_path=str(tmp_path / "f"), dest_path=str(small_disk / "sub" / "g"), overwrite=True)
    assert (small_disk / "sub" / "g").read_text() == "again"


def test_a_read_only_disk_says_so(small_disk, run):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(NodeError, match="the file system is read-only"):
        run("write-file", file_path=str(small_disk / "f"), content="x")


@pytest.fixture
def shared(tmp_path):
    """A folder like /tmp: all may write to it, and each removes only what is theirs."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def given_away(path):
    """``path`` as if another user had put it there."""
    os.chown(path, 65534, 65534, follow_symlinks=False)


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@only_root
def test_a_link_that_another_user_planted_is_not_followed(shared, tmp_path, run):
    target = tmp_path / "target"
    target.write_text("precious")
    planted = shared / "out.txt"
    planted.symlink_to(target)
    given_away(planted)
    for node, params in (
        ("write-file", {"file_path": str(planted), "content": "x"}),
        ("write-file", {"file_path": str(planted), "content": "x", "append": True}),
        ("copy-file", {"source_path": __file__, "dest_path": str(planted), "overwrite": True}),
    ):
        with pytest.raises(NodeError, match="the symbolic link belongs to another user"):
            run(node, **params)
    assert target.read_text() == "precious"


@only_root
def test_a_file_that_another_user_planted_is_not_written_to(shared, run):
    planted = shared / "log.txt"
    planted.touch(0o666)
    given_away(planted)
    with pytest.raises(NodeError, match="the file belongs to another user"):
        run("write-file", file_path=str(planted), content="secret", append=True)
    assert planted.read_text() == ""


@only_root
def test_links_and_files_of_whom_a_folder_belongs_to_are_trusted(shared, tmp_path, run):
    given_away(shared)
    (tmp_path / "target").touch(0o666)
    (shared / "link").symlink_to(tmp_path / "target")
    given_away(shared / "link")
    run("write-file", file_path=str(shared / "link"), content="x")
    assert (tmp_path / "target").read_text() == "x"
    ours = shared / "ours"
    ours.symlink_to(tmp_path / "target")
    run("write-file", file_path=str(ours), content="y")
    assert (tmp_path / "target").read_text() == "y"


@pytest.mark.parametrize(
    ("there", "copied"), [(None, None), (0o600, None), (0o644, None), (None, 0o600), (0o644, 0o600)]
)
def test_a_file_is_private_while_it_is_written(tmp_path, monkeypatch, there, copied):
    """Whatever its rights are in the end, until then nobody else can read it."""
    seen = []
    target, source = tmp_path / "out", tmp_path / "in"
    if there is not None:
        target.touch()
        target.chmod(there)

    def look():
        seen.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob(".out*.tmp"))

    monkeypatch.setattr(
        "batchmill.nodes.files.shutil.copyfileobj", lambda a, b, size: (look(), b.write(a.read()))
    )
    monkeypatch.setattr(
        "batchmill.nodes.files._write_all", lambda number, data: (look(), os.write(number, data))
    )
    old = os.umask(0o022)
    try:
        if copied is None:
            write_whole(str(target), b"data")
        else:
            source.write_text("data")
            source.chmod(copied)
            copy_whole(str(source), str(target), overwrite=True)
    finally:
        os.umask(old)
    assert seen == [0o600]
    assert stat.S_IMODE(target.stat().st_mode) == (copied or there or 0o644)
    assert target.read_text() == "data"


def test_pieces_become_one_file_or_none(tmp_path):
    path = tmp_path / "whole"
    write_pieces(str(path), (b"one ", b"", b"two"), private=True)
    assert path.read_bytes() == b"one two"
    assert path.stat().st_mode & 0o777 == 0o600

    def broken():
        yield b"half"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_pieces(str(path), broken())
    assert path.read_bytes() == b"one two"
    assert [one.name for one in tmp_path.iterdir()] == ["whole"]
    path.chmod(0o644)
    write_pieces(str(path), (b"new",), private=True)
    assert path.stat().st_mode & 0o777 == 0o644
