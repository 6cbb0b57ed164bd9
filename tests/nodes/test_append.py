"""Appending while others append."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from batchmill.nodes import append
from batchmill.nodes.append import append_whole


def test_the_file_and_its_folders_are_made_and_grow(tmp_path):
    path = tmp_path / "a" / "f"
    append_whole(str(path), b"one\n")
    append_whole(str(path), b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_pieces_of_many_threads_never_mix(tmp_path, monkeypatch):
    original = os.write
    monkeypatch.setattr(append.os, "write", lambda number, data: original(number, bytes(data[:100])))
    path = tmp_path / "f"

    def work(number):
        for _ in range(10):
            append_whole(str(path), f"{number:02d}".encode() * 500 + b"\n")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(f"{number:02d}" * 500 for number in range(8) for _ in range(10))


def test_what_does_not_fit_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"old\n")
    original, calls = os.write, []

    def filling(number, data):
        calls.append(number)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(number, bytes(data[:3]))

    monkeypatch.setattr(append.os, "write", filling)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        append_whole(str(path), b"new line\n")
    assert len(calls) == 2
    assert path.read_bytes() == b"old\n"


@pytest.mark.parametrize(
    ("number", "works"), [(errno.ENOLCK, True), (errno.ENOTSUP, True), (errno.EIO, False)]
)
def test_file_systems_without_locks(tmp_path, monkeypatch, number, works):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(append.fcntl, "flock", refuse)
    path = tmp_path / "f"
    if works:
        append_whole(str(path), b"x")
        assert path.read_bytes() == b"x"
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            append_whole(str(path), b"x")


def test_devices_and_links(tmp_path):
    append_whole("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "real").write_text("1")
    (tmp_path / "link").symlink_to("real")
    append_whole(str(tmp_path / "link"), b"2")
    assert (tmp_path / "real").read_text() == "12"
    with pytest.raises(IsADirectoryError):
        append_whole(str(tmp_path), b"x")
