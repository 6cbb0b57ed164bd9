"""Files that a run leaves about itself when it has ended, and the exit code that one asks for."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

MAP = ("map", "--items", "range:0:5", "-q")


def test_each_file_is_there_when_the_run_has_ended(batchmill_command):
    pytest.importorskip("jinja2")
    flags = ["--report", "r.html", "--trace", "t.json.gz", "--summary", "s.md", "--metrics", "m.prom"]
    code, _, err = batchmill_command(*MAP, *flags, "--", "test {} != 3")
    assert code == 3, err
    assert "4 of 5 items are done, 1 failed" in Path("r.html").read_text()
    assert json.loads(gzip.decompress(Path("t.json.gz").read_bytes()))["traceEvents"]
    assert "4 of 5 items are done, 1 failed" in Path("s.md").read_text()
    assert Path("m.prom").read_text().endswith("# EOF\n")
    assert [Path(name).stat().st_mode & 0o077 for name in ("r.html", "t.json.gz", "s.md")] == [0, 0, 0]


def test_a_summary_is_added_to_what_is_there(batchmill_command, tmp_path):
    (tmp_path / "s.md").write_text("before\n")
    (tmp_path / "s.md").write_text("before\n")
    for _ in range(2):
        batchmill_command(*MAP, "--summary", "s.md", "--", "true")
    text = (tmp_path / "s.md").read_text()
    assert text.startswith("before\n")
    assert text.count("## batchmill map: success") == 2


def test_of_documents_and_of_runs_that_are_resumed(batchmill_command, tmp_path):
    node = {"id": "a", "type": "shell", "params": {"command": "cat gate"}}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [node]}))
    assert batchmill_command("run", "flow.json", "-q", "--metrics", "m.prom")[0] == 1
    assert 'batchmill_run_status{status="failed"} 1' in (tmp_path / "m.prom").read_text()
    (tmp_path / "gate").touch()
    assert batchmill_command("resume", "-q", "--metrics", "m.prom")[0] == 0
    assert 'batchmill_run_status{status="success"} 1' in (tmp_path / "m.prom").read_text()


def test_where_there_is_no_journal_to_make_it_of(batchmill_command):
    code, _, err = batchmill_command(*MAP, "--no-journal", "--trace", "t.json", "--", "true")
    assert code == 2
    assert "--trace is made of the journal: leave --no-journal out" in err
    assert not Path("t.json").exists()


def test_a_file_that_cannot_be_written_is_told_and_the_others_are_there(batchmill_command):
    flags = ["--trace", "/dev/null/t.json", "--metrics", "m.prom"]
    code, _, err = batchmill_command(*MAP, *flags, "--", "true")
    assert code == 5
    assert "/dev/null/t.json cannot be written" in err
    assert Path("m.prom").exists()


def test_some_failed_items_can_be_a_success(batchmill_command):
    assert batchmill_command(*MAP, "--", "test {} != 3")[0] == 3
    assert batchmill_command(*MAP, "--exit-zero", "--", "test {} != 3")[0] == 0
    assert batchmill_command(*MAP, "--exit-zero", "--", "false")[0] == 1


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_costs_no_file(tmp_path):
    command = f"{sys.executable} -m batchmill map --items range:20000 -q --metrics m.prom -- echo"
    subprocess.run(
        ["bash", "-c", f"{command} | head -1"], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )
    assert (tmp_path / "m.prom").read_text().endswith("# EOF\n")
