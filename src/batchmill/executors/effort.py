"""The resources of a worker process: CPU time, with that of commands it ran, and memory."""

from __future__ import annotations

import resource
import sys
import time

LOOK_SECONDS = 0.1  # between two looks into a file of the system's
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of ``ru_maxrss``


class ProcessUsage:
    """Measures this process. Used by one thread.

    Linux starts the peak memory of a process at that of its starter (getrusage(2)), so up to that value it is
    read from a place that each program has for itself. That takes as long as many an item, and only a process
    that had page faults since the last look can have grown.
    """

    def __init__(self) -> None:
        self._inherited = _usage().ru_maxrss * _UNIT
        self._known: int | None = None
        self._next_look = 0.0
        self._faults = -1  # up to the last look

    def cpu(self) -> float:
        """CPU seconds so far, of all threads and of the commands that have ended."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    def peak(self) -> int | None:
        """The peak of its memory so far, in bytes; None if unknown."""
        usage = _usage()
        found = usage.ru_maxrss * _UNIT
        if found > self._inherited or sys.platform != "linux":
            return found
        faults = usage.ru_minflt + usage.ru_majflt
        if faults != self._faults and (now := time.monotonic()) >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._faults = faults
            self._known = _own_peak()
        return self._known


def _usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def _own_peak() -> int | None:
    try:
        with open("/proc/self/status", "rb") as file:
            lines = [line for line in file if line.startswith(b"VmHWM:")]
        return int(lines[0].split()[1]) * 1024
    except (OSError, LookupError, ValueError):  # a system without it
        return None
