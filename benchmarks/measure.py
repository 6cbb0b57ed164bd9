"""Wall time and CPU of one piece of work, the CPU of worker processes that live on included.

The CPU of a live process is read from its own kernel clock, in nanoseconds; ``/proc`` counts in steps
of 10 ms, which is a fifth of what 100,000 no-op items take. The process tree is listed outside the
span between the two readings of this process's own clock, so listing it is not charged to the work.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping

import psutil

from benchmarks.workload import Ready, Sample


def measure(ready: Ready, n: int) -> Sample:
    """Run ``ready.work`` once and return what it took."""
    if ready.before is not None:
        ready.before()
    workers_before = descendants_cpu()
    own_before = own_cpu()
    began = time.perf_counter()
    figures = ready.work()
    wall = time.perf_counter() - began
    own = own_cpu() - own_before
    return Sample(wall, own + descendants_cpu() - workers_before, n, dict(figures or {}))


def own_cpu() -> float:
    """CPU seconds of this process and of the children it has reaped."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def descendants_cpu() -> float:
    """CPU seconds of all live descendants and of the children those have reaped.

    A worker that dies between two readings moves from here to :func:`own_cpu`, so differences of the
    sum of both hold.
    """
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            total += _process_cpu(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue  # ended since it was listed: now counted by whoever reaped it
    return total


def _process_cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return _clock(process.pid, times.user + times.system) + times.children_user + times.children_system


def _clock(pid: int, otherwise: float) -> float:
    """The kernel's CPU clock of another process (Linux), or the coarse figure where there is none."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # how clock_getcpuclockid(3) numbers it
    except (OSError, AttributeError, OverflowError):
        return otherwise


class MemoryGrowth:
    """How far this process's resident memory rose above where it stood, in MB (10**6 bytes)."""

    def __init__(self) -> None:
        self._before = peak_bytes()

    def megabytes(self) -> float:
        """Peak since then, less the peak until then."""
        return (peak_bytes() - self._before) / 1e6


def peak_bytes() -> int:
    """Highest resident size this process has had.

    Read from ``VmHWM`` where the kernel has it: ``ru_maxrss`` starts from the size of the process that
    forked this one.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            fields: Mapping[str, str] = dict(line.split(":", 1) for line in status)
        return int(fields["VmHWM"].split()[0]) * 1024
    except OSError:
        unit = 1 if os.uname().sysname == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def grown(work: Callable[[], object]) -> dict[str, float]:
    """Run ``work`` and return ``{"growth_mb": ...}``."""
    growth = MemoryGrowth()
    work()
    return {"growth_mb": growth.megabytes()}
