"""Everything that we use of loky beyond its public interface: its way to start a process, and its tracker.

The pool needs one thing of loky: a process that is started from a clean one, watched and ended. loky offers
that publicly only as an executor with queues of its own, which take two threads, four semaphores and a dozen
descriptors for each worker. So what loky's executor starts its processes with is used directly. The private
parts of loky that this takes are used in this module only; ``tests/executors/process/test_loky_private.py``
fails on a version of loky without them.
"""

from __future__ import annotations

import atexit
import os
import re
import site
import threading
from collections.abc import Callable
from typing import Any

import loky.backend.popen_loky_posix
import loky.backend.resource_tracker as tracker

from batchmill.executors.process import worker_process
from batchmill.executors.process.worker_process import ServingProcess

__all__ = ["SEMAPHORES", "SEMAPHORE_NAME", "Popen", "Worker", "at_exit", "tracked", "untracked"]

SEMAPHORES = "/dev/shm"  # noqa: S108  # where the system keeps named semaphores, as files
SEMAPHORE_NAME = re.compile(r"sem\.loky-([0-9]+)-[A-Za-z0-9_-]+")
"""What files of semaphores are called that loky makes; the group is the id of the process that made them."""

MOST_NESTED = 10
"""Workers within workers: more of them is a recursion without end, and would take the machine with it."""

_exit_hooked = threading.Event()


class Popen(loky.backend.popen_loky_posix.Popen):  # type: ignore[misc]  # loky has no types
    """loky's, but for the module that the new process begins with: loky runs the module of this class."""


Popen.__module__ = "batchmill.executors.process.boot"


class Worker:
    """One worker process, which calls ``function`` of the module ``home`` with ``arguments``; those are
    pickled when it is started."""

    def __init__(self, home: str, function: str, arguments: tuple[Any, ...]) -> None:
        self._process = ServingProcess(home, function, arguments, _way_here())

    def start(self) -> Any:
        """Start the process and return it, a ``multiprocessing.Process``; it boots while we go on. Raises
        OSError without room for one more, RuntimeError in a worker within too many others."""
        if worker_process.depth >= MOST_NESTED:
            raise RuntimeError(f"worker processes are nested more than {MOST_NESTED} deep")
        self._process.start()
        return self._process

    def wait(self) -> None:
        """Wait until the process, which is being killed, is gone."""
        if self._process.pid is not None:
            self._process.join()


def _way_here() -> dict[str, str]:
    """What the environment of a new process needs to find this package at its first step; it has our module
    path only from the second one on."""
    home = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))
    if home in (*site.getsitepackages(), site.USER_SITE):
        return {}
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": home if before is None else f"{home}{os.pathsep}{before}"}


def at_exit(end: Callable[[], None]) -> None:
    """Have ``end`` called when the interpreter ends, once for the process, whoever asks: before threads are
    joined, and before multiprocessing waits for processes. Raises RuntimeError when it is ending already."""
    if not _exit_hooked.is_set():
        getattr(threading, "_register_atexit", atexit.register)(end)
        _exit_hooked.set()


def tracked(folder: str) -> None:
    """Have the tracker remove ``folder`` when this process is gone. Raises OSError, RuntimeError if the
    tracker cannot be started."""
    tracker.register(folder, "folder")


def untracked(name: str, kind: str = "folder") -> None:
    """Have the tracker forget what was removed: a ``folder``, or a ``semlock`` by its name."""
    tracker.unregister(name, kind)
