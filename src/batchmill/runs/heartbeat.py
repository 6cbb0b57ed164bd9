"""The current state of a run, saved in its journal once a second, for observers and for its report."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from batchmill.graph.frame import NodeFrame
from batchmill.journal.runlog import SqliteRunLog
from batchmill.runs.machine import MachineMeter

EVERY_SECONDS = 1.0
FIRST_SECONDS = 0.1  # until the first look at the machine
REST = 50  # times what a look at the machine took until the next: a fiftieth of a core at the most
LEAST_SECONDS = 0.2  # that the last look is to tell of


@contextmanager
def beating(log: SqliteRunLog | None, around: NodeFrame) -> Iterator[None]:
    """A context in which the run records its state regularly; it does nothing without a journal."""
    if log is None:
        yield
        return
    over = threading.Event()

    def beat() -> None:
        if over.wait(FIRST_SECONDS):  # so short a run pays nothing
            return
        machine = _Sampled(log)
        while not over.wait(EVERY_SECONDS) and log.fault is None:
            if not log.temporary:  # else nobody could read it meanwhile
                log.beat({"nodes": around.services.under_way.look(), "limits": around.services.gates.look()})
            machine.sample()
        machine.sample(last=True)

    thread = threading.Thread(target=beat, name="batchmill-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Sampled:
    """Saves samples of the machine in the journal. Used by one thread."""

    def __init__(self, log: SqliteRunLog) -> None:
        self._log = log
        self._machine: MachineMeter | None = None
        self._due = 0.0
        self._last = time.monotonic()
        self.sample()

    def sample(self, *, last: bool = False) -> None:
        """Look, unless it was done just now, or looking takes long; the ``last`` time when it pays."""
        began = time.monotonic()
        if began < self._due and not (last and began - self._last >= LEAST_SECONDS):
            return
        with suppress(psutil.Error, OSError):  # a system that does not let itself be looked at
            if self._machine is None:
                self._machine = MachineMeter()
            else:
                self._log.sample(time.time(), *self._machine.look())
        self._last = time.monotonic()
        self._due = self._last + REST * (self._last - began) - EVERY_SECONDS / 2
