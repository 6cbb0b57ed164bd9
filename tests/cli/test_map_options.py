"""Options of map for who knows GNU parallel, and what resume makes of them."""

import json
import os
import subprocess
import sys

import click
import pytest

from batchmill.cli.main import outcome
from batchmill.cli.result_folder import ResultFolder
from batchmill.cli.values import Codes, Jobs, Separator, Span, Tolerance, Variable


@pytest.fixture
def called(tmp_path, monkeypatch, capfd):
    """``called("map", ...)``: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHMILL_JOURNAL", str(tmp_path / "j.sqlite"))

    def call(*arguments):
        code = outcome(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


def _folders(path):
    return sorted(int(one.name) for one in path.iterdir() if one.name.isdecimal())


def test_a_shorter_run_tells_of_results_of_a_longer_one_and_keeps_them(called, tmp_path):
    each = ("--results", "res", "-q", "--", "echo")
    code, _, err = called("map", "--items", "range:0:5", *each)
    assert (code, "still has" in err) == (0, False)
    code, _, err = called("map", "--items", "range:50:53", *each)
    assert (code, _folders(tmp_path / "res")) == (0, [1, 2, 3, 4, 5])
    assert "note: res still has 2 folders from before (between 4 and 5)" in err
    assert (tmp_path / "res/2/stdout").read_text() == "51\n"
    assert (tmp_path / "res/4/stdout").read_text() == "3\n"


def test_a_run_that_stops_says_which_results_are_of_an_earlier_one(called, tmp_path):
    each = ("--results", "res", "-q", "--executor", "sequential")
    assert called("map", *each, "--items", "range:0:5", "--", "echo")[0] == 0
    code, _, err = called("map", *each, "--items", "range:0:5", "--halt", "now", "--", "exit $1")
    assert (code, _folders(tmp_path / "res")) == (1, [1, 2, 3, 4, 5])
    assert "note: res still has 3 folders from before (between 3 and 5)" in err


def test_a_resumed_run_has_all_its_results_at_their_places(called, tmp_path):
    (tmp_path / "list").write_text("a\nb\nc\n")
    script = "echo is {}; test {} != c || test -e go"
    assert called("map", "--items", "@list", "--results", "res", "-q", script)[0] == 3
    (tmp_path / "go").write_text("")
    (tmp_path / "list").write_text("b\nc\n")
    code, _, err = called("resume", "last", "--failed", "-q")
    assert (code, "note: res still has 1 folder from before (3)" in err) == (0, True)
    assert [(tmp_path / f"res/{number}/stdout").read_text() for number in (1, 2)] == ["is b\n", "is c\n"]


def test_results_as_they_end(called):
    script = "test {} = 0 && until test $(cat log | wc -l) -ge 3; do sleep 0.02; done; echo {}"
    flags = ["--items", "range:0:3", "-j", "3", "-q", "--joblog", "log"]
    assert called("map", *flags, "--as-completed", script)[1].split()[-1] == "0"
    assert called("map", *flags, script)[1].split() == ["0", "1", "2"]
    assert called("resume", "last", "-q")[1].split() == ["0", "1", "2"]


def test_each_line_behind_its_item(called):
    out = called("map", "--items", '["a", "b c"]', "--tag", "-q", "printf 'x\\ny\\r\\n\\nz'; : {}")[1]
    assert out == "a\tx\na\ty\r\na\t\na\tzb c\tx\nb c\ty\r\nb c\t\nb c\tz"
    flags = ["--tag", "-q", "--items", '["a", "b"]']
    assert called("map", *flags, "--items", "[1]", "echo", "x")[1] == "a 1\tx a 1\nb 1\tx b 1\n"
    assert called("map", *flags, "-n", "2", "echo", "x")[1] == "a b\tx a b\n"
    out = called("map", "--items", "range:1:2", "--tag", "-q", "seq 100000; : {}")[1]
    assert out == "".join(f"1\t{n}\n" for n in range(1, 100_001))


def test_files_for_each_item(called, tmp_path):
    script = "echo out; echo err >&2; test {} != b"
    assert called("map", "--items", '["a", "b"]', "--results", "res/all", "-q", script)[0] == 3
    found = {str(p.relative_to(tmp_path / "res")): p.read_text() for p in (tmp_path / "res").rglob("*/*/*")}
    assert found == {
        "all/1/stdout": "out\n", "all/1/stderr": "err\n", "all/1/exit_code": "0", "all/1/item": "a",
        "all/2/stdout": "out\n", "all/2/stderr": "err\n", "all/2/exit_code": "1", "all/2/item": "b",
    }  # fmt: skip


def test_two_runs_do_not_write_into_one_folder_of_results(called, tmp_path):
    each = ("map", "--items", "range:0:2", "--results", "res", "-q", "echo")
    meanwhile = ResultFolder(str(tmp_path / "res"))
    code, _, err = called(*each)
    assert (code, _folders(tmp_path / "res")) == (5, [])
    assert "results cannot be written into res: another run is writing there" in err
    meanwhile.close()
    assert (called(*each)[0], _folders(tmp_path / "res")) == (0, [1, 2])


def test_a_log_of_jobs(called, tmp_path):
    for script in ("echo {}; exit {}", "kill -9 $$; : {}"):
        called("map", "--items", "range:0:2", "--executor", "sequential", "--joblog", "log", "-q", script)
    head, *lines = [line.split("\t") for line in (tmp_path / "log").read_text().splitlines()]
    assert head == [
        "Seq",
        "Host",
        "Starttime",
        "JobRuntime",
        "Send",
        "Receive",
        "Exitval",
        "Signal",
        "Command",
    ]
    assert [(line[0], *line[4:]) for line in lines] == [
        ("1", "0", "2", "0", "0", "echo 0; exit 0"),
        ("2", "0", "2", "1", "0", "echo 1; exit 1"),
        ("1", "0", "0", "0", "9", "kill -9 $$; : 0"),
        ("2", "0", "0", "0", "9", "kill -9 $$; : 1"),
    ]
    code, _, err = called("map", "--items", "range:0:2", "--joblog", "no/log", "-q", "true")
    assert (code, "the job log no/log cannot be written" in err) == (5, True)


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_several_items_for_each_command(called, tmp_path, executor):
    (tmp_path / "names").write_text("a b\n$(touch hacked)\nit's\n")
    flags = ["--items", "@names", "-n", "2", "--executor", executor]
    assert called("map", *flags, "-q", "printf", "%s|")[:2] == (0, "a b|$(touch hacked)|it's|")
    assert called("resume", "last", "-q")[1] == "a b|$(touch hacked)|it's|"
    rows = called("map", *flags, "--json", "-q", 'echo "$#"; : {}')[1].splitlines()
    assert [json.loads(row)["stdout"] for row in rows] == ["2\n", "1\n"]
    assert [json.loads(row)["item"] for row in rows] == [["a b", "$(touch hacked)"], ["it's"]]
    assert not (tmp_path / "hacked").exists()


def test_what_is_run_for_several_items_is_shown(called):
    flags = ["map", "--items", "range:1:4", "-n", "2", "--dry-run"]
    assert called(*flags, "cp", "{}", "{#}-{1}")[1] == "cp 1 2 1-1\ncp 3 2-3\n"
    assert called(*flags, "--shell", "bash", "echo {}")[1].splitlines()[1] == "bash -c 'echo \"$@\"' bash 3"
    assert called("map", "--items", "range:1:4", "-n", "2", "-q", "--stdin", "cat")[1] == "1\n2\n3\n"


def test_above_a_load_one_item_is_at_work(called, monkeypatch):
    flags = ["map", "--items", "range:0:3", "-q", "--load", "100%"]
    for load, slots in ((1000.0, {"1"}), (0.0, {"1", "2", "3"})):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, load, load))
        script = "mkdir {%}; echo {%}; test -d hold || exit 0; until test -d 3; do sleep 0.02; done"
        assert set(called(*flags, script)[1].split()) == slots
        called("map", "--items", "range:1:2", "-q", "rm -r {}; mkdir hold")


HOSTILE = ["a b", "$(touch hacked)", "it's", '"q"', "`x`", "\\n"]


@pytest.mark.parametrize(
    "words",
    [
        ["printf", "<%s>", "{}"],
        ["printf '<%s>' {} | cat"],
        ['printf "<%s>" "{}" | cat'],
        ["printf '<{}>' | cat"],
        ["cat <<E | tr -d '\\n'\n<{}>\nE"],
    ],
)
def test_commands_that_are_only_shown_are_what_would_be_run(called, tmp_path, words):
    if "<{}>" in words[0] and "printf" in words[0]:
        hostile = [item for item in HOSTILE if "\\" not in item]  # printf reads those itself
    else:
        hostile = [item for item in HOSTILE if not (words[0].startswith("cat") and item == '"q"')]
    code, out, _ = called("map", "--items", json.dumps(hostile), "--dry-run", *words)
    assert code == 0
    done = subprocess.run(["sh", "-c", out], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "".join(f"<{item}>" for item in hostile)
    assert not (tmp_path / "hacked").exists()
    assert called("runs")[0] == 5, "there is no run"


def test_what_is_shown_is_checked_all_the_same(called):
    assert called("map", "--items", "none", "--dry-run", "echo")[0] == 2
    assert called("map", "--items", "[1]", "--dry-run", "eval {}")[0] == 2
    assert (
        called("map", "--items", "range:0:99", "--limit", "2", "--dry-run", "echo", "{#}")[1]
        == "echo 1\necho 2\n"
    )


def test_where_and_how_the_command_runs(called, tmp_path):
    (tmp_path / "sub").mkdir()
    flags = ["--items", '["a"]', "-q"]
    assert called("map", *flags, "--cwd", "sub", "pwd; : {}")[1] == f"{tmp_path}/sub\n"
    assert called("map", *flags, "--shell", "bash", "echo ${BASH_VERSION:+bash} {}")[1] == "bash a\n"
    assert called("map", *flags, "--stdin", "cat; echo")[1] == "a\n"
    assert called("map", "--items", '[{"a": [1]}]', "-q", "--stdin", "cat")[1] == '{"a": [1]}'
    assert called("map", *flags, "-I", "@@", "echo", "{}", "@@")[1] == "{} a\n"
    assert called("map", *flags, "--ok-codes", "0,1", "exit 1; : {}")[0] == 0
    assert called("map", *flags, "--ok-codes", "1", "exit 0; : {}")[0] == 1


def test_columns_of_a_line(called, tmp_path):
    (tmp_path / "t.tsv").write_text("a\t1\nb c\t2\n")
    assert (
        called("map", "--items", "lines:t.tsv", "-C", "\\t", "-q", "echo", "{2}", "{1}")[1] == "1 a\n2 b c\n"
    )


def test_when_it_ends_early(called, tmp_path):
    flags = ["--items", "range:0:40", "-j", "1", "-q"]
    for options in (["--halt", "soon"], ["--on-error", "fail"], ["--tolerate", "0"], ["--tolerate", "1%"]):
        code, out, _ = called("map", *flags, *options, "echo {}; test {} != 2")
        assert code == 1, options
        assert len(out.split()) < 40, options
    script = "test {} = 0 && { until test -e on; do sleep 0.02; done; exit 1; }; touch on; sleep 60"
    assert called("map", "--items", "range:0:2", "-j", "2", "--halt", "now", "-q", script)[0] == 1
    assert json.loads(called("runs", "--json")[1])[0]["status"] == "halted"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-0", "-d", ","], "keep one"),
        (["--link"], "give --items twice"),
        (["-C", ",", "--items", "[2]"], "you gave several"),
        (["--collect", "-"], "write --json"),
        (["--collect", "a", "--collect", "b"], "--collect is given twice: keep one"),
        (["--journal", "a", "--journal=b"], "--journal is given twice"),
        (["--collect", "a", "--tag"], "prints none"),
        (["--tolerate", "1", "--halt", "now"], "stops at the first one"),
        (["--timeout", "1 fortnight"], "not a time span"),
        (["--timeout", "0"], "more than 0"),
        (["-j", "many"], "nor a share of the cores"),
        (["--load", "much"], "not a load"),
        (["--load", "0%"], "not a load"),
        (["-n", "2", "-C", ","], "keep one"),
        (["-n", "2", "--items", "[1]", "--items", "[2]"], "you gave several"),
        (["--tolerate", "lots"], "nor a share of them"),
        (["--ok-codes", "0,256"], "not a list of exit codes"),
        (["--env", "A"], "write NAME=VALUE"),
        (["-d", ""], "must not be empty"),
        (["-d", "\\x"], "an invalid escape"),
    ],
)
def test_mistakes(called, arguments, words):
    code, out, err = called("map", "--items", "[1]", *arguments, "echo")
    assert (code, out) == (2, "")
    assert words in err


def test_values():
    def read(kind, text):
        return kind.convert(text, None, None)

    assert [read(Span(), text) for text in ("90", "1.5m", "500ms", ".5", "2h")] == [90, 90, 0.5, 0.5, 7200]
    with pytest.raises(click.BadParameter):
        read(Span(plain=False), "90")
    assert read(Jobs(1000), "7") == 7
    assert 1 <= read(Jobs(1000), "50%") <= read(Jobs(1000), "200%")
    assert (read(Tolerance(), "3"), read(Tolerance(), "2.5%")) == ({"count": 3}, {"percent": 2.5})
    assert read(Codes(), "0, 1") == [0, 1]
    assert (read(Separator(), "\\t"), read(Separator(), "é")) == ("\t", "é")
    assert read(Variable(), "A=b=c") == ("A", "b=c")


def test_the_form_of_the_output_stays_when_it_is_gone_on_with(called):
    flags = ["--items", "range:0:3", "--executor", "sequential", "--on-error", "fail", "-q"]
    assert called("map", *flags, "--json", "echo {}; test {} != 1 -o -e on")[0] == 1
    open("on", "w").close()
    code, out, _ = called("resume", "-q")
    assert (code, [json.loads(line)["stdout"] for line in out.splitlines()]) == (0, ["0\n", "1\n", "2\n"])
    assert called("resume", "last", "-q", "--no-json")[1] == "0\n1\n2\n", "what it printed is printed again"
    code, out, err = called("resume", "last")
    assert (code, len(out.splitlines())) == (0, 3)
    assert "is finished (success): nothing to do" in err


@pytest.mark.slow
@pytest.mark.parametrize("source", [[], ["--items", "@names"]])
def test_items_that_are_gone_leave_the_run_as_it_is(called, tmp_path, source):
    def run(*arguments):
        command = [sys.executable, "-m", "batchmill", *arguments]
        given = (tmp_path / "names").read_bytes()
        return subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, timeout=60)

    (tmp_path / "names").write_text("a\nb\n")
    assert run("map", *source, "-q", "echo {}; test {} != b -o -e on").returncode == 3
    (tmp_path / "names").write_text("")
    failed = run("resume", "last", "--failed", "-q")
    assert (failed.returncode, failed.stdout) == (2, b"")
    assert (b"give them again" in failed.stderr) or b"is left as it is, nothing to do" in failed.stderr
    (tmp_path / "names").write_text("a\nb\n")
    (tmp_path / "on").touch()
    done = run("resume", "last", "--failed", "-q")
    assert (done.returncode, done.stdout) == (0, b"a\nb\n")


def test_files_that_the_command_moved_are_gone_and_no_mistake(called, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.t").touch()
    flags = ["--items", "*.t", "--executor", "sequential", "--on-error", "fail", "-q"]
    assert called("map", *flags, "test {} != b.t -o -e on && mv {} {.}.done")[0] == 1
    open("on", "w").close()
    code, _, err = called("resume")
    assert (code, "0 kept, 1 redone, 1 new, 0 changed, 1 gone" in err) == (0, True)
    assert sorted(path.name for path in tmp_path.glob("*.done")) == ["a.done", "b.done", "c.done"]


def test_a_run_of_another_folder_is_found_by_its_name(called, tmp_path, monkeypatch):
    monkeypatch.delenv("BATCHMILL_JOURNAL")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.t").touch()
    monkeypatch.chdir(tmp_path / "a")
    command = ["--items", "*.t", "--name", "mine", "-q", "test -e on && rm {}"]
    assert called("map", *command)[0] == 1
    (run,) = json.loads(called("runs", "--json")[1])
    assert run["title"] == "mine: map '*.t' -- test -e on && rm {}"
    assert (tmp_path / "a" / ".batchmill").exists() is False
    (tmp_path / "a" / "on").touch()
    monkeypatch.chdir(tmp_path / "b")
    assert called("runs")[0] == 5
    assert called("resume", run["run"])[0] == 0
    assert [os.listdir(tmp_path / name) for name in ("a", "b")] == [["on"], ["b.t"]]
    for named in (run["run"], "mine"):
        assert called("show", named)[1].splitlines()[1] == run["title"]
    assert called("show", "yours")[0] == 5


def test_show_and_results_have_what_was_printed(called):
    script = "seq 1 {}; printf '\\377' >&2; test {} != 3"
    called("map", "--items", "[30000, 3]", "-q", script)
    first, second = json.loads(called("results")[1])
    assert (len(first["stdout"].split()), first["stderr"], first["stderr_is_binary"]) == (
        30_000,
        "/w==",
        True,
    )
    assert second is None
    shown = json.loads(called("show", "--item", "1")[1])
    assert shown["error"]["outputs"]["stdout"] == "1\n2\n3\n"


def test_output_that_was_removed_is_told(called, tmp_path):
    called("map", "--items", "range:0:2", "--on-error", "fail", "--executor", "sequential", "-q",
           "seq 1 9000; test {} = 0 -o -e on")  # fmt: skip
    for path in (tmp_path / "j.sqlite.outputs").rglob("stdout.*"):
        path.unlink()
    (tmp_path / "on").touch()
    code, _, err = called("resume", "-q")
    assert code == 5
    assert "the output of its command is gone" in err


def test_a_file_of_rows_that_is_named_as_one_item_is_told_of(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("name\nAda\n")
    assert outcome(["map", "--items", "rows.csv", "echo", "{name}"]) == 2
    assert "for the rows of rows.csv write --items @rows.csv" in capfd.readouterr().err
    assert outcome(["map", "--items", "@rows.csv", "-q", "--no-journal", "echo", "{name}"]) == 0
    assert capfd.readouterr().out == "Ada\n"
