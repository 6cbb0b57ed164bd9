"""``batchmill report``: text, files and what is said of mistakes."""

from __future__ import annotations

import gzip
import json
import re

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
def report(batchmill_command, tmp_path):
    """``report(*arguments)`` after a run: exit code, stdout, stderr."""
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    assert batchmill_command("run", "flow.json", "-q")[0] == 3
    return lambda *arguments, **more: batchmill_command("report", *arguments, **more)


def test_without_a_file_it_is_text(report):
    code, out, err = report()
    assert (code, err) == (0, "")
    assert out.startswith("degraded: run ")
    assert "5 of 6 items are done, 1 failed.\n" in out
    assert "1 × AssertionError in half: broken 4\n  show it: batchmill show " in out


def test_json_is_the_model(report):
    code, out, _ = report("last", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["schema"], told["counts"]) == ("batchmill.report/1", {"ok": 5, "failed": 1})


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("html", "<!DOCTYPE html>"), ("markdown", "## "), ("metrics", "# HELP"),
    ],
)  # fmt: skip
def test_every_format_goes_to_a_file_or_to_stdout(report, tmp_path, name, begin):
    if name == "html":
        pytest.importorskip("jinja2")
    file = tmp_path / "told"
    assert report(f"--{name}", "told") == (0, "", "")
    assert file.read_text().startswith(begin)
    assert file.stat().st_mode & 0o077 == (0o044 if name == "metrics" else 0)
    code, out, err = report("last", f"--{name}", "-")
    assert (code, out.splitlines()[0], err) == (0, file.read_text().splitlines()[0], "")


def test_several_at_once(report, tmp_path):
    code, out, _ = report("--markdown", "a.md", "--metrics", "sub/b.prom.gz", "--json")
    assert code == 0
    assert json.loads(out)["counts"]["failed"] == 1
    assert (tmp_path / "a.md").read_text().startswith("## ")
    assert gzip.decompress((tmp_path / "sub" / "b.prom.gz").read_bytes()).startswith(b"# HELP")


def test_values_may_be_left_out(report):
    assert json.loads(report("--json")[1])["failures"]["groups"][0]["examples"][0]["input"] == "4"
    told = json.loads(report("--json", "--values", "none")[1])
    assert told["failures"]["groups"][0]["examples"][0]["input"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch"], 2, "nosuch"),
        (["--json", "--markdown", "-"], 2, "only one format can go to stdout"),
        (["--journal", "missing.sqlite"], 5, "there is no journal"),
        (["--metrics", "."], 5, ". cannot be written"),
    ],
)
def test_mistakes_are_named(report, arguments, code, words):
    found, out, err = report(*arguments)
    assert found == code
    assert words in err
    assert words in out if "--json" in arguments else out == ""


def test_a_journal_elsewhere_is_named_in_commands(batchmill_command, tmp_path):
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    assert batchmill_command("run", "flow.json", "-q", "--journal", "my runs.db")[0] == 3
    out = batchmill_command("report", "--journal", "my runs.db")[1]
    assert f"--journal '{tmp_path / 'my runs.db'}'\n" in out


def test_two_runs_side_by_side(report, batchmill_command, tmp_path):
    changed = json.loads(json.dumps(FLOW).replace("n != 4", "n not in (2, 3)").replace("[6]", "[8]"))
    (tmp_path / "flow.json").write_text(json.dumps(changed))
    assert batchmill_command("run", "flow.json", "-q")[0] == 3
    later, first = (one["run"] for one in json.loads(batchmill_command("runs", "--json")[1]))
    code, out, _ = report("last", "--against", first, "--json")
    told = json.loads(out)
    assert (code, told["schema"]) == (0, "batchmill.against/1")
    assert (told["this"]["run"], told["other"]["run"]) == (later, first)
    assert [(told[one]["ok"], told[one]["failed"]) for one in ("this", "other")] == [(6, 2), (5, 1)]
    assert told["broken"] == {"count": 2, "items": [["half", 2], ["half", 3]]}
    assert told["mended"] == {"count": 1, "items": [["half", 4]]}
    assert (told["only_here"], told["only_there"]) == (2, 0)
    code, out, err = report(later, "--against", first)
    assert (code, err) == (0, "")
    assert re.search(r"^items failed +2 +1$", out, re.MULTILINE)
    assert "failed here alone: 2 items: half 2, half 3\nfailed there alone: 1 item: half 4\n" in out
    assert "no item in both runs ended differently" in report(first, "--against", first)[1]
    code, out, err = report(later, "--against", first, "--markdown", "-")
    assert (code, err) == (0, "")
    assert f"### Against run {first}" in out
    assert out.index("### Against run") < out.index("### Where the time went")
    assert "2 items failed here alone" in out
    assert re.search(r"\| half \| 4 \|", out)
    pytest.importorskip("jinja2")
    page = report(later, "--against", first, "--html", "-")[1]
    assert f"Against run {first}" in page
    assert "2 items failed here alone" in page


def test_the_page_is_opened_in_a_browser(report, batchmill_command, tmp_path, monkeypatch):
    pytest.importorskip("jinja2")
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or len(opened) < 3)
    assert report("--open", "-o", "page.html") == (0, "", "wrote page.html\n")
    assert report("--open")[0] == 0
    name = json.loads(batchmill_command("runs", "--json")[1])[0]["run"]
    assert opened == [(tmp_path / one).as_uri() for one in ("page.html", f"report-{name}.html")]
    assert (tmp_path / f"report-{name}.html").read_text().startswith("<!DOCTYPE html>")
    code, _, err = report("--open")
    assert code == 5
    assert "open report-" in err


def test_a_comparison_is_no_metric(report):
    code, out, err = report("--against", "last", "--metrics", "-")
    assert (code, out) == (2, "")
    assert "--against cannot be combined" in err
