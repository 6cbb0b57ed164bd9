"""``batchmill trace``: every format, to a file or to stdout, and what is said of mistakes."""

from __future__ import annotations

import gzip
import json

import pytest

FLOW = {
    "nodes": [
        {
            "id": "half",
            "type": "code",
            "params": {"code": "assert n != 4, f'broken {n}'\nresult = n / 2", "inputs": {"n": "${n}"}},
            "batch": {"items": {"range": [6]}, "as": "n", "error_handling": "continue"},
        }
    ]
}


@pytest.fixture
def trace(batchmill_command, tmp_path):
    """``trace(*arguments)`` after a run: exit code, stdout, stderr."""
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    assert batchmill_command("run", "flow.json", "-q")[0] == 3
    return lambda *arguments, **more: batchmill_command("trace", *arguments, **more)


@pytest.mark.parametrize(
    ("name", "begin", "lines"),
    [
        ("chrome", '{"displayTimeUnit"', None), ("otlp", '{"resourceSpans"', None),
        ("tsv", "node\tindex", 7), ("joblog", "Seq\tHost", 7),
    ],
)  # fmt: skip
def test_every_format_goes_to_a_file_or_to_stdout(trace, tmp_path, name, begin, lines):
    file = tmp_path / "sub" / "told"
    assert trace("--format", name, "-o", "sub/told") == (0, "", "")
    text = file.read_text()
    assert text.startswith(begin)
    assert lines is None or len(text.splitlines()) == lines
    assert file.stat().st_mode & 0o077 == 0
    code, out, err = trace("last", "--format", name)
    assert (code, out.splitlines()[0], err) == (0, text.splitlines()[0], "")


def test_chromes_is_the_default_and_gz_is_compressed(trace, tmp_path):
    assert trace("-o", "told.json.gz") == (0, "", "")
    events = json.loads(gzip.decompress((tmp_path / "told.json.gz").read_bytes()))["traceEvents"]
    assert (
        len({one["args"]["index"] for one in events if one["ph"] == "X" and "index" in one.get("args", {})})
        == 6
    )
    assert json.loads(trace("-o", "-")[1])["traceEvents"] == events


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch"], 2, "nosuch"),
        (["--format", "csv"], 2, "'chrome', 'otlp', 'tsv', 'joblog'"),
        (["-o", "a", "-o", "b"], 2, "--output is given twice"),
        (["--journal", "missing.sqlite"], 5, "there is no journal"),
        (["-o", "."], 5, ". cannot be written"),
    ],
)
def test_mistakes_are_named(trace, arguments, code, words):
    found, out, err = trace(*arguments)
    assert (found, out) == (code, "")
    assert words in err
