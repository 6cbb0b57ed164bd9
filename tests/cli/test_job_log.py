"""The log of jobs that ``map`` appends to while it runs."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import threading

import pytest

from batchmill.cli import job_log
from batchmill.cli.job_log import JobLog
from batchmill.events import WorkerJoined
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.report import joblog


def outcome(index, worker=None, kind=""):
    error = ErrorInfo("CommandFailed", "no", kind, retryable=False) if kind else None
    return Outcome(index, error=error, wall=2.5, worker=worker)


def logged(path, *ended, command=lambda item, index: f"echo {item}"):
    log = JobLog(str(path), command)
    log.heard(WorkerJoined("each", 1, "host-b", 0, 2))
    for index, (item, outputs, *how) in enumerate(ended):
        log.add(item, outputs, outcome(index, *how))
    log.close()
    return [line.split("\t", 8) for line in path.read_text(errors="surrogateescape").split("\n")[1:-1]]


def test_how_items_ended_and_where(tmp_path):
    lines = logged(
        tmp_path / "log",
        ("a", {"exit_code": 0, "stdout": "xyz"}, 1),
        ("b", {"exit_code": 200}, 0, "failed"),
        ("c", {"exit_code": 137}, 1, "failed"),
        ("d", {}, None, "timeout"),
        ("e", {}, None, "worker_died"),
        ("f", {"exit_code": 1}),
    )
    assert [(line[0], line[1], *line[3:]) for line in lines] == [
        ("1", "host-b", "     2.500", "0", "3", "0", "0", "echo a"),
        ("2", ":", "     2.500", "0", "0", "200", "0", "echo b"),
        ("3", "host-b", "     2.500", "0", "0", "0", "9", "echo c"),
        ("4", ":", "     2.500", "0", "0", "-1", "15", "echo d"),
        ("5", ":", "     2.500", "0", "0", "1", "0", "echo e"),
        ("6", ":", "     2.500", "0", "0", "0", "0", "echo f"),
    ]


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_parallel_runs_again_what_failed_as_it_was_written(tmp_path):
    (tmp_path / "b\udcff").touch()
    commands = ["false", "printf '%s\n' 'one\ttwo'\nprintf '%s\n' three", "cat b\udcff; echo four"]
    failed = [(None, {"exit_code": 1}, None, "failed")] * 2
    logged(tmp_path / "log", (None, {"exit_code": 0}), *failed, command=lambda item, index: commands[index])
    again = subprocess.run(
        ["parallel", "--keep-order", "-j1", "--retry-failed", "--joblog", "log"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert again.stdout == "one\ttwo\nthree\nfour\n", again.stderr


def test_two_logs_that_begin_one_file_at_once_write_one_heading(tmp_path, monkeypatch):
    monkeypatch.setattr(job_log, "HEADING_SECONDS", 60.0)
    path = tmp_path / "log"
    with open(path, "ab", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        beginning = threading.Thread(target=logged, args=(path, ("a", {})))
        beginning.start()
        beginning.join(0.2)
        other.write(joblog.HEAD.encode())
    beginning.join()
    head, *lines = path.read_text().splitlines()
    assert (f"{head}\n", [line.split("\t")[0] for line in lines]) == (joblog.HEAD, ["1"])


def test_a_log_that_its_caller_has_locked_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(job_log, "HEADING_SECONDS", 0.0)
    with open(tmp_path / "log", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [line[0] for line in logged(tmp_path / "log", ("a", {}))] == ["1"]
