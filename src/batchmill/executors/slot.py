"""One worker process and all the parent knows of it.

A slot is a loky executor with a single worker. When its worker dies only this slot is broken; its
chunks are settled from what the shared area says and another slot takes its place, while the other
workers never notice.

Concurrency: ``open`` runs in the pool's own thread, ``send`` in the thread of the driver that leased
the slot, the futures' callbacks in loky's manager thread, ``kill`` in any thread. ``_lock`` guards
``verdict``; what else is set after ``open`` is used by the driver alone.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future
from typing import Any, NamedTuple

import loky.process_executor
import psutil

from batchmill.executors import child
from batchmill.executors.cells import ATTEMPT, KEPT, OFFSET, PHASE, SEQ, STARTED, STOP
from batchmill.executors.shared_area import SharedArea

EXIT_SECONDS = 5.0

CANCELLED, TIMED_OUT, TOO_LARGE = "cancelled", "timed out", "over its memory limit"  # why we kill a worker


class Death(NamedTuple):
    """What is known of a worker that died: its process id, exit code (negative: signal) and last cells."""

    pid: int
    exit_code: int | None
    seq: int
    phase: int
    offset: int
    attempt: int
    kept: int
    started: int

    @property
    def reason(self) -> str:
        """The end in words, such as ``killed by signal 9 (SIGKILL)``."""
        if self.exit_code is None:
            return "ended without an exit code"
        if self.exit_code >= 0:
            return f"exited with code {self.exit_code}"
        try:
            name = signal.Signals(-self.exit_code).name
        except ValueError:
            name = "unknown"
        return f"was killed by signal {-self.exit_code} ({name})"


class Slot:
    """See the module. ``known`` holds the digests of jobs the worker has; ``idle_since`` is the pool's."""

    def __init__(self, area: SharedArea, folders: list[str]) -> None:
        self.area = area
        self.known: set[bytes] = set()
        self.idle_since = 0.0
        self.pid = 0
        self._seq = 0
        self._lock = threading.Lock()
        self._verdict: str | None = None
        self._executor: Any = loky.process_executor.ProcessPoolExecutor(
            max_workers=1, initializer=child.attach, initargs=(area.path, folders, os.getpid())
        )
        self._process: Any = None

    def open(self) -> None:
        """Start the worker process; it boots while we go on. Raises OSError without room for one more."""
        self._executor.submit(child.hello)
        self._process = next(iter(self._executor._processes.values()))
        self.pid = self._process.pid

    @property
    def healthy(self) -> bool:
        """Whether the worker can be given chunks, as far as anyone knows."""
        return self._executor._flags.broken is None and not self._executor._flags.shutdown

    def reset(self) -> None:
        """Make ready for another batch."""
        self.area.cells[STOP] = 0
        self.area.cells[STARTED] = 0
        with self._lock:
            self._verdict = None

    @property
    def next_seq(self) -> int:
        """The number the next chunk sent will have; tells which half of the shared area it uses."""
        return self._seq + 1

    def send(self, order: child.Order) -> Future[child.Reply]:
        """Hand a chunk to the worker. Raises loky's BrokenProcessPool when it is dead already."""
        self._seq = order.seq
        future: Future[child.Reply] = self._executor.submit(child.run, order)
        return future

    def stop_items(self) -> None:
        """Let the worker start no further item of the chunks it has."""
        self.area.cells[STOP] = 1

    def kill(self, verdict: str) -> None:
        """End the worker and all it started; ``verdict`` says why, the first one counts."""
        with self._lock:
            self._verdict = self._verdict or verdict
        _kill_tree(self.pid)

    @property
    def verdict(self) -> str | None:
        """Why we killed the worker, None when we did not."""
        with self._lock:
            return self._verdict

    def death(self) -> Death:
        """How the worker ended and what it was at; call it once a future of it broke."""
        process = self._process
        process.join(EXIT_SECONDS)
        last = (self.area.cells[place] for place in (SEQ, PHASE, OFFSET, ATTEMPT, KEPT, STARTED))
        return Death(process.pid, process.exitcode, *last)

    def close(self) -> None:
        """End the worker, idle or not, and free what the slot held; waits until that is done."""
        self._executor.shutdown(wait=True, kill_workers=True)
        self.area.remove()


def _kill_tree(pid: int) -> None:
    """SIGKILL a worker and its descendants, the worker first so that it starts no more of them."""
    try:
        worker = psutil.Process(pid)
        worker.suspend()
        family = [*worker.children(recursive=True), worker]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:  # it ended by itself meanwhile
            pass
