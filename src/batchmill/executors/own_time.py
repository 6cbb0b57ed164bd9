"""Separate the time of items themselves from the time in which others had their core, or the GIL.

On a busy machine, or with more threads than cores, a computing thread is paused for milliseconds. Chunks
sized by wall time would then shrink to a few items, and the cost of handing them over would grow just when
time is shortest.

To the kernel, waiting for the GIL looks like waiting for an answer. Two things distinguish them. While
threads wait for the GIL, one of them has it: the process as a whole computes. And no single wait is long,
because a thread asks for the GIL again after :func:`sys.getswitchinterval`; an answer may take any time.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

_THREAD = getattr(resource, "RUSAGE_THREAD", None)  # Linux alone has it
COMPUTES = 1 / 4  # of the wall time: from there on a thread, or a process, computes; the rest others had
FEW = 7  # items of which it does not show whether all of them take so long
TURNS = 4  # of the GIL that a thread may wait for at once: who has a lock may wait for the GIL, too
STALLED = 10  # times the mean CPU of the items: one that took longer waited, or was put aside
LEFT = 1 / 10  # of a chunk's time, from which on it is worth going on
_HAS_GIL = bool(getattr(sys, "_is_gil_enabled", lambda: True)())
GIL_SECONDS = sys.getswitchinterval() if _HAS_GIL else 0.0


class Effort(NamedTuple):
    """CPU seconds of this thread so far, how often it waited, None if nothing counts that, and CPU seconds of
    all threads of the process."""

    cpu: float
    waits: int | None
    of_all: float

    def since(self, before: Effort) -> Effort:
        """The difference from ``before``."""
        waits = None if self.waits is None or before.waits is None else self.waits - before.waits
        return Effort(self.cpu - before.cpu, waits, self.of_all - before.of_all)


def effort(*, cpu_only: bool = False) -> Effort:
    """That of the calling thread and its process; ``cpu_only`` leaves out all but the thread's CPU."""
    if cpu_only:
        return Effort(time.thread_time(), None, 0.0)
    # The kernel updates the CPU seconds of getrusage only at its ticks, milliseconds apart.
    waits = None if _THREAD is None else resource.getrusage(_THREAD).ru_nvcsw
    return Effort(time.thread_time(), waits, time.process_time())


class Took(NamedTuple):
    """The cost of ``items`` items: ``wall`` seconds, and ``used`` during them. ``longer`` counts those that
    took longer than a given number of seconds."""

    items: int
    wall: float
    used: Effort
    longer: Callable[[float], int]

    @property
    def stall(self) -> bool:
        """Whether at least every second one waited, or was put aside, for long."""
        return 2 * self.longer(STALLED * self.used.cpu / self.items) >= self.items


def own_seconds(took: Took, gil_seconds: float = GIL_SECONDS) -> float:
    """The items' own time: the CPU of their thread if they compute, otherwise the wall time.

    They compute if their CPU is a good share of the wall time, or if fewer than every second item waited: an
    item that is merely preempted does not wait, and one that waits takes long. A few items say little about
    that, so they also compute if they seem to have waited only for the GIL, for which a thread asks again
    after ``gil_seconds`` (0 if there is no GIL).
    """
    items, wall, (cpu, waits, _), _ = took
    if not items:
        return wall
    computes = (
        cpu >= wall * COMPUTES
        or (waits is not None and 2 * waits < items)
        or (not took.stall if items > FEW else _waited_for_gil(took, gil_seconds))
    )
    return min(cpu, wall) if computes else wall


def seconds_left(meant: float, took: Took, gil_seconds: float = GIL_SECONDS) -> float:
    """How many seconds a chunk that was ``meant`` to take so many has left when they have passed: the time
    that others took from it. 0 if it waited for something else, or if that is unknown: then all of it was its
    own time."""
    left = meant - took.used.cpu
    if left < meant * LEFT:
        return 0.0
    return left if took.used.waits == 0 or _waited_for_gil(took, gil_seconds) else 0.0


def _waited_for_gil(took: Took, gil_seconds: float) -> bool:
    """Whether the thread seems to have waited only for the GIL: other threads computed meanwhile, not much
    longer than it takes to ask for the GIL as often as it waited, and, for many items, not at every one."""
    items, wall, (cpu, waits, of_all), _ = took
    others = min(of_all, wall) - cpu
    if waits is None or others < wall * COMPUTES or (items > FEW and took.stall):
        return False
    return others <= waits * TURNS * gil_seconds
