"""What is used of loky and not promised by it, on whichever version is installed."""

from __future__ import annotations

import multiprocessing.resource_tracker
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import loky.backend.resource_tracker as tracker
import pytest
from loky.backend import popen_loky_posix

from batchmill.executors.process import loky_private, worker_process
from batchmill.executors.process.loky_private import MOST_NESTED, WorkerHandle

HOME = "calls_of_a_worker"
CALLS = """
import multiprocessing.resource_tracker
import os
import sys

def tell(path, text):
    with open(path, "a") as file:
        file.write(text)

def tell_what_is_imported(path):
    import batchmill.executors.process.child
    tell(path, " ".join(sys.modules))

def tell_of_trackers(path):
    import loky.backend.resource_tracker as of_loky
    both = of_loky._resource_tracker._fd, multiprocessing.resource_tracker._resource_tracker._fd
    tell(path, " ".join(str(os.fstat(one).st_ino) for one in both))
"""
"""A module that imports nothing, as this one does."""


@pytest.fixture(autouse=True, scope="module")
def trackers() -> None:
    """Their pipes are opened by whoever needs them first, and stay."""
    tracker.ensure_running()
    multiprocessing.resource_tracker.ensure_running()


def run(name: str, *arguments: Any) -> int | None:
    """Call a function of this module in a worker, and return the worker's exit code."""
    worker = WorkerHandle(HOME, name, arguments)
    process = worker.start()
    assert process.pid != os.getpid()
    worker.wait()
    code: int | None = process.exitcode
    return code


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / f"{HOME}.py").write_text(CALLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "told"


def test_a_worker_calls_its_function(told: Path) -> None:
    assert run("tell", str(told), "served") == 0
    assert told.read_text() == "served"


def test_what_the_working_folder_calls_like_us_is_not_taken_for_us(
    told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("batchmill", "loky", "pickle"):
        (told.parent / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(told.parent)
    monkeypatch.setattr(sys, "path", [*sys.path[1:], sys.path[0]])
    assert run("tell", str(told), "served") == 0
    assert told.read_text() == "served"


def test_a_worker_imports_nothing_of_what_only_others_need(told: Path) -> None:
    run("tell_what_is_imported", str(told))
    imported = {name.split(".")[0] for name in told.read_text().split()}
    assert "batchmill" in imported
    assert not {"loky", "psutil", "pydantic", "tempfile", "concurrent"} & imported
    assert "batchmill.executors.process.pool" not in told.read_text()


def test_a_worker_shares_the_trackers_of_its_parent(told: Path) -> None:
    run("tell_of_trackers", str(told))
    parents = [tracker._resource_tracker._fd, multiprocessing.resource_tracker._resource_tracker._fd]
    assert told.read_text() == " ".join(str(os.fstat(one).st_ino) for one in parents)


def test_a_worker_that_fails_ends(told: Path) -> None:
    assert run("no_such_function", str(told)) == 1


def test_workers_within_workers_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "depth", MOST_NESTED)
    with pytest.raises(RuntimeError, match="nested more than 10 deep"):
        WorkerHandle(HOME, "tell", ()).start()


@pytest.mark.parametrize("name", ["Popen", "resource_tracker"])
def test_the_names_are_there(name: str) -> None:
    assert hasattr(popen_loky_posix, name)


def test_a_folder_that_is_tracked_goes_with_its_process(tmp_path: Path, soon) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    code = f"""
        import os
        from batchmill.executors.process.loky_private import tracked
        tracked({str(folder)!r})
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, stderr=subprocess.DEVNULL)
    assert soon(lambda: not folder.exists())


def test_what_is_untracked_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str, str]] = []
    monkeypatch.setattr(tracker, "register", lambda name, kind: told.append(("+", name, kind)))
    monkeypatch.setattr(tracker, "unregister", lambda name, kind: told.append(("-", name, kind)))
    loky_private.tracked("x")
    loky_private.untracked("x")
    loky_private.untracked("/s", "semlock")
    assert told == [("+", "x", "folder"), ("-", "x", "folder"), ("-", "/s", "semlock")]


def test_the_end_is_called_once_and_before_threads_are_joined() -> None:
    code = """
        import threading
        from batchmill.executors.process.loky_private import at_exit

        end = threading.Event()
        at_exit(lambda: (end.set(), print("ended")))
        at_exit(lambda: print("twice"))
        threading.Thread(target=end.wait, args=(50,)).start()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True, timeout=50
    )
    assert done.stdout.split() == ["ended"]
