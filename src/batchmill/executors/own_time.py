"""Separate the time that items take themselves from the time for which others had their core.

On a busy machine, or with more threads than cores, a computing thread is paused for milliseconds. Chunks
sized by wall time would then shrink to a few items, and the cost of handing them over would grow just when
time is shortest.
"""

from __future__ import annotations

import resource
import time
from typing import NamedTuple

_THREAD = getattr(resource, "RUSAGE_THREAD", None)  # Linux alone has it
COMPUTES = 1 / 4  # of the wall time; from here on what is missing counts as time for which others ran
LEFT = 1 / 10  # of a chunk's time, from which on it is worth going on


class ThreadEffort(NamedTuple):
    """CPU seconds of this thread so far, and how often it waited; None if nothing counts that."""

    cpu: float
    waits: int | None


def thread_effort() -> ThreadEffort:
    """That of the calling thread."""
    if _THREAD is None:
        return ThreadEffort(time.thread_time(), None)
    used = resource.getrusage(_THREAD)
    return ThreadEffort(used.ru_utime + used.ru_stime, used.ru_nvcsw)


def own_seconds(items: int, wall: float, cpu: float, waits: int | None) -> float:
    """What ``items`` items took of their own, which took ``wall`` seconds and ``cpu`` seconds of CPU: the
    latter where they compute. That shows in their share of the wall time, and where a thread ``waits`` less
    than for every second item: one that is put aside for another does not wait."""
    computes = cpu >= wall * COMPUTES or (waits is not None and 2 * waits < items)
    return min(cpu, wall) if computes else wall


def seconds_left(meant: float, cpu: float, waits: int | None) -> float:
    """How many seconds a chunk that was ``meant`` to take so many has left when they have passed: what others
    took of it. 0 where it has waited for something, or nobody knows: that was its own time."""
    left = meant - cpu
    return left if waits == 0 and left >= meant * LEFT else 0.0
