"""Warnings on stderr and in the JSON of commands that run something."""

import json
import re

import pytest

DOUBTFUL = (
    "nodes:\n  - {id: a, type: echo, batch: {items: {glob: 'none/*'}}}\n  - {id: b, type: echo}\nedges: []\n"
)


@pytest.fixture
def document(tmp_path):
    (tmp_path / "d.yaml").write_text(DOUBTFUL)
    return "d.yaml"


def lines(err):
    return [line for line in err.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("progress", ["plain", "none", "bar"])
def test_each_is_told_once_whatever_progress_is_shown(batchmill_command, document, progress):
    code, _, err = batchmill_command("run", document, "--progress", progress, "--no-journal", COLUMNS="500")
    assert code == 0
    first, second = lines(err)
    assert first.startswith("warning: $.nodes[1].id (line 3, column 10): the node `b` never runs")
    assert second.startswith(
        "warning: a: no file matches `none/*`, so nothing was run; there is no folder `none`"
    )
    assert re.search(r"^success: 1 node \(1 success\) in \S+ s, 2 warnings$", err, re.MULTILINE)


def test_quiet_keeps_them_out_of_stderr_and_not_out_of_the_json(batchmill_command, document):
    code, out, err = batchmill_command("run", document, "-q", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert list(told)[4:7] == ["nodes", "errors", "warnings"]
    assert [one["code"] for one in told["warnings"]] == ["unreached-node", "no-items"]
    code, out, err = batchmill_command("resume", "last", "--json")
    assert [one["code"] for one in json.loads(out)["warnings"]] == ["unreached-node", "no-items"]


def test_a_document_without_doubts_is_silent(batchmill_command, tmp_path):
    (tmp_path / "d.json").write_text('{"nodes": [{"id": "a", "type": "echo"}]}')
    _, out, err = batchmill_command("run", "d.json", "--json")
    assert json.loads(out)["warnings"] == []
    assert lines(err) == []


def test_numbers_of_a_file_of_inputs_that_may_be_meant_as_text(batchmill_command, tmp_path):
    inputs = {"zip": {}, "version": {}, "rate": {"type": "number"}, "typed": {"type": "integer"}, "deep": {}}
    data = {name: f"${{{name}}}" for name in inputs}
    document = {"inputs": inputs, "nodes": [{"id": "a", "type": "echo", "params": {"data": data}}]}
    (tmp_path / "d.json").write_text(json.dumps(document))
    (tmp_path / "p.yaml").write_text(
        "zip: 00501\nversion: 3.10\nrate: 0.50\ntyped: 007\ndeep: {rate: [1.0, 1.10]}\n"
    )
    code, out, err = batchmill_command("run", "d.json", "--params", "p.yaml", "--json", "version=3.10")
    assert code == 0
    first, second = lines(err)
    assert first == (
        "warning: p.yaml: $.zip (line 1, column 6): 00501 is read as the number 501; "
        'write "00501" where text is meant'
    )
    assert second.startswith(
        "warning: p.yaml: $.deep.rate[1] (line 5, column 20): 1.10 is read as the number 1.1"
    )
    told = json.loads(out)["warnings"]
    assert [(one["path"], one["source"]) for one in told] == [
        ("$.zip", "p.yaml"),
        ("$.deep.rate[1]", "p.yaml"),
    ]
    _, _, err = batchmill_command("plan", "d.json", "--params", "p.yaml")
    assert len(lines(err)) == 3
    _, out, err = batchmill_command("resume", "last", "--params", "p.yaml", "--json", "zip=1")
    assert [one["path"] for one in json.loads(out)["warnings"]] == ["$.version", "$.deep.rate[1]"]
