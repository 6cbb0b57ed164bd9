"""resume, runs, show, results and gc as commands."""

import csv
import io
import json
import subprocess
import sys
import time

import pytest

from batchmill.journal.journal import Journal

CODE = "import os\nassert x != 2 or os.path.exists('repaired')\nresult = x"


def flow(items=4, code=CODE, **batch):
    settings = {"items": {"range": [items]}, **batch}
    node = {"id": "each", "type": "code", "params": {"code": code, "inputs": {"x": "${item}"}}}
    return {"nodes": [{**node, "batch": settings}]}


class Command:
    """The command, and the document it is called on."""

    def __init__(self, call, folder):
        self.call = call
        self.folder = folder

    def __call__(self, *arguments, **environment):
        return self.call(*arguments, **environment)

    def write(self, document):
        (self.folder / "flow.json").write_text(json.dumps(document))


@pytest.fixture
def batchmill(batchmill_command, tmp_path):
    return Command(batchmill_command, tmp_path)


def test_a_failed_run_is_resumed_by_the_command_it_ends_with(batchmill, tmp_path):
    batchmill.write(flow())
    code, _, err = batchmill("run", "flow.json", "--progress", "none")
    assert code == 1
    words = err.splitlines()[-1].removeprefix("resume with: batchmill ").split()
    (tmp_path / "repaired").touch()
    code, out, err = batchmill(*words, "--json", "--progress", "none")
    told = json.loads(out)
    assert (code, told["schema"], told["status"]) == (0, "batchmill.run/1", "success")
    assert told["resumed"] == {"kept": 2, "redone": 1, "new": 1, "changed": 0, "gone": 0}
    assert "2 kept, 1 redone, 1 new, 0 changed, 0 gone" in err
    code, out, err = batchmill("resume", "--json")
    assert (code, json.loads(out)["outputs"]) == (0, told["outputs"])
    assert f"run {told['run']} is finished (success): nothing to do" in err


def test_failed_items_of_a_degraded_run_are_run_again(batchmill, tmp_path):
    batchmill.write(flow(error_handling="continue"))
    code, _, err = batchmill("run", "flow.json", "--progress", "none")
    assert code == 3
    assert "--failed" in err.splitlines()[-1]
    assert batchmill("resume")[0] == 3
    (tmp_path / "repaired").touch()
    assert batchmill("resume", "last", "--failed", "--executor", "thread", "--jobs", "2")[0] == 0


@pytest.mark.slow
def test_two_processes_on_one_run(batchmill, tmp_path):
    waiting = "while not os.path.exists('go on'): time.sleep(0.01)"
    batchmill.write(flow(2, f"import os, time, pathlib\npathlib.Path('ran').touch()\n{waiting}\nresult = x"))
    first = subprocess.Popen(
        [sys.executable, "-m", "batchmill", "run", "flow.json", "--progress", "none"], cwd=tmp_path
    )
    try:
        while not (tmp_path / "ran").exists():
            time.sleep(0.02)
        code, _, err = batchmill("resume", "last")
        assert code == 75
        assert f"process {first.pid}" in err
        assert "running" in batchmill("runs")[1]
        assert batchmill("gc", "--keep", "0")[2] == "0 runs forgotten\n"
    finally:
        (tmp_path / "go on").touch()
        assert first.wait(30) == 0


def test_the_journal_is_where_it_is_said_to_be(batchmill, tmp_path):
    batchmill.write(flow(2))
    assert batchmill("run", "flow.json", "-q", "--no-journal")[0] == 0
    assert batchmill("run", "flow.json", "-q", BATCHMILL_JOURNAL="none")[0] == 0
    assert not (tmp_path / ".batchmill").exists()
    assert batchmill("run", "flow.json", "-q", "--durable", BATCHMILL_JOURNAL="a/b.sqlite")[0] == 0
    assert (tmp_path / "a" / "b.sqlite").exists()
    batchmill.write(flow())
    _, _, err = batchmill("run", "flow.json", "-q", "--journal", "a/b.sqlite")
    assert err.splitlines()[-1].endswith(f"--journal {tmp_path}/a/b.sqlite")
    code, _, err = batchmill("runs")
    assert code == 5
    assert "there is no journal" in err


def test_show_tells_skipped_items(batchmill):
    document = flow(error_handling="continue")
    document["nodes"][0]["when"] = "${__index__ > 0}"
    batchmill.write(document)
    batchmill("run", "flow.json", "-q")
    (node,) = json.loads(batchmill("show", "--json")[1])["nodes"]
    assert (node["done"], node["failed"], node["skipped"]) == (4, 1, 1)
    assert "4 of 4 items done, 1 failed, 1 skipped, " in batchmill("show")[1]


def test_runs_and_show(batchmill):
    batchmill.write(flow(error_handling="continue"))
    batchmill("run", "flow.json", "-q")
    batchmill("run", "flow.json", "-q")
    runs = json.loads(batchmill("runs", "--json")[1])
    assert [run["status"] for run in runs] == ["degraded", "degraded"]
    assert [line.split()[0] for line in batchmill("runs")[1].splitlines()] == [run["run"] for run in runs]
    name = runs[1]["run"]
    shown = json.loads(batchmill("show", name[:6], "--json")[1])
    assert shown["run"] == name
    (node,) = shown["nodes"]
    assert (node["node"], node["total"], node["done"], node["failed"]) == ("each", 4, 4, 1)
    assert "each: 4 of 4 items done, 1 failed" in batchmill("show", name)[1]
    assert batchmill("show", name, "--errors")[1].startswith("each[2]: AssertionError: ")
    (error,) = json.loads(batchmill("show", name, "--errors", "--json")[1])
    assert (error["index"], error["error"]["type"]) == (2, "AssertionError")
    item = json.loads(batchmill("show", "--item", "3")[1])
    assert (item["item"], item["value"]["result"], item["state"]) == (3, 3, "ok")


def test_what_there_is_none_of(batchmill):
    batchmill.write(flow(2))
    batchmill("run", "flow.json", "-q")
    for arguments in (
        ["show", "nope"],
        ["show", "--item", "99"],
        ["results", "--node", "eech"],
        ["resume", "nope"],
    ):
        code, out, err = batchmill(*arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith("error: ")
    assert batchmill("resume", "a", "b")[0] == 2
    assert batchmill("gc")[0] == 2
    assert batchmill("gc", "--older-than", "soon")[0] == 2


def test_results_in_every_form(batchmill):
    text = "result = ['=1+1', '-2', 'a,\"b\"', -3][x]\nassert x != 2"
    batchmill.write(flow(4, text, error_handling="continue"))
    batchmill("run", "flow.json", "-q")
    entries = json.loads(batchmill("results")[1])
    assert [entry and entry["result"] for entry in entries] == ["=1+1", "-2", None, -3]
    assert entries[0]["item"] == 0
    lines = batchmill("results", "last", "--format", "jsonl")[1].splitlines()
    assert [json.loads(line) for line in lines] == entries
    rows = list(csv.DictReader(io.StringIO(batchmill("results", "--format", "csv")[1])))
    assert [(row["index"], row["result"]) for row in rows] == [("0", "=1+1"), ("1", "-2"), ("3", "-3")]
    safe = batchmill("results", "--format", "csv", "--safe-for-spreadsheets")[1]
    assert [row["result"] for row in csv.DictReader(io.StringIO(safe))] == ["'=1+1", "-2", "-3"]
    assert batchmill("results", "--safe-for-spreadsheets")[0] == 2


@pytest.mark.slow
def test_a_table_has_the_columns_of_all_results(batchmill):
    text = "result = {**({'late': 'here'} if x > 1001 else {}), 'x': x}"
    document = flow(1005, text)
    document["nodes"][0]["params"] = {"code": text + "\n", "inputs": {"x": "${item}"}}
    batchmill.write(document)
    batchmill("run", "flow.json", "-q")
    rows = list(csv.DictReader(io.StringIO(batchmill("results", "--format", "csv")[1])))
    assert len(rows) == 1005
    assert json.loads(rows[-1]["result"]) == {"late": "here", "x": 1004}


@pytest.mark.slow
def test_gc_forgets_runs_with_their_files(batchmill, tmp_path):
    batchmill.write(flow(1, "result = 'y' * 100_000"))
    for _ in range(3):
        batchmill("run", "flow.json", "-q")
    folder = Journal(tmp_path / ".batchmill" / "runs.sqlite").files.folder
    newest = json.loads(batchmill("runs", "--json")[1])[0]["run"]
    assert batchmill("gc", "--keep", "1", "--older-than", "1d")[2] == "0 runs forgotten\n"
    assert batchmill("gc", "--keep", "1")[2] == "2 runs forgotten\n"
    assert [run["run"] for run in json.loads(batchmill("runs", "--json")[1])] == [newest]
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 1, "the last run needs it yet"
    assert batchmill("gc", "--older-than", "0s")[2] == "1 run forgotten\n"
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(batchmill, tmp_path):
    batchmill.write(flow(3000, "result = x"))
    batchmill("run", "flow.json", "-q")
    command = f"{sys.executable} -m batchmill results --format jsonl | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["result"] == 0
    assert done.stderr == ""


def test_attempts_of_an_earlier_pass_are_not_told_as_those_of_this_one(batchmill):
    code = (
        "import os\n"
        "if x != 2 and not os.path.exists(f'tried{x}'):\n"
        "    open(f'tried{x}', 'w').close()\n    raise ValueError\n"
        "assert x != 2 or os.path.exists('repaired')\nresult = x"
    )
    batchmill.write(flow(4, code, error_handling="continue", max_retries=2))
    assert "  4 more attempts after failures" in batchmill("run", "flow.json")[2]
    (batchmill.folder / "repaired").touch()
    code, _, err = batchmill("resume", "--failed")
    assert code == 0
    assert "more attempt" not in err


def test_show_of_one_node(batchmill):
    document = flow(2)
    document["nodes"].append({"id": "then", "type": "echo"})
    batchmill.write(document)
    batchmill("run", "flow.json", "-q")
    _, out, _ = batchmill("show")
    assert [line.partition(":")[0] for line in out.splitlines()[3:]] == ["  each", "  then"]
    _, out, _ = batchmill("show", "--node", "then")
    assert [line.partition(":")[0] for line in out.splitlines()[3:]] == ["  then"]
    _, out, _ = batchmill("show", "--node", "each", "--json")
    assert [node["node"] for node in json.loads(out)["nodes"]] == ["each"]
    code, out, err = batchmill("show", "--node", "eech")
    assert (code, out) == (2, "")
    assert "the run has no node 'eech'; it has each, then" in err
    code, out, err = batchmill("show", "--node", "eech", "--errors")
    assert (code, out) == (2, "")
