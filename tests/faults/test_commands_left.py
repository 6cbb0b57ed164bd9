"""Whatever ends an item, the command it ran is gone with all of its process group, on every executor."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

EXECUTORS = ["sequential", "thread", "process"]
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"
# The command waits for its output, which a process has whose parent has ended: nobody's child, in the group.
ORPHANED = "(trap '' TERM; sleep 77 & echo $! > orphan); true"


def batch(command: str, executor: str, **more: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"items": {"range": [2]}, "as": "x", "executor": executor, **more}
    if executor != "sequential":
        settings["max_concurrent"] = 2
    return {"id": "each", "type": "shell", "params": {"command": command}, "batch": settings}


def run(folder: Path, *nodes: dict[str, Any], signals: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a document in a folder to its end; with ``signals``, so many of them once its commands run."""
    (folder / "document.json").write_text(json.dumps({"nodes": list(nodes)}))
    process = subprocess.Popen(
        [sys.executable, "-m", "batchmill", "run", "document.json", "--no-journal"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if signals:
        until = time.monotonic() + 30
        while len(list(folder.glob("ran-*"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def left(folder: Path) -> list[list[str]]:
    """Command lines of what still runs in a folder. Commands have 2 s to end by themselves."""
    until = time.monotonic() + 20
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder):
                    found.append(process.cmdline())
            except psutil.Error:
                continue
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


@pytest.mark.parametrize(
    "executor", ["thread", *(pytest.param(one, marks=pytest.mark.slow) for one in ("sequential", "process"))]
)
@pytest.mark.parametrize("command", [STUBBORN, ORPHANED], ids=["stubborn", "orphaned"])
@pytest.mark.first_quick
def test_an_overdue_item_leaves_no_command(tmp_path: Path, executor: str, command: str) -> None:
    done = run(tmp_path, batch(command, executor, timeout=1, error_handling="continue"))
    assert left(tmp_path) == []
    assert "did not end within 1 s and was killed" in done.stderr


@pytest.mark.slow
def test_an_overdue_sub_workflow_leaves_no_command(tmp_path: Path) -> None:
    inner = {"nodes": [{"id": "in", "type": "shell", "params": {"command": STUBBORN}}]}
    (tmp_path / "inner.json").write_text(json.dumps(inner))
    sub = {"id": "sub", "type": "workflow", "params": {"workflow": "inner.json"}, "timeout": 1}
    done = run(tmp_path, sub)
    assert "not finished at the deadline" in done.stderr
    assert left(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_run_that_is_ended_lets_commands_clean_up_and_leaves_none(tmp_path: Path, executor: str) -> None:
    command = "trap 'echo > cleaned-${x}; exit 1' TERM; sleep 78 & echo > ran-${x}; wait"
    if executor == "sequential":
        (tmp_path / "ran-1").touch()  # it has not begun the second
    done = run(tmp_path, batch(command, executor), signals=2)
    assert done.returncode == 143, done.stderr
    assert left(tmp_path) == []
    cleaned = {path.name for path in tmp_path.glob("cleaned-*")}
    assert cleaned == ({"cleaned-0"} if executor == "sequential" else {"cleaned-0", "cleaned-1"})


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.parametrize("signals", [2, 3])
def test_a_run_that_is_ended_kills_commands_that_ignore_it(
    tmp_path: Path, executor: str, signals: int
) -> None:
    command = f"echo > ran-${{x}}; (trap '' TERM; sleep 79 &); {STUBBORN}"
    done = run(tmp_path, batch(command, executor), signals=signals)
    assert done.returncode == 143, done.stderr
    assert left(tmp_path) == []
