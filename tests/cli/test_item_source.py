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
        ("${x}*", {"glob": "$${x}*"}),
        ('["${x}"]', ["$${x}"]),
    ],
)
def test_sources(written, source):
    assert source_of(written) == source


@pytest.mark.parametrize(
    "written",
    ["@", "[1,", "range:a", "range:", "[NaN]", "@x.tsv", "@x.TSV.gz", "@x.parquet", "@x.json", "@x.csv.zst"],
)
def test_what_is_no_source(written):
    with pytest.raises(click.BadParameter):
        source_of(written)
