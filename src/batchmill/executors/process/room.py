"""Whether this process has room for one more worker, and the error message if it has not."""

from __future__ import annotations

import os

from batchmill.errors import ExecutorUnavailable
from batchmill.file_table import NO_FOLDER, lacks_folder

DESCRIPTORS_PER_SLOT = 20  # what a worker costs its parent: pipes, mappings, and those of starting it
SPARE_DESCRIPTORS = 12  # for parcels on their way, and for whatever else the program opens


def unavailable(fault: Exception) -> ExecutorUnavailable:
    """The error for an obstacle to starting a worker process."""
    if lacks_folder(fault):
        return ExecutorUnavailable(f"no worker process can be started: {NO_FOLDER}")
    reason = f"no worker process can be started: {type(fault).__name__}: {fault}"
    advice = "raise the limits (ulimit -n, -u), lower max_concurrent, or use executor 'thread'"
    return ExecutorUnavailable(f"{reason}; {advice}")


def check_descriptors() -> None:
    """Raise OSError when another worker would leave this process too few descriptors to continue."""
    spare = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while len(spare) < DESCRIPTORS_PER_SLOT + SPARE_DESCRIPTORS:
            spare.append(os.dup(spare[0]))
    finally:
        for descriptor in spare:
            os.close(descriptor)
