"""The table of a run's files: what may be written, under whatever name, in whichever process."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from batchmill.errors import FileInUse
from batchmill.file_table import FileTable, place_of, without


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("rows")
    (tmp_path / "link").symlink_to("in")
    os.link("in", "hard")
    (tmp_path / "sub").mkdir()
    (tmp_path / "way").symlink_to("sub")
    return tmp_path


NAMES = ["in", "./in", "sub/../in", "link", "hard", "{}/in"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_not_written_under_any_name(folder: Path, name: str) -> None:
    table = FileTable()
    entry = table.reading("in", "`a`")
    path = name.format(folder)
    with pytest.raises(FileInUse, match="cannot be written by `b`: it is also read by `a`"):
        table.writing(path, "`b`")
    with pytest.raises(FileInUse, match="also read by `a`"):
        table.check(path, "`b`")
    table.done(entry)
    table.check(path, "`b`")  # a node may replace it then
    with pytest.raises(FileInUse, match="also read by `a`"):
        table.writing(path, "`b`")


def test_a_file_is_written_by_one(folder: Path) -> None:
    table = FileTable()
    entry = table.writing("out", "`a`")
    for path in ("out", "sub/../out"):
        with pytest.raises(FileInUse, match="`a` writes its results there"):
            table.writing(path, "`b`")
        with pytest.raises(FileInUse, match="cannot be read by `b`: `a` is writing it"):
            table.reading(path, "`b`")
    assert table.writing("way/out", "`c`") is not None
    with pytest.raises(FileInUse, match="`c` writes"):
        table.writing("sub/out", "`b`")
    (folder / "new").write_text("x")
    os.replace("new", "out")
    table.done(entry)
    os.link("out", "out too")
    for path in ("out", "out too"):
        with pytest.raises(FileInUse, match="`a` has written its results there"):
            table.writing(path, "`b`")
        with pytest.raises(FileInUse, match="`a` has written"):
            table.check(path, "`b`")
    assert table.reading("out", "`b`") is not None


def test_a_file_that_was_not_written_after_all_is_free(folder: Path) -> None:
    table = FileTable()
    table.done(table.writing("out", "`a`"), kept=False)
    assert table.writing("out", "`b`") is not None


def test_another_round_is_refused_and_another_attempt_is_not(folder: Path) -> None:
    table = FileTable()
    table.done(table.writing("out", "`a`"))
    with pytest.raises(FileInUse, match="an earlier round of it has written it"):
        table.writing("out", "`a`")
    table.done(table.reading("out", "`next`"))
    assert table.writing("out", "`a`", again=True) is not None


def test_files_of_the_run_itself(folder: Path) -> None:
    table = FileTable()
    table.own("in", "the document", written=False)
    assert table.among(["in"]) == []
    for refused in (table.check, table.writing):
        with pytest.raises(FileInUse, match="hard cannot be written by `a`: it is the document"):
            refused("hard", "`a`")
    assert table.reading("in", "`a`") is not None
    with open("sub/x", "w") as file:
        table.own(file.fileno(), "standard output")
        with pytest.raises(FileInUse, match="it is standard output"):
            table.check("way/x", "`a`")


def test_the_number_of_a_file_that_is_gone_is_not_the_file(folder: Path) -> None:
    table = FileTable()
    table.done(table.reading("in", "`a`"))
    inode = os.stat("in").st_ino
    os.rename("in", "other")  # the same inode under a name that was not read
    assert os.stat("other").st_ino == inode
    assert table.writing("other", "`b`") is not None


@pytest.mark.parametrize("name", ["sub", os.devnull, "no\0name"])
def test_what_is_no_regular_file_is_not_looked_at(folder: Path, name: str) -> None:
    table = FileTable()
    assert place_of(name) is None
    assert table.reading(name, "`a`") is None
    assert table.writing(name, "`b`") is None
    table.check(name, "`b`")
    table.done(None)


def test_what_is_not_finished_is_no_item(folder: Path) -> None:
    table = FileTable()
    table.own("in", "the journal")
    table.plan("out", "`a`")
    names = ["in", "hard", "out", "out.partial", "sub", "sub/x", "gone", "", 7, None, "no\0name"]
    for name in ("out", "out.partial", "sub/x"):
        Path(name).touch()
    assert table.among(names) == [0, 1, 2, 3]
    entry = table.writing("out", "`a`")
    assert table.among(names) == [0, 1, 2, 3]
    table.done(entry)
    assert table.among(names) == [0, 1]
    table.reading("sub/x", "`a`")
    assert table.among(names) == [0, 1]
    assert without(names[:3], table.among(names)) == ["out"]


def test_folders_of_the_run_itself(folder: Path) -> None:
    table = FileTable()
    table.own_folder("way", "the journal")
    Path("sub/deep").mkdir()
    for name in ("sub/deep/x", "way/x", "subx"):
        Path(name).touch()
    assert table.among(["sub", "way", "sub/deep/x", "way/x", "subx", "in"]) == [0, 1, 2, 3]
    with pytest.raises(FileInUse, match="it is the journal"):
        table.check("sub/x", "`a`")
    table.check("subx", "`a`")


def test_other_processes_see_the_same_table(folder: Path) -> None:
    table = FileTable()
    table.reading("in", "`a`")
    there = pickle.loads(pickle.dumps(table))
    with pytest.raises(FileInUse, match="read by `a`"):
        there.check("hard", "`b`")
    entry = there.writing("out", "`w[0].c`")
    with pytest.raises(FileInUse, match=r"`w\[0\]\.c` writes"):
        table.writing("out", "`w[1].c`")
    there.done(entry)
    with pytest.raises(FileInUse, match=r"`w\[0\]\.c` has written"):
        table.writing("out", "`w[1].c`")
    third = pickle.loads(pickle.dumps(there))
    with pytest.raises(FileInUse, match=r"`w\[0\]\.c` has written"):
        third.writing("out", "`w[2].c`")
    for one in (third, there, table):
        one.close()
    assert copy.deepcopy(table) is table


def test_a_process_of_its_own_sees_it(folder: Path) -> None:
    table = FileTable()
    table.reading("in", "`a`")
    program = (
        "import pickle, sys\n"
        "table = pickle.loads(sys.stdin.buffer.read())\n"
        "table.writing('out', '`w[0].c`')\n"
        "table.check('hard', '`b`')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(table), capture_output=True)
    assert b"FileInUse: hard cannot be written by `b`: it is also read by `a`" in done.stderr
    with pytest.raises(FileInUse, match=r"`w\[0\]\.c` writes"):
        table.writing("out", "`d`")
    table.close()


def test_where_processes_cannot_look_into_each_other_it_is_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = FileTable()
    table.reading("in", "`a`")
    monkeypatch.setattr("batchmill.file_table.log._BY_PROCESS", "/nowhere/{}/{}")
    there = pickle.loads(pickle.dumps(table))
    with pytest.raises(FileInUse, match="read by `a`"):
        there.check("in", "`b`")
    table.close()


def test_a_link_to_a_folder_that_leads_elsewhere_meanwhile_is_followed_again(folder: Path) -> None:
    before = place_of("way/new")
    (folder / "other").mkdir()
    (folder / "way").unlink()
    (folder / "way").symlink_to("other")
    after = place_of("way/new")
    assert before is not None
    assert after is not None
    assert before.real == os.path.realpath(folder / "sub" / "new")
    assert after.real == os.path.realpath(folder / "other" / "new")
