"""How many more files and connections this process may open."""

from __future__ import annotations

import os
import resource

LEAST = 32  # that stay free: for the journal, name lookups, connections that are tried beside another


def free_descriptors() -> int:
    """The number of descriptors to spare, at least 1; an eighth of the limit stays free for all else."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 2**31
    return max(1, limit - _open() - max(LEAST, limit // 8))


def _open() -> int:
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:  # a system without such a folder, or not even one descriptor to read it
        return LEAST
