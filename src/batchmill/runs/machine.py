"""The resources of all processes of a run: this one, its worker processes, and the commands of both."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psutil


class MachineUse(NamedTuple):
    """Their use in the ``seconds`` since the last sample: ``cpu`` in CPU seconds; ``rss`` the memory in bytes
    that they have now, with shared memory counted for each; ``processes`` their number."""

    seconds: float
    cpu: float
    rss: int
    processes: int


class MachineMeter:
    """Measures this process and all its descendants. Used by one thread.

    A process that has ended is counted by the process that waited for it. So between two looks only the use
    of processes that nobody waited for is lost.
    """

    def __init__(self) -> None:
        self._own = psutil.Process()
        self._at = time.perf_counter()
        self._cpu = self._look()[0]

    def look(self) -> MachineUse:
        """The use since the last call."""
        cpu, rss, processes = self._look()
        now = time.perf_counter()
        took = MachineUse(now - self._at, max(0.0, cpu - self._cpu), rss, processes)
        self._at, self._cpu = now, cpu
        return took

    def _look(self) -> tuple[float, int, int]:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = time.process_time() + ended.ru_utime + ended.ru_stime
        rss, processes = self._own.memory_info().rss, 1
        for times, memory in self._below():
            cpu += times.user + times.system + times.children_user + times.children_system
            rss += memory.rss
            processes += 1
        return cpu, rss, processes

    def _below(self) -> Iterator[tuple[Any, Any]]:
        """CPU times and memory of each descendant, except those that end meanwhile."""
        for process in self._own.children(recursive=True):
            with contextlib.suppress(psutil.Error), process.oneshot():
                yield process.cpu_times(), process.memory_info()
