"""What is used of loky and not promised by it, on whichever version is installed."""

from __future__ import annotations

import multiprocessing.resource_tracker
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import loky.backend.resource_tracker as tracker
import loky.process_executor
import pytest

from batchmill.executors.process import loky_private
from batchmill.executors.process.loky_private import SEMAPHORE_NAME, SEMAPHORES, Worker


class Told:
    """A file that a worker writes to, as a task that pickles."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __call__(self, text: str = "served ") -> None:
        with open(self.path, "a") as file:
            file.write(text)


@pytest.fixture(autouse=True, scope="module")
def trackers() -> None:
    """Their pipes are opened by whoever needs them first, and stay."""
    tracker.ensure_running()
    multiprocessing.resource_tracker.ensure_running()


def test_a_worker_is_started_serves_and_is_ended(tmp_path: Path, soon) -> None:
    path = tmp_path / "told"
    worker = Worker(Told(path), ("first ",), None)
    process = worker.start(Told(path))
    try:
        assert process.pid != os.getpid()
        assert process.exitcode is None
        assert soon(lambda: path.exists() and path.read_text() == "first served ")
    finally:
        worker.end()
    process.join(10)
    assert process.exitcode is not None


@pytest.mark.parametrize("name", ["ProcessPoolExecutor", "_python_exit", "process_pool_executor_at_exit"])
def test_the_names_are_there(name: str) -> None:
    assert hasattr(loky.process_executor, name)


@pytest.mark.skipif(not os.path.isdir(SEMAPHORES), reason="semaphores are no files here")
def test_semaphores_are_called_as_we_look_for_them(tmp_path: Path) -> None:
    before = set(os.listdir(SEMAPHORES))
    worker = Worker(Told(tmp_path / "told"), (), None)
    try:
        worker.start(Told(tmp_path / "told"))
        made = [SEMAPHORE_NAME.fullmatch(name) for name in set(os.listdir(SEMAPHORES)) - before]
        assert str(os.getpid()) in {found[1] for found in made if found is not None}
    finally:
        worker.end()


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


def test_the_end_is_called_before_loky_waits_for_its_workers() -> None:
    code = """
        import time
        from batchmill.executors.process.loky_private import Worker, at_exit

        def hang():
            time.sleep(60)

        worker = Worker(print, (), None)
        at_exit(lambda: (worker.end(), print("ended")))
        at_exit(lambda: print("twice"))
        worker.start(hang)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True, timeout=50
    )
    assert done.stdout.split() == ["ended"]
