"""How many cores this process may use: its affinity, and the quota of the container it runs in."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_MASK = "Cpus_allowed:"  # hexadecimal, with commas (proc(5))


def usable_cores() -> int:
    """At least 1. Cheap enough to ask for every batch."""
    quota = cpu_quota()
    cores = affinity()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def affinity() -> int:
    """How many cores the system lets this process run on; that may change while it runs."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    allowed = [line for line in _text(Path("/proc/self/status")).splitlines() if line.startswith(_MASK)]
    if allowed:  # on PyPy
        return max(1, int(allowed[0].removeprefix(_MASK).replace(",", ""), 16).bit_count())
    return os.cpu_count() or 1


@functools.cache
def cpu_quota() -> float | None:
    """The cores' worth of time that control groups allow, None without a limit.

    The strictest of the group this process is in and those above it; version 2 (``cpu.max``) and version 1
    (``cpu.cfs_quota_us``).
    """
    found = [quota for folder in group_folders("cpu") if (quota := _quota_in(folder)) is not None]
    return min(found, default=None)


def memory_limit() -> int | None:
    """Bytes that control groups allow, None without a limit; the strictest of those above this process."""
    found: list[int] = []
    for folder in group_folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                found.append(int((folder / name).read_text()))
            except (OSError, ValueError):  # no such file, or "max"
                continue
    return min((limit for limit in found if limit < 1 << 60), default=None)


def group_folders(controller: str) -> list[Path]:
    """The folders of this process's control group and of those above it, for ``cpu`` or ``memory``."""
    folders: list[Path] = []
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        inside = root / path.lstrip("/")
        folders += [inside, *(above for above in inside.parents if above.is_relative_to(root))]
    return list(dict.fromkeys([*folders, CGROUPS, CGROUPS / controller]))


def _quota_in(folder: Path) -> float | None:
    allowed, _, period = _text(folder / "cpu.max").partition(" ")
    if not allowed:
        allowed, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    try:
        microseconds = int(allowed)
        return microseconds / int(period) if microseconds > 0 else None
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # not Linux, or no such controller
        return ""
