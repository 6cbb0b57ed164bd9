"""Measured runs from the outside: their process is started, its tree's memory watched, its answer read."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from batchmill.bench.case import Case, MeasuredRun, RunSeries, RunStep
from batchmill.bench.scratch import Scratch
from batchmill.bench.workload import Workload
from batchmill.errors import BenchFailed

LOOK_SECONDS = 0.1  # a look takes milliseconds of a core, which those that are measured may want
SHOWN = 2_000  # characters of what a child said before it died


def measure(workload: Workload, case: Case, steps: Sequence[RunStep], scratch: Scratch | None) -> RunSeries:
    """Make the runs of ``steps`` one after another in a new process, as ``case`` says: those that may write
    in ``scratch``, None for in the working folder. Raises :class:`BenchFailed` if one cannot run at all."""
    request = {
        "document": workload.document,
        "values": workload.values,
        "text": workload.text,
        "executor": case.executor,
        "jobs": case.jobs if case.traits.side_by_side else None,
        "steps": [asdict(step) for step in steps],
        "restore": None,
    }
    if scratch is None or not workload.writes:
        runs, peak = _answered(request, case, Path.cwd())
        return RunSeries(tuple(steps), runs, peak)
    began = perf_counter()
    folder = scratch.folder()
    copying = perf_counter() - began
    runs, peak = _answered(_moved(request, folder), case, folder)
    return RunSeries(tuple(steps), runs, peak, copying)


def _moved(request: dict[str, Any], folder: Path) -> dict[str, object]:
    """The request for a copy of the working folder, with the document in the copy if it is in the folder."""
    document, moved = request["document"], {**request, "restore": str(Path.cwd())}
    if isinstance(document, str) and Path(document).is_relative_to(Path.cwd()):
        copied = folder / Path(document).relative_to(Path.cwd())
        return {**moved, "document": str(copied)} if copied.exists() else moved
    return moved


def _answered(request: dict[str, Any], case: Case, folder: Path) -> tuple[list[MeasuredRun], int]:
    """The runs, and the most bytes of memory that their processes had at one time."""
    command = [case.interpreter, "-m", "batchmill.bench.child"]
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, cwd=folder, text=True
        )
        memory = MemoryWatch(child.pid)
        try:
            out, _ = child.communicate(json.dumps(request))
        except BaseException:
            _kill(child)
            raise
        finally:
            peak = memory.close()
        said.seek(0)
        messages = said.read()[-SHOWN:]
    try:
        found = json.loads(out)
    except ValueError:
        raise BenchFailed(f"{case.label} on {case.build} ended with {child.returncode}: {messages}") from None
    if "fault" in found:
        raise BenchFailed(f"{case.label} on {case.build}: {found['fault']}")
    return [MeasuredRun(**one) for one in found["runs"]], peak


def _kill(child: subprocess.Popen[str]) -> None:
    """End it with all it started."""
    try:
        tree = [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]
    except psutil.Error:
        tree = []
    for process in tree:
        try:
            process.kill()
        except psutil.Error:  # it has ended meanwhile
            continue
    child.wait()


class MemoryWatch:
    """The peak of the resident memory of a process and its descendants together, sampled 10 times a second.

    Pages that several of them share are counted for each. Concurrency: a thread of its own writes ``_peak``;
    ``close`` reads it after that thread's end.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bench-memory", daemon=True)
        self._thread.start()

    def close(self) -> int:
        """End the watch; bytes."""
        self._over.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._peak = max(self._peak, _resident(self._pid))


def _resident(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it has ended meanwhile
            continue
    return total


def build_of(interpreter: str) -> str:
    """The name of a Python, such as ``CPython 3.13t``. Raises :class:`BenchFailed` where batchmill does not
    run on it."""
    code = (
        "import batchmill.bench.child, platform, sys, sysconfig\n"
        "free = 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''\n"
        "print(platform.python_implementation(), '%d.%d' % sys.version_info[:2] + free)"
    )
    try:
        done = subprocess.run(
            [interpreter, "-c", code], capture_output=True, text=True, cwd=tempfile.gettempdir()
        )
    except OSError as error:
        raise BenchFailed(f"{interpreter} cannot be run: {error.strerror}") from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        advice = f"install it there: {interpreter} -m pip install batchmill"
        raise BenchFailed(f"batchmill does not run on {interpreter} ({why}); {advice}")
    return done.stdout.strip()


def this_interpreter() -> str:
    """The path of the Python that runs this."""
    return sys.executable
