"""Everything that we use of loky beyond its public interface: its way to start a process, and its tracker.

The pool needs one thing of loky: a process that is started from a clean one, watched and ended. loky offers
that publicly only as an executor with queues of its own, which take two threads, four semaphores and six
descriptors for each worker. So what loky's executor starts its processes with is used directly. The private
parts of loky that this takes are used in this module only; ``tests/executors/process/test_loky_private.py``
fails on a version of loky without them.
"""

from __future__ import annotations

import atexit
import io
import multiprocessing.resource_tracker
import os
import re
import socket
import threading
from collections.abc import Callable
from multiprocessing import util
from multiprocessing.context import set_spawning_popen
from typing import Any

import loky.backend.popen_loky_posix
import loky.backend.reduction
import loky.backend.resource_tracker as tracker
from loky.backend import spawn

from batchmill.executors.process import worker_process
from batchmill.executors.process.boot import LENGTH, passed
from batchmill.executors.process.starting import started
from batchmill.executors.process.worker_process import ServingProcess

__all__ = ["SEMAPHORES", "SEMAPHORE_NAME", "Popen", "WorkerHandle", "at_exit", "tracked", "untracked"]

SEMAPHORES = "/dev/shm"  # noqa: S108  # where the system keeps named semaphores, as files
SEMAPHORE_NAME = re.compile(r"sem\.loky-([0-9]+)-[A-Za-z0-9_-]+")
"""The pattern for the names of loky's semaphores; the group is the id of the process that made them."""

MOST_NESTED = 10
"""Workers within workers: more of them is a recursion without end, and would take the machine with it."""

_exit_hooked = threading.Event()


class Popen(loky.backend.popen_loky_posix.Popen):  # type: ignore[misc]  # loky has no types
    """loky's, but for the beginning: an interpreter of ours that is there already, or is started now."""

    def _launch(self, process: ServingProcess) -> None:
        start_trackers()
        self._passed: list[int] = [one._fd for one in _trackers()]
        content = io.BytesIO()
        set_spawning_popen(self)
        try:
            loky.backend.reduction.dump(spawn.get_preparation_data(process.name, False), content)
            loky.backend.reduction.dump(process, content)
        finally:
            set_spawning_popen(None)
        self.pid, channel, _ = started()
        try:
            channel.setblocking(True)
            socket.send_fds(channel, [LENGTH.pack(content.tell())], self._passed)
            channel.sendall(content.getbuffer())
        except OSError:  # it has ended; that is seen where one waits for it
            pass
        self.sentinel = channel.detach()
        self.finalizer = util.Finalize(self, os.close, (self.sentinel,))

    def duplicate_for_child(self, descriptor: int) -> Passed:
        """What becomes the descriptor in the new process."""
        self._passed.append(descriptor)
        return Passed(len(self._passed) - 1)


class Passed:
    """Becomes the descriptor that is passed in this place, in the process that unpickles it."""

    def __init__(self, place: int) -> None:
        self._place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return passed, (self._place,)


def _trackers() -> tuple[Any, Any]:
    """Multiprocessing's and loky's, in the order in which :mod:`boot` takes their descriptors."""
    return multiprocessing.resource_tracker._resource_tracker, tracker._resource_tracker


def start_trackers() -> None:
    """Start multiprocessing's and loky's, unless they run."""
    for one in _trackers():
        one.ensure_running()


class WorkerHandle:
    """One worker process, which calls ``function`` of the module ``home`` with ``arguments``; those are
    pickled when it is started."""

    def __init__(self, home: str, function: str, arguments: tuple[Any, ...]) -> None:
        self._process = ServingProcess(home, function, arguments)

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


def at_exit(end: Callable[[], None]) -> None:
    """Have ``end`` called when the interpreter ends, once for the process, even after several calls: before
    threads are joined, and before multiprocessing waits for processes. Raises RuntimeError when it is already
    ending."""
    if not _exit_hooked.is_set():
        getattr(threading, "_register_atexit", atexit.register)(end)
        _exit_hooked.set()


def tracked(folder: str) -> None:
    """Have the tracker remove ``folder`` when this process is gone. Raises OSError, RuntimeError if the
    tracker cannot be started."""
    start_trackers()
    tracker.register(folder, "folder")


def untracked(name: str, kind: str = "folder") -> None:
    """Have the tracker forget what was removed: a ``folder``, or a ``semlock`` by its name."""
    tracker.unregister(name, kind)
