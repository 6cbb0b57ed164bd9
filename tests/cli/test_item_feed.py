"""The items of map out of one source, and out of several."""

import io
import os
import sys

import click
import pytest

from batchmill.cli.item_feed import ItemFeed, NothingThere
from batchmill.cli.item_source import source_of
from batchmill.errors import InvalidSetting
from batchmill.file_table import FileTable, OwnFile, enter
from batchmill.items.sources import as_source
from batchmill.journal.journal import Journal
from batchmill.runs.files import files_of_journal

NOBODY = FileTable()


@pytest.fixture
def fed(tmp_path, monkeypatch):
    """All items, read as those who run them do."""
    monkeypatch.chdir(tmp_path)

    def read(*written, own=NOBODY, said=None, stdin=b"", **settings):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        sources = [source_of(one) for one in written]
        feed = ItemFeed(sources, own, ([] if said is None else said).append, **settings)
        source, items = as_source(feed()), []
        while taken := source.take(3):
            items += taken
        return items

    return read


def test_one_source(fed, tmp_path):
    (tmp_path / "a.txt").write_text("x\ny\n")
    assert fed("range:0:5") == [0, 1, 2, 3, 4]
    assert fed('["a", "b"]') == ["a", "b"]
    assert fed("@a.txt") == ["x", "y"]
    assert fed("*.txt") == ["a.txt"]
    assert fed("-", stdin=b"1\n2\n") == ["1", "2"]


def test_several_sources_give_every_combination(fed, tmp_path):
    (tmp_path / "a.txt").write_text("x\ny\n")
    assert fed("@a.txt", '["1", "2"]') == [["x", "1"], ["x", "2"], ["y", "1"], ["y", "2"]]
    assert len(fed("range:0:3", "range:0:400", "range:0:2")) == 2400
    assert fed("-", '["1"]', stdin=b"p\nq\n") == [["p", "1"], ["q", "1"]]
    assert fed('["1"]', "-", stdin=b"p\nq\n") == [["1", "p"], ["1", "q"]]


def test_linked_sources_stand_side_by_side(fed):
    assert fed('["a", "b"]', "range:0:2", link=True) == [["a", 0], ["b", 1]]
    with pytest.raises(click.UsageError, match=r"""'\["a", "b"\]' has 2, 'range:0:3' has 3"""):
        fed('["a", "b"]', "range:0:3", link=True)
    assert fed("-", "range:0:3", link=True, stdin=b"p\nq\nr\n") == [["p", 0], ["q", 1], ["r", 2]]
    for text in (b"p\nq\n", b"p\nq\nr\ns\n"):
        with pytest.raises(InvalidSetting, match="--link: the first source has"):
            fed("-", "range:0:3", link=True, stdin=text)


@pytest.mark.parametrize("written", ["none*", "none", "@none", "@empty", "-", "[]", "range:0:0"])
def test_a_source_that_names_nothing_is_an_error_unless_it_may(fed, written, tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(NothingThere, match=r"--allow-empty accepts that[\s\S]*range:0:10"):
        fed(written)
    assert fed(written, allow_empty=True) == []
    for written_beside in ([written, "range:0:2"], ["range:0:2", written]):
        with pytest.raises(NothingThere):
            fed(*written_beside)
        assert fed(*written_beside, allow_empty=True) == []


def test_a_limit_reads_no_further(fed):
    assert fed("range:0:100", limit=3) == [0, 1, 2]
    assert fed("range:0:2", "range:0:2", limit=3) == [[0, 0], [0, 1], [1, 0]]
    reader, writer = os.pipe()
    os.write(writer, b"1\n2\n3\n")  # and no more comes, though nobody ends it
    try:
        assert fed(f"@/dev/fd/{reader}", limit=2) == ["1", "2"]
    finally:
        os.close(reader)
        os.close(writer)


def test_groups(fed):
    assert fed("range:0:5", group=2) == [[0, 1], [2, 3], [4]]
    assert fed("-", group=2, limit=3, stdin=b"a\nb\nc\nd\n") == [["a", "b"], ["c"]]


def test_columns(fed, tmp_path):
    (tmp_path / "a.tsv").write_text("1\t2\nx\ty\n")
    assert fed("lines:a.tsv", change=lambda line: line.split("\t")) == [["1", "2"], ["x", "y"]]


def test_files_of_the_run_itself_are_no_items(fed, tmp_path):
    for name in ("runs.sqlite", "runs.sqlite-wal", "out.jsonl", "mine"):
        (tmp_path / name).touch()
    (tmp_path / "runs.sqlite.files").mkdir()
    (tmp_path / "runs.sqlite.files" / "ab").touch()
    (tmp_path / "link").symlink_to("runs.sqlite")
    own = FileTable()
    enter(own, {**files_of_journal(Journal(tmp_path / "runs.sqlite")), "out.jsonl": OwnFile("--collect")})
    paths = ("mine", "runs.sqlite", "link", "runs.sqlite.files/ab", "gone")
    everything = "".join(f"./{path}\n" for path in paths)
    said = []
    assert fed("-", own=own, said=said, stdin=everything.encode()) == ["./mine", "./gone"]
    start = "note: left out, as files of this run: "
    told = [name for line in said for name in line.removeprefix(start).split(", ")]
    assert told == ["./runs.sqlite", "./link", "./runs.sqlite.files/ab"]
    assert fed("**", own=own) == ["mine"]
    assert fed(f'["{tmp_path}/out.jsonl", "x"]', own=own) == ["x"]
