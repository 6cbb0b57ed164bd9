"""What tells that two names are of one file: where they lead, links followed, or the inode there."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

PARTIAL = ".partial"
"""Ends the name of a file that is written beside the one whose place it takes once it is complete."""

Inode = tuple[int, int]


class Place(NamedTuple):
    """``real`` is empty for a file known by its descriptor alone, ``inode`` None where nothing is yet."""

    real: str
    inode: Inode | None


def place_of(path: str | int) -> Place | None:
    """Where a path or a descriptor leads; None for a folder, a pipe, a terminal: what is no regular file has
    nothing that writing could destroy."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None if isinstance(path, int) or "\0" in path else Place(os.path.realpath(path), None)
    if not stat.S_ISREG(found.st_mode):
        return None
    return Place(os.path.realpath(path) if isinstance(path, str) else "", (found.st_dev, found.st_ino))
