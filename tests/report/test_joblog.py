"""GNU parallel's log of jobs, and that parallel takes it for its own."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from batchmill.report import joblog
from batchmill.report.facts import Facts
from batchmill.report.parts import ReportNode, Run
from batchmill.report.rows import Row


def facts(*rows):
    return Facts(
        Run("7f3a", "f", "failed", 1000.0, 9.0), [ReportNode("n", "shell", batch=True)], lambda: rows
    )


def jobs(told):
    head, *lines = joblog.lines(told)
    assert head == joblog.HEAD
    return [line.rstrip("\n").split("\t", 8) for line in lines]


def test_every_way_to_end_is_told_as_parallel_does():
    rows = [
        Row("n", 0, "ok", 1.0, 2.5, bytes_out=7, command="a"),
        Row("n", 1, "failed", 1.0, 1.0, command="b\tc", exit_code=5),
        Row("n", 2, "failed", 1.0, 1.0, error="ValueError"),
        Row("n", 3, "died", 1.0, 1.0, command="d", signal=9),
        Row("n", 4, "timeout", 1.0, 1.0, command="e"),
        Row("n", 5, "not run"),
        Row("n", 6, "kept"),
        Row("n", 7, "retried", None, 1.0, command="f", attempts=2),
        Row("n", 8, "failed", 0.0, 1.0, final=False),
    ]
    assert jobs(facts(*rows)) == [
        ["1", ":", "1001.000", "     2.500", "0", "7", "0", "0", "a"],
        ["2", ":", "1001.000", "     1.000", "0", "0", "5", "0", "b\tc"],
        ["3", ":", "1001.000", "     1.000", "0", "0", "1", "0", "batchmill show 7f3a --node n --item 2"],
        ["4", ":", "1001.000", "     1.000", "0", "0", "0", "9", "d"],
        ["5", ":", "1001.000", "     1.000", "0", "0", "-1", "15", "e"],
        ["8", ":", "0.000", "     1.000", "0", "0", "0", "0", "f"],
    ]


def test_only_items_of_batches_of_the_run_itself_are_jobs():
    nodes = [
        ReportNode("n", "shell", batch=True),
        ReportNode("m", "echo"),
        ReportNode("n[*].x", "shell", batch=True, nested=True),
    ]
    rows = [Row(node.id, 0, "ok", 0.0, 1.0) for node in nodes]
    told = Facts(Run("7f3a", "f", "success", 0.0, 9.0), nodes, lambda: rows)
    assert [job[-1] for job in jobs(told)] == ["batchmill show 7f3a --node n --item 0"]


@pytest.mark.parametrize(
    "command", ["echo a\necho b", "printf '%s\\n' \"it's\"\n# \\t\necho '\\n'", "\n\necho  x  y\n"]
)
def test_a_command_of_several_lines_means_the_same_on_one(command):
    (job,) = jobs(facts(Row("n", 0, "ok", command=command)))
    assert "\n" not in job[-1]
    told, wanted = (
        subprocess.run(["sh", "-c", one], capture_output=True, text=True, check=True).stdout
        for one in (job[-1], command)
    )
    assert told == wanted


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_parallel_runs_again_what_failed_and_nothing_else(tmp_path):
    rows = [
        Row("n", 0, "ok", 1.0, 1.0, command="echo zero"),
        Row("n", 1, "failed", 1.0, 1.0, command="echo one\necho two", exit_code=3),
        Row("n", 2, "failed", None, 1.0, command="echo three", exit_code=3),
    ]
    log = tmp_path / "jobs.log"
    log.write_text("".join(joblog.lines(facts(*rows))))
    again = subprocess.run(
        ["parallel", "--keep-order", "-j1", "--retry-failed", "--joblog", log],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert again.stdout == "one\ntwo\nthree\n", again.stderr
    assert len(log.read_text().splitlines()) == 4 + 2


def test_no_text_breaks_a_line(hostile):
    made = list(joblog.lines(hostile.facts()))
    assert all(one.count("\n") == 1 for one in made)
    assert len(made) == 1 + len(hostile.rows)
    "".join(made).encode()
