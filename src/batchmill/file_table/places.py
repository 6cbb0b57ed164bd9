"""The identity of files: two names belong to one file if they lead to the same path, links followed, or to
the same inode."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

PARTIAL = ".partial"
"""The suffix of a file that is written beside the one that it replaces once it is complete."""

Inode = tuple[int, int]


class FilePlace(NamedTuple):
    """``real`` is empty for a file known by its descriptor alone, ``inode`` None if the file does not exist
    so far."""

    real: str
    inode: Inode | None


def place_of(path: str | int) -> FilePlace | None:
    """The place of a path or a descriptor; None for a folder, a pipe, a terminal: only regular files have
    content that a write could destroy."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None if isinstance(path, int) or "\0" in path else FilePlace(os.path.realpath(path), None)
    if not stat.S_ISREG(found.st_mode):
        return None
    return FilePlace(os.path.realpath(path) if isinstance(path, str) else "", (found.st_dev, found.st_ino))


def places_of(items: Iterable[object]) -> list[tuple[int, FilePlace]]:
    """The positions of the texts among ``items`` that name an existing file, each with its place, None if it
    is no regular file."""
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
        found.append((position, FilePlace(_real(item, folders), inode)))
    return found


def _real(path: str, folders: dict[str, str]) -> str:
    """The path with links followed; folders in ``folders`` are resolved only once."""
    folder, name = os.path.split(path)
    if name in ("", os.curdir, os.pardir) or os.path.islink(path):
        return os.path.realpath(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.join(folders[folder], name)
