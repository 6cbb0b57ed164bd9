"""Detect daemonic processes (Celery's prefork, ``multiprocessing.Pool``), which may have no children."""

from __future__ import annotations

import sys
from dataclasses import replace

from batchmill.batch.settings import BatchSettings
from batchmill.executors.cores import usable_cores
from batchmill.values.tracebacks import warn

REASON = "process was asked for, and this process is itself a daemonic worker, which may have no children"


def possible_here(settings: BatchSettings) -> BatchSettings:
    """The settings, with threads instead of worker processes if this process cannot have any; as many as
    there would be processes. A warning says so.

    Limits that only a process can enforce are left to the process executor, which refuses them.
    """
    if not (settings.traits.own_processes and settings.traits.starts_here) or not is_daemonic():
        return settings
    if settings.memory_limit_bytes is not None or settings.max_items_per_worker is not None:
        return settings
    warn(f"{REASON}; its items run on threads", RuntimeWarning)
    workers = settings.max_concurrent or usable_cores()
    return replace(settings, executor="thread", max_concurrent=workers, slots=None, reason=REASON)


def is_daemonic() -> bool:
    """Whether this process was made by multiprocessing, or billiard, as a daemon."""
    module = sys.modules.get("multiprocessing.process")  # who is a daemon was made by it
    return module is not None and bool(module.current_process().daemon)
