"""Everything that we use of loky beyond its public interface: a single worker process, the exit hook, the
tracker.

The pool needs one thing of loky: a process that is started from a clean one, watched and ended. loky offers
that only as an executor with queues of its own. So each worker is an executor of one, and its only task is to
serve our pipe. The private parts of loky that this takes are used in this module only;
``tests/executors/process/test_loky_private.py`` fails on a version of loky without them.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Callable
from typing import Any

import loky.backend.resource_tracker as tracker
import loky.process_executor
from loky.backend.context import LokyContext

__all__ = ["SEMAPHORES", "SEMAPHORE_NAME", "Context", "Worker", "at_exit", "tracked", "untracked"]

SEMAPHORES = "/dev/shm"  # noqa: S108  # where the system keeps named semaphores, as files
SEMAPHORE_NAME = re.compile(r"sem\.loky-([0-9]+)-[A-Za-z0-9_-]+")
"""What files of semaphores are called; the group is the id of the process that made them."""

Context = LokyContext
"""loky's way of starting processes; a subclass may make other locks and semaphores."""

_exit_hooked = threading.Event()


class Worker:
    """One worker process.

    ``first`` is called in it with ``arguments`` before anything else; both are pickled when it is started.
    ``context`` makes its semaphores, None for the system's own.
    """

    def __init__(self, first: Callable[..., None], arguments: tuple[Any, ...], context: Any) -> None:
        self._executor: Any = loky.process_executor.ProcessPoolExecutor(
            max_workers=1, context=context, initializer=first, initargs=arguments
        )

    def start(self, serve: Callable[[], None]) -> Any:
        """Start the process, have it run ``serve``, and return it, a ``multiprocessing.Process``; it boots
        while we go on. Raises OSError without room for one more."""
        self._executor.submit(serve)
        return next(iter(self._executor._processes.values()))

    def end(self) -> None:
        """Kill the process if it is alive, and free what loky holds for it; waits until that is done."""
        self._executor.shutdown(wait=True, kill_workers=True)


def at_exit(end: Callable[[], None]) -> None:
    """Have ``end`` called when the interpreter ends, once for the process, whoever asks. Raises RuntimeError
    when it is ending already.

    loky waits for its workers when threads are joined, before ``atexit`` runs, and would wait for a hung item
    for ever. So ``end`` goes where loky's hook is, after it: the last one registered runs first. loky 3.5 to
    3.7 registers again with every executor, because what it remembers of having done so is the None that
    registering returns; the mark set here keeps it from that.
    """
    if not _exit_hooked.is_set():
        register = getattr(threading, "_register_atexit", atexit.register)
        register(loky.process_executor._python_exit)
        loky.process_executor.process_pool_executor_at_exit = _exit_hooked
        register(end)
        _exit_hooked.set()


def tracked(folder: str) -> None:
    """Have the tracker remove ``folder`` when this process is gone. Raises OSError, RuntimeError where the
    tracker cannot be started."""
    tracker.register(folder, "folder")


def untracked(name: str, kind: str = "folder") -> None:
    """Have the tracker forget what was removed: a ``folder``, or a ``semlock`` by its name."""
    tracker.unregister(name, kind)
