"""The short ways to write items on the command line."""

import click
import pytest

from batchmill.cli.item_source import source_of


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("-", {"stdin": "lines"}),
        ("stdin:jsonl", {"stdin": "jsonl"}),
        ("@names", {"lines": "names"}),
        ("@rows.jsonl", {"jsonl": "rows.jsonl"}),
        ("@rows.csv.gz", {"csv": "rows.csv.gz"}),
        ("@Z.CSV", {"csv": "Z.CSV"}),
        ("@z.jsonl.ZST", {"jsonl": "z.jsonl.ZST"}),
        ("@x.parquet", {"parquet": "x.parquet"}),
        ("zip:x", {"glob": "zip:x"}),
        ("python:a:b", {"python": "a:b"}),
        ("@names.xz", {"lines": "names.xz"}),
        ("@z.csv.GZ", {"csv": "z.csv.GZ"}),
        ("@rows.NDJSON", {"jsonl": "rows.NDJSON"}),
        ("@notes.txt", {"lines": "notes.txt"}),
        ("lines:x.tsv", {"lines": "x.tsv"}),
        ("lines:rows.csv", {"lines": "rows.csv"}),
        ("range:3", {"range": [3]}),
        ("range:0:10:-2", {"range": [0, 10, -2]}),
        ("*.md", {"glob": "*.md"}),
        ("glob:@odd*", {"glob": "@odd*"}),
        ("c:\\files\\*", {"glob": "c:\\files\\*"}),
        ('[1, "two", {"three": 3}]', [1, "two", {"three": 3}]),
        ('{"range": [1, 4]}', {"range": [1, 4]}),
        ('{"delimiter": ";", "csv": "x"}', {"csv": "x", "delimiter": ";"}),
        ("${x}*", {"glob": "${x}*"}),
        ('["${x}"]', ["${x}"]),
    ],
)
def test_sources(written, source):
    assert source_of(written).spec == source


@pytest.mark.parametrize(
    "written",
    ["@", "[1,", "range:a", "range:", "[NaN]", "@x.tsv", "@x.TSV.gz", "@x.json",
     "", '{"globb": "x"}', "[*.txt]"],
)  # fmt: skip
def test_what_is_no_source(written):
    with pytest.raises(click.BadParameter):
        source_of(written)


@pytest.mark.parametrize(
    ("written", "rows"),
    [("@a.csv", True), ("@a.jsonl", True), ("stdin:jsonl", True), ('[{"a": 1}]', True), ('["a"]', False),
     ("-", False), ("*", False), ("range:3", False), ("@a.txt", False)],
)  # fmt: skip
def test_which_may_have_rows(written, rows):
    assert source_of(written).rows is rows


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("-", "standard input is empty"),
        ("@none", "there is no file 'none'"),
        ("data/*.csv", "no file matches the pattern 'data/*.csv'"),
        ("report.txt", "there is no file 'report.txt'"),
        ("a b c", """write '["a", "b", "c"]'"""),
        ("a, b", """write '["a", "b"]'"""),
        ("1..5", "write range:1:6"),
        ("range(5)", "write range:0:5"),
        ("range(2, 5)", "write range:2:5"),
        ("[]", "'[]' has no items"),
        ("range:3:3", "'range:3:3' has no items"),
    ],
)
def test_what_is_said_of_one_that_names_nothing(written, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in source_of(written).emptiness
