"""The copy-file node."""

from __future__ import annotations

import os
import stat

import pytest

from batchmill.errors import NodeError


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_text("content")
    return path


def test_a_copy_has_content_mode_and_times(run, source, tmp_path):
    source.chmod(0o751)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    outputs = run("copy-file", source_path=str(source), dest_path=str(tmp_path / "d" / "copy")).outputs
    assert outputs == {"copied": True, "dest_path": str(tmp_path / "d" / "copy")}
    found = (tmp_path / "d" / "copy").stat()
    assert stat.S_IMODE(found.st_mode) == 0o751
    assert found.st_mtime == 1_000_000_000
    assert (tmp_path / "d" / "copy").read_text() == source.read_text() == "content"


def test_a_file_is_overwritten_only_when_asked(run, source, tmp_path):
    (tmp_path / "dest").write_text("mine")
    with pytest.raises(NodeError, match="set `overwrite` to replace it") as caught:
        run("copy-file", source_path=str(source), dest_path=str(tmp_path / "dest"))
    assert not caught.value.retryable
    assert (tmp_path / "dest").read_text() == "mine"
    run("copy-file", source_path=str(source), dest_path=str(tmp_path / "dest"), overwrite=True)
    assert (tmp_path / "dest").read_text() == "content"


def test_places_that_will_not_do(run, source, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "same").symlink_to("source")
    for dest, words in [
        (tmp_path / "folder", "it is a folder; for a file in it, write .*folder/source'"),
        (source, "it is the source itself"),
        (tmp_path / "same", "it is the source itself"),
        ("/dev/null", "device, pipe or socket, which a file cannot replace"),
        (source / "x", "where a folder is needed"),
    ]:
        with pytest.raises(NodeError, match=words):
            run("copy-file", source_path=str(source), dest_path=str(dest), overwrite=True)
    assert source.read_text() == "content"


def test_sources_that_will_not_do(run, tmp_path):
    for path, words in [
        (tmp_path / "gone", "no such file"),
        (tmp_path, "it is a folder"),
        ("/dev/zero", "device"),
    ]:
        with pytest.raises(NodeError, match=words):
            run("copy-file", source_path=str(path), dest_path=str(tmp_path / "dest"))
    assert os.listdir(tmp_path) == []


def test_a_link_is_copied_as_the_file_it_leads_to(run, source, tmp_path):
    (tmp_path / "link").symlink_to("source")
    run("copy-file", source_path=str(tmp_path / "link"), dest_path=str(tmp_path / "copy"))
    assert not (tmp_path / "copy").is_symlink()
    assert (tmp_path / "copy").read_text() == "content"
