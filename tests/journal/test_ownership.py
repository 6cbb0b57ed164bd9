"""Whose a journal is, and what in one is believed."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

import batchmill
from batchmill.errors import StorageError
from batchmill.journal.database import connect
from batchmill.journal.files import ValueFiles
from batchmill.journal.locks import RunLock, is_locked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = tmp_path / "runs.sqlite"
    connect(journal).close()
    return journal


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_journal_is_private_from_its_first_byte(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        connection = connect(tmp_path / "new" / "runs.sqlite")
    finally:
        os.umask(old)
    with connection:
        connection.execute("CREATE TABLE more (a)")
    assert {mode(one) for one in (tmp_path / "new").iterdir()} == {0o600}
    assert mode(tmp_path / "new") == 0o700
    connection.close()


@pytest.mark.parametrize(("found", "told"), [(0o666, True), (0o660, True), (0o644, False), (0o600, False)])
def test_a_journal_that_others_can_get_at_is_made_private(
    path: Path, found: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path.chmod(found)
    connect(path).close()
    assert mode(path) == 0o600
    assert ("could be written to by others" in caplog.text) is told
    caplog.clear()
    connect(path).close()
    assert not caplog.text


def test_a_journal_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StorageError, match=r"belongs to another user.*copy it"):
        connect(path)
    with pytest.raises(StorageError, match="belongs to another user"):
        connect(path, create=False)


@pytest.mark.parametrize(
    "digest", ["", "../../x", "/etc/passwd", "a" * 39, "A" * 40, "a" * 40 + "/..", "g" * 40]
)
def test_a_digest_leads_nowhere_else(tmp_path: Path, digest: str) -> None:
    victim = tmp_path / "x"
    victim.write_text("kept")
    files = ValueFiles(tmp_path / "a" / "b")
    assert files.get(digest) is None
    with pytest.raises(StorageError, match="is not a digest"):
        files.remove(digest)
    assert victim.read_text() == "kept"


@pytest.mark.parametrize("name", ["", "../x", "/tmp/x", "a/b", "a\0b"])
def test_the_name_of_a_run_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="cannot be the name of a run"):
        RunLock(tmp_path / "locks", name)
    with pytest.raises(StorageError, match="cannot be the name of a run"):
        is_locked(tmp_path / "locks", name)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run.lock").symlink_to(victim)
    with pytest.raises(StorageError, match="cannot be taken"):
        RunLock(tmp_path, "run")
    assert not is_locked(tmp_path, "run")
    assert victim.read_text() == "precious"


def test_damage_is_told_as_before(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA application_id = 1")
    other.close()
    with pytest.raises(StorageError, match="of another program"):
        connect(path)


@pytest.mark.parametrize("content", [b"mine", b"SQLite format 3\x00" + bytes(100), None])
def test_what_is_no_journal_keeps_its_rights(tmp_path: Path, content: bytes | None) -> None:
    other = tmp_path / "other"
    if content is None:
        other.mkdir()
    else:
        other.write_bytes(content)
    other.chmod(0o755)
    for create in (True, False):
        with pytest.raises(StorageError, match="journal"):
            connect(other, create=create)
    assert mode(other) == 0o755


@pytest.mark.parametrize("beside", ["-wal", "-journal"])
@pytest.mark.parametrize("there", [True, False])
def test_what_another_user_put_beside_a_journal_is_not_believed(
    path: Path, beside: str, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = path.with_name(path.name + beside)
    planted.write_bytes(b"")
    lstat = os.lstat

    def found(one: object, **more: object) -> os.stat_result:
        fields = list(lstat(one, **more))  # type: ignore[arg-type]  # those of the real one
        if one == planted:
            fields[stat.ST_UID] += 1
        return os.stat_result(fields)

    monkeypatch.setattr("os.lstat", found)
    if not there:
        path.unlink()
    with pytest.raises(StorageError, match="belongs to another user"):
        connect(path)


def test_the_folder_of_another_user_holds_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".batchmill").mkdir()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StorageError, match=r"folder .* belongs to another user"):
        connect(tmp_path / ".batchmill" / "runs.sqlite")


def test_paths_that_are_no_utf_8_are_saved_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "d\udce9"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    monkeypatch.chdir(folder)
    (folder / "f\udce9.json").write_text(
        '{"nodes": [{"id": "a", "type": "shell", "params": {"command": "cat gate"}}]}'
    )
    assert batchmill.run("f\udce9.json", journal="j.sqlite").status == "failed"
    (folder / "gate").touch()
    again = batchmill.resume(journal="j.sqlite")
    assert (again.status, again.resumed) == (
        "success",
        {"kept": 0, "redone": 1, "new": 0, "changed": 0, "gone": 0},
    )
