"""What tells that two names are of one file: where they lead, links followed, or the inode there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
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


def places_of(items: Iterable[object]) -> list[tuple[int, Place]]:
    """The positions of the texts among ``items`` that name something which is there, each with where it
    leads; of what is no regular file that is all that is told."""
    folders: dict[str, str] = {}
    found = []
    for position, item in enumerate(items):
        if not isinstance(item, str) or not item:
            continue
        try:
            there = os.stat(item)
        except (OSError, ValueError):
            continue
        inode = (there.st_dev, there.st_ino) if stat.S_ISREG(there.st_mode) else None
        found.append((position, Place(_real(item, folders), inode)))
    return found


def _real(path: str, folders: dict[str, str]) -> str:
    """The path with links followed; those of the same folder, in ``folders``, only once."""
    folder, name = os.path.split(path)
    if name in ("", os.curdir, os.pardir) or os.path.islink(path):
        return os.path.realpath(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.join(folders[folder], name)
