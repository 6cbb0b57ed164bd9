"""Files that a run leaves about itself when it has ended, and the exit code that one asks for."""

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from batchmill.errors import StorageError
from batchmill.journal.writer import Writer

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


def test_the_log_of_jobs_of_documents(batchmill_command, tmp_path):
    batch = {"items": [0, 1], "error_handling": "continue"}
    node = {"id": "a", "type": "shell", "params": {"command": "test ${item} = 1 -o -e gate"}, "batch": batch}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [node]}))
    codes = []
    for command in (["run", "flow.json"], ["resume", "--failed"]):
        assert batchmill_command(*command, "-q", "--joblog", "jobs.log")[0] == (
            3 if command[0] == "run" else 0
        )
        head, *lines = (tmp_path / "jobs.log").read_text().splitlines()
        codes.append([line.split("\t")[head.split("\t").index("Exitval")] for line in lines])
        (tmp_path / "gate").touch()
    assert codes == [["1", "0"], ["0", "0"]]


def figures(trace):
    """What a trace tells of each attempt, but for times. A slow machine is measured while it runs."""
    found = json.loads(Path(trace).read_text())["traceEvents"]
    return sorted((one["name"], "dur" in one, one["ph"]) for one in found if one["ph"] != "C")


def test_a_run_that_is_not_kept_leaves_the_same_figures(batchmill_command, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for name, more in (("kept", ()), ("told", ("--no-journal",))):
        flags = ["--trace", f"{name}.json", "--metrics", f"{name}.prom", "--summary", f"{name}.md"]
        flags += ["-j", "1", "--retries", "1", "--retry-wait", "0"]
        code, _, err = batchmill_command("map", "--items", "range:0:3", *more, *flags, "--", "test {} != 1")
        assert code == 3, err
        assert ("batchmill show" in err) == (name == "kept")
    assert figures("told.json") == figures("kept.json")
    assert len(figures("told.json")) > 5
    told, kept = (Path(f"{one}.prom").read_text().splitlines() for one in ("told", "kept"))
    assert [one.rpartition(" ")[0] for one in told] == [one.rpartition(" ")[0] for one in kept]
    assert 'batchmill_run_items{node="map",state="failed"} 1' in told
    assert "batchmill resume" in Path("kept.md").read_text()
    assert not [one for one in ("show", "resume") if f"batchmill {one}" in Path("told.md").read_text()]
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_figures_of_a_document_that_is_not_kept(batchmill_command, tmp_path, executor):
    batch = {"items": [1, 2], "executor": executor}
    node = {"id": "a", "type": "echo", "params": {"message": "${item}"}, "batch": batch}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [node]}))
    code, out, err = batchmill_command("run", "flow.json", "--no-journal", "--json", "--trace", "t.json")
    assert code == 0, err
    assert json.loads(out).get("journal") is None
    assert sum("dur" in one for one in json.loads(Path("t.json").read_text())["traceEvents"]) >= 2
    assert not (tmp_path / ".batchmill").exists()


def test_figures_that_cannot_be_noted_cost_no_item(batchmill_command, monkeypatch):
    def full(writer, taken):
        raise StorageError("no space left")

    monkeypatch.setattr(Writer, "_commit", full)
    flags = ["--no-journal", "--metrics", "m.prom"]
    code, out, err = batchmill_command("map", "--items", "range:0:3", *flags, "--", "echo")
    assert out == "0\n1\n2\n"
    assert code == 5
    assert "--metrics would not cover the whole run: no space left" in err


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


@pytest.fixture
def names_flow(tmp_path):
    batch = {"items": {"lines": "names"}, "as": "x"}
    node = {"id": "a", "type": "echo", "params": {"message": "${x}"}, "batch": batch}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [node]}))
    (tmp_path / "names").write_text("x\ny\n")
    (tmp_path / "params.json").write_text("{}")


@pytest.mark.parametrize("option", ["--trace", "--summary", "--metrics", "--joblog"])
@pytest.mark.parametrize("file", ["flow.json", "names", "params.json", ".batchmill/runs.sqlite"])
def test_no_file_of_the_run_is_overwritten(batchmill_command, tmp_path, names_flow, option, file):
    before = (tmp_path / file).read_bytes() if (tmp_path / file).exists() else None
    code, _, err = batchmill_command("run", "flow.json", "-q", "--params", "params.json", option, file)
    assert code == 2, err
    assert option in err
    assert before is None or (tmp_path / file).read_bytes() == before
    if file == "names":
        assert batchmill_command("map", "--items", "@names", option, file, "--", "echo")[0] == 2
        assert (tmp_path / file).read_bytes() == before


def test_files_about_the_run_are_no_items_of_it(batchmill_command, tmp_path):
    node = {"id": "a", "type": "shell", "params": {"command": "test ${x} != b -o -e ../gate"}}
    node["batch"] = {"items": {"glob": "*"}, "as": "x", "error_handling": "continue"}
    document = {"nodes": [node], "outputs": {"n": {"source": "${a.count}"}}}
    (tmp_path / "flow.json").write_text(json.dumps(document))
    (tmp_path / "b").touch()
    flags = ["-q", "--json"]
    for codes in ((3, "--summary", "s"), (3, "--summary", "s")):
        code, out, err = batchmill_command("run", "flow.json", *flags, *codes[1:])
        assert (code, json.loads(out)["outputs"]) == (3, {"n": 2}), err
    (tmp_path.parent / "gate").touch()
    code, out, err = batchmill_command("resume", "--failed", *flags, "--metrics", "m")
    assert (code, json.loads(out)["outputs"]) == (0, {"n": 2}), err
    for _ in range(2):
        assert (
            batchmill_command("map", "--items", "*", "-q", "--trace", "t", "--", "echo")[1]
            == "b\nflow.json\nm\ns\n"
        )


def test_a_resumed_run_writes_them_where_the_command_was_given(batchmill_command, tmp_path, monkeypatch):
    node = {"id": "a", "type": "shell", "params": {"command": "cat gate"}}
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [node]}))
    assert batchmill_command("run", "flow.json", "-q")[0] == 1
    (tmp_path / "gate").touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    journal = str(tmp_path / ".batchmill" / "runs.sqlite")
    assert batchmill_command("resume", "-q", "--journal", journal, "--metrics", "m.prom")[0] == 0
    assert (tmp_path / "elsewhere" / "m.prom").exists()
    assert not (tmp_path / "m.prom").exists()
