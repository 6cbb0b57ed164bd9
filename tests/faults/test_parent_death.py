"""The end of the parent: killed, interrupted, or leaving while items still run. No worker outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import ctypes, os, re, signal, sys, threading, time
import batchmill
from batchmill.mapping.api import imap, map  # now: a signal amid imports is not ours to answer
from batchmill.executors.local import thread
from batchmill.executors.process import executor, folders

folders.MEMORY_FOLDER = {memory!r}
FOLDER = {folder!r}


def item(number):
    with open(os.path.join(FOLDER, str(os.getpid())), "a") as log:
        log.write(str(number) + "\\n")
    {body}
    return number


if __name__ == "__main__":
    print("ready", flush=True)
    {call}
    print("done", flush=True)
"""

HANGS = {
    "sleeping": "time.sleep(60)",
    "spinning": "while True: pass",
    "holding the GIL": "getattr(ctypes, 'PyDLL', ctypes.CDLL)(None).sleep(60)",  # PyPy has none
    "backtracking": "re.match('(a+)+$', 'a' * 64 + 'b')",
    "ignoring signals": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(60)",
}
SLOW = {"spinning": pytest.mark.slow, "backtracking": pytest.mark.slow}
MAP = "batchmill.map(item, range(8), executor={executor!r}, max_concurrent=2)"


@contextlib.contextmanager
def running(tmp_path: Path, body: str, call: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A script of its own session, until its items run."""
    folder = tmp_path / "items"
    folder.mkdir()
    script = tmp_path / "script.py"
    memory, temporary = tmp_path / "memory", tmp_path / "temporary"
    script.write_text(SCRIPT.format(folder=str(folder), memory=str(memory), body=body, call=call))
    memory.mkdir()
    temporary.mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        yield parent, folder
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()


def workers_at_work(folder: Path, count: int) -> list[int]:
    """Wait until ``count`` processes have begun an item; their ids."""
    deadline = time.monotonic() + 20
    while len(found := [int(path.name) for path in folder.iterdir()]) < count:
        assert time.monotonic() < deadline, f"only {found} began"
        time.sleep(0.01)
    return found


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 20
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(_alive, pids))


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def quiet_end(err: str) -> bool:
    """Whether the script said that it was interrupted, and no thread, worker or hook complained."""
    return err.endswith("KeyboardInterrupt\n") and "Exception" not in err and "leaked" not in err


def our_folders(tmp_path: Path) -> list[Path]:
    """Folders of the script's pool."""
    return [path for name in ("temporary", "memory") for path in (tmp_path / name).glob("*")]


@pytest.mark.parametrize("hang", [pytest.param(hang, marks=SLOW.get(hang, ())) for hang in HANGS])
def test_no_worker_outlives_a_parent_that_was_killed(hang: str, tmp_path: Path) -> None:
    call = MAP.format(executor="process")
    with running(tmp_path, HANGS[hang], call) as (parent, folder):
        workers = workers_at_work(folder, 2)
        others = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
        parent.kill()
        parent.wait()
        assert gone(workers)
        assert gone(others)  # the trackers of shared memory clean up and go
        deadline = time.monotonic() + 20
        while (left := our_folders(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []


@pytest.mark.parametrize(
    "executor", ["process", pytest.param("thread", marks=pytest.mark.slow), "sequential"]
)
def test_ctrl_c_ends_a_script(executor: str, tmp_path: Path) -> None:
    call = MAP.format(executor=executor)
    with running(tmp_path, "time.sleep(1.5)", call) as (parent, folder):
        workers = workers_at_work(folder, 2 if executor == "process" else 1)
        family = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
        os.killpg(parent.pid, signal.SIGINT)
        out, err = parent.communicate(timeout=20)
        assert parent.returncode == -signal.SIGINT
        assert "done" not in out
        assert "KeyboardInterrupt" in err
        assert quiet_end(err), err
        assert gone([*family, *(set(workers) - {parent.pid})])
        assert our_folders(tmp_path) == []


@pytest.mark.parametrize("hang", ["holding the GIL", pytest.param("sleeping", marks=pytest.mark.slow)])
def test_ctrl_c_twice_ends_a_script_whose_items_hang(hang: str, tmp_path: Path) -> None:
    call = MAP.format(executor="process")
    with running(tmp_path, HANGS[hang], call) as (parent, folder):
        workers = workers_at_work(folder, 2)
        os.killpg(parent.pid, signal.SIGINT)
        time.sleep(0.3)
        os.killpg(parent.pid, signal.SIGINT)
        out, _ = parent.communicate(timeout=20)
        assert parent.returncode == -signal.SIGINT
        assert "done" not in out
        assert gone(workers)


@pytest.mark.parametrize(
    "delay", [0.0, pytest.param(0.05, marks=pytest.mark.slow), 0.1, pytest.param(0.2, marks=pytest.mark.slow)]
)
def test_ctrl_c_while_workers_start(delay: float, tmp_path: Path) -> None:
    with running(tmp_path, "time.sleep(0.2)", MAP.format(executor="process")) as (parent, _):
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.killpg(parent.pid, signal.SIGINT)
        out, err = parent.communicate(timeout=20)
        assert parent.returncode == -signal.SIGINT, err
        assert "done" not in out
        assert quiet_end(err), err
        assert our_folders(tmp_path) == []


def test_sigterm_ends_a_script_and_its_workers(tmp_path: Path) -> None:
    call = MAP.format(executor="process")
    with running(tmp_path, "time.sleep(60)", call) as (parent, folder):
        workers = workers_at_work(folder, 2)
        parent.terminate()
        parent.communicate(timeout=20)
        assert parent.returncode == -signal.SIGTERM
        assert gone(workers)
        deadline = time.monotonic() + 20
        while (left := our_folders(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_a_script_that_leaves_a_stream_ends_at_once(executor: str, tmp_path: Path) -> None:
    call = f"next(batchmill.imap(item, range(10**9), executor={executor!r}, max_concurrent=2))"
    with running(tmp_path, "pass", call) as (parent, _):
        out, err = parent.communicate(timeout=20)
        assert (parent.returncode, out, err) == (0, "ready\ndone\n", "")
        assert our_folders(tmp_path) == []


@pytest.mark.parametrize("executor", [pytest.param("process", marks=pytest.mark.slow), "thread"])
def test_a_script_with_abandoned_items_ends_at_once(executor: str, tmp_path: Path) -> None:
    call = (
        f"print(batchmill.map(item, range(2), executor={executor!r}, timeout=0.3, "
        "error_handling='continue').error_count)"
    )
    with running(tmp_path, "time.sleep(30)", call) as (parent, _):
        out, err = parent.communicate(timeout=20)
        assert (parent.returncode, out, err) == (0, "ready\n2\ndone\n", "")
        assert our_folders(tmp_path) == []


def test_a_script_ends_while_another_thread_runs_a_batch(tmp_path: Path) -> None:
    call = (
        "threading.Thread(target=lambda: batchmill.map(item, range(8), executor='process', "
        "max_concurrent=2), daemon=True).start()\n"
        "    while len(os.listdir(FOLDER)) < 2: time.sleep(0.02)"
    )
    with running(tmp_path, "time.sleep(60)", call) as (parent, folder):
        workers = workers_at_work(folder, 2)
        out, _ = parent.communicate(timeout=20)
        assert parent.returncode == 0
        assert out == "ready\ndone\n"
        assert gone(workers)
        assert our_folders(tmp_path) == []
