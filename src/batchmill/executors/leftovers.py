"""What a worker process leaves behind when it is killed, and how it is cleared away.

A worker may run batches of its own, on workers of its own. Killed, it cannot remove its pool's folders nor
loky's semaphores; the tracker of loky would at the end of the whole program, with a warning. Both carry
the process id in their names.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable

import loky.backend.resource_tracker as tracker

SEMAPHORES = "/dev/shm/sem."  # noqa: S108  # where the system keeps named semaphores, as files


def folder_prefix(pid: int | str) -> str:
    """How the names of the folders begin that process ``pid`` makes for its pool."""
    return f"batchmill-{pid}-"


def remove_leftovers(pid: int, parents: Iterable[str]) -> None:
    """Remove what process ``pid``, which is dead, left in the folders ``parents`` and among semaphores."""
    for parent in parents:
        for folder in glob.glob(os.path.join(glob.escape(parent), f"{folder_prefix(pid)}*")):
            shutil.rmtree(folder, ignore_errors=True)
            tracker.unregister(folder, "folder")
    for name in remove_semaphores(pid):
        tracker.unregister(name, "semlock")


def remove_semaphores(pid: int) -> list[str]:
    """Remove those that loky made in process ``pid``, which is dead; their names."""
    removed = []
    for path in glob.glob(f"{SEMAPHORES}loky-{pid}-*"):
        try:
            os.unlink(path)
        except OSError:  # it was on its way out by itself
            continue
        removed.append(f"/{path.removeprefix(SEMAPHORES)}")
    return removed
