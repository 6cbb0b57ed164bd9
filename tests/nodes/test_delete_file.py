"""The delete-file node."""

from __future__ import annotations

import pytest

from batchmill.errors import NodeError


def test_it_deletes_and_says_whether_there_was_something(run, tmp_path):
    path = tmp_path / "f"
    path.write_text("x")
    assert run("delete-file", file_path=str(path)).outputs == {"deleted": True, "file_path": str(path)}
    assert not path.exists()
    assert run("delete-file", file_path=str(path)).outputs["deleted"] is False
    with pytest.raises(NodeError, match="there is no such file"):
        run("delete-file", file_path=str(path), missing_ok=False)


def test_of_a_link_the_link_goes(run, tmp_path):
    (tmp_path / "f").write_text("x")
    (tmp_path / "folder").mkdir()
    for target in ("f", "folder", "gone"):
        (tmp_path / "link").symlink_to(target)
        assert run("delete-file", file_path=str(tmp_path / "link")).outputs["deleted"] is True
    assert (tmp_path / "f").exists()
    assert (tmp_path / "folder").exists()


def test_folders_stay(run, tmp_path):
    with pytest.raises(NodeError, match="it is a folder; only files are deleted") as caught:
        run("delete-file", file_path=str(tmp_path))
    assert not caught.value.retryable
    assert tmp_path.exists()
