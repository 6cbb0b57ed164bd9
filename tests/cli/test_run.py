"""``batchmill run``: what goes to stdout, what to stderr, and the exit code."""

import json
import re
import subprocess
import sys

import pytest

from batchmill.cli.main import outcome


def node(name, code, **more):
    return {"id": name, "type": "code", "params": {"code": code, **more.pop("params", {})}, **more}


def batch(code, items, **settings):
    settings = {"items": items, "executor": "thread", **settings}
    return node("each", code, params={"inputs": {"x": "${item}"}}, batch=settings)


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run a document in this process and return code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(document, *arguments):
        (tmp_path / "document.json").write_text(json.dumps(document))
        code = outcome(["run", "document.json", *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err or "-v" in arguments
        return code, out, err

    return call


def one_output(code, source="${a.result}"):
    return {"nodes": [node("a", code)], "outputs": {"out": {"source": source}}}


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("result = 'plain text'", "plain text\n"),
        ("result = 'with its own end\\n'", "with its own end\n"),
        ("result = ''", "\n"),
        ("result = 7", "7\n"),
        ("result = None", "null\n"),
        ("result = ['é']", '[\n  "é"\n]\n'),
    ],
)
def test_a_single_output_is_printed_readably(run, code, printed):
    assert run(one_output(code))[:2] == (0, printed)


def test_several_outputs_are_one_object(run):
    document = {"nodes": [node("a", "result = [1, 2]")], "outputs": {
        "first": {"source": "${a.result[0]}"}, "last": {"source": "${a.result[1]}"}}}  # fmt: skip
    assert json.loads(run(document)[1]) == {"first": 1, "last": 2}


def test_json_is_one_object_whatever_nodes_print(run):
    code = "import os, subprocess, sys\nprint('printed')\nos.write(1, b'written')\n"
    code += "subprocess.run(['echo', 'by a child'])\nresult = 1"
    exit_code, out, err = run(one_output(code), "--json")
    told = json.loads(out)
    assert exit_code == 0
    assert set(told) == {
        "schema",
        "run",
        "status",
        "outputs",
        "nodes",
        "errors",
        "warnings",
        "llm_calls",
        "timing",
    }
    assert (told["schema"], told["status"], told["outputs"]) == ("batchmill.run/1", "success", {"out": 1})
    assert "written" in err
    assert "by a child" in err


def test_inputs_come_in_four_ways(run, tmp_path):
    (tmp_path / "in.yaml").write_text("a: from file\nb: from file\n")
    document = {
        "inputs": {name: {"type": kind} for name, kind in
                   [("a", "string"), ("b", "string"), ("n", "integer"), ("rows", "array")]},
        "nodes": [{"id": "e", "type": "echo", "params": {"message": "${a},${b},${n},${rows}"}}],
        "outputs": {"out": {"source": "${e.echo}"}},
    }  # fmt: skip
    code, out, _ = run(document, "b=given", "n=3", "--params", "in.yaml", "--set-json", "rows=[1, true]")
    assert (code, out) == (0, "from file,given,3,[1, true]\n")


def test_a_degraded_run_prints_its_outputs_and_exits_with_3(run):
    document = {"nodes": [batch("result = 10 // x", [1, 0, 5], error_handling="continue")],
                "outputs": {"out": {"source": "${each.succeeded[*].result}"}}}  # fmt: skip
    code, out, err = run(document)
    assert code == 3
    assert json.loads(out) == [10, 2]
    assert "degraded" in err
    assert "1 × ZeroDivisionError in each, first at item 1 (0)" in err
    assert re.search(r"\n    batchmill show [0-9a-f]{8} --node each --item 1\n", err)
    assert re.search(r"\n  each: 2 ok, 1 failed, .* items/s, p50 .*s, p95 .*s, max .*s\n", err)


def test_a_failed_run_prints_no_outputs_and_says_why(run):
    document = {"nodes": [node("ok", "result = 1"), node("bad", "raise ValueError('no good')")],
                "outputs": {"out": {"source": "${ok.result}"}}}  # fmt: skip
    code, out, err = run(document)
    assert (code, out) == (1, "")
    assert "bad: ValueError: no good" in err


def test_a_failed_run_as_json_carries_its_errors(run):
    code, out, _ = run(one_output("raise ValueError('no good')"), "--json")
    told = json.loads(out)
    assert (code, told["status"], told["errors"][0]["type"]) == (1, "failed", "ValueError")


@pytest.mark.slow
def test_what_fails_the_run_as_a_whole_is_said(run):
    lost = {"nodes": [node("a", "result = {}")], "outputs": {"out": {"source": "${a.result.x}"}}}
    endless = {
        "nodes": [node("a", "next = 'again'")],
        "edges": [{"from": "a", "to": "a", "action": "again"}],
    }
    for document, words in ((lost, "'x'"), (endless, "visited")):
        code, out, err = run(document, "-q")
        assert (code, out) == (1, "")
        assert words in err


def test_quiet_says_nothing_of_a_success_and_why_of_a_failure(run):
    assert run(one_output("result = 1"), "-q") == (0, "1\n", "")
    code, out, err = run(one_output("raise ValueError('no good')"), "-q")
    assert (code, out) == (1, "")
    why, way_on = err.splitlines()
    assert why == "a: ValueError: no good (line 1 of the code)"
    assert re.fullmatch(r"resume with: batchmill resume [0-9a-f]{8}", way_on)


def test_an_invalid_document_lists_every_problem_and_runs_nothing(run, tmp_path):
    document = {"nodes": [
        node("a", "open('ran', 'w')"),
        {"id": "b", "type": "ehco"},
        {"id": "c", "type": "echo", "batch": {"items": [1], "executor": "proces"}}]}  # fmt: skip
    code, out, err = run(document)
    assert (code, out) == (2, "")
    assert "document.json has 2 problems, nothing ran" in err
    assert "$.nodes[1].type (line 1, column" in err
    assert "$.nodes[2].batch.executor (line 1, column" in err
    assert "process" in err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["n=x"], "the input `n` must be"),
        (["n=1", "m=2"], "has no input `m`"),
        ([], "the input `n` is missing"),
    ],
)
def test_wrong_inputs_are_no_run(run, arguments, says):
    document = {"inputs": {"n": {"type": "integer"}}, **one_output("result = 1", "${n}")}
    code, out, err = run(document, *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_an_unreadable_source_is_trouble_with_the_environment(run):
    code, out, err = run({"nodes": [batch("result = x", {"lines": "not/there.txt"})]})
    assert (code, out) == (5, "")
    assert "not/there.txt" in err


def test_plain_progress_and_summary_go_to_stderr(run):
    document = {
        "nodes": [batch("result = x", {"range": [50]})],
        "outputs": {"n": {"source": "${each.count}"}},
    }
    code, out, err = run(document, "--progress", "plain", "--executor", "sequential")
    assert (code, out) == (0, "50\n")
    assert "each: 50 items, sequential executor, 1 worker" in err
    assert "each: 50 ok" in err.splitlines()[-1]
    assert len([line for line in err.splitlines() if line.startswith(("success", "  "))]) <= 8


def test_jobs_and_executor_take_the_place_of_the_documents(run):
    document = {
        "nodes": [batch("result = x", [1, 2, 3])],
        "outputs": {"how": {"source": "${each.batch_metadata}"}},
    }
    told = json.loads(run(document, "--jobs", "2")[1])
    assert (told["executor"], told["max_concurrent"]) == ("thread", 2)
    told = json.loads(run(document, "--executor", "sequential")[1])
    assert told["executor"] == "sequential"


def test_verbose_names_nodes(run):
    _, _, err = run(one_output("result = 1"), "-v")
    assert "a: started" in err
    assert "a: success in" in err


def test_verbose_shows_the_traceback_of_an_error(run):
    code, _, err = run({"nodes": []}, "-v")
    assert code == 2
    assert "Traceback" in err
    assert "InvalidDocument" in err


@pytest.mark.parametrize("text", ["", "{", "[]", "nodes: [", '{"nodes": 3}', "\x00"])
def test_what_is_no_document_is_explained(tmp_path, monkeypatch, capfd, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text(text)
    assert outcome(["run", "broken.json"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "broken.json" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_standard_input_feeds_an_input_that_asks_for_it(batchmill_command, tmp_path):
    document = {"inputs": {"text": {"type": "string", "stdin": True}}, **one_output("result = 1", "${text}")}
    (tmp_path / "document.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "batchmill", "run", "document.json", "-q"]
    done = subprocess.run(command, cwd=tmp_path, input="piped in", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "piped in\n"), done.stderr
    code, out, err = batchmill_command("run", "document.json", "-q", "text=given", text="x")
    assert (code, out) == (0, "given\n"), err


@pytest.mark.slow
def test_a_reader_that_goes_away_early_is_no_error(tmp_path):
    (tmp_path / "document.json").write_text(json.dumps(one_output("result = 'x\\n' * 1_000_000")))
    command = f"{sys.executable} -m batchmill run document.json -q | head -1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")
