"""Files of the run itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchmill.errors import FileInUse
from batchmill.file_table import FileTable, OwnFile, Use, described, enter, refuse_shared

REPORT = OwnFile("the file of --report", Use.AT_THE_END)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").write_text("rows")
    Path("link").symlink_to("in")
    os.link("in", "hard")


@pytest.mark.parametrize("name", ["in", "./in", "link", "hard"])
def test_a_file_is_not_written_at_the_end_by_any_name(name: str) -> None:
    with pytest.raises(FileInUse, match=f"{name} cannot be the file of --report: it is also the document"):
        refuse_shared([(name, REPORT)], {"in": OwnFile("the document", Use.READ)})
    with pytest.raises(FileInUse, match="cannot be the file of --trace: it is also the file of --report"):
        refuse_shared([(name, REPORT), ("hard", OwnFile("the file of --trace", Use.AT_THE_END))], {})


def test_nor_in_a_folder_of_the_run() -> None:
    with pytest.raises(FileInUse, match="it is also the journal"):
        refuse_shared([("kept/a", REPORT)], {"kept/": OwnFile("the journal")})


def test_a_device_and_the_same_file_of_an_earlier_pass_are_written() -> None:
    refuse_shared([("/dev/null", REPORT)], {"/dev/null": OwnFile("the journal")})
    refuse_shared([("link", REPORT)], {"in": REPORT})


def test_only_a_file_that_is_just_read_may_be_an_item() -> None:
    Path("log").touch()
    Path("page").touch()
    table = FileTable()
    enter(table, described({"in": OwnFile("the document", Use.READ), "log": "the log", "page": REPORT}))
    assert table.among(["in", "log", "page"]) == [1, 2]
