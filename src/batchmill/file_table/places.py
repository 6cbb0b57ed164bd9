"""The identity of files: two names belong to one file if they lead to the same path, links followed, or to
the same inode."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from batchmill.errors import StorageError

PARTIAL = ".partial"
"""The suffix of a file that is written beside the one that it replaces once it is complete."""

NO_FOLDER = "the working folder has been deleted; go to a folder that exists"
Inode = tuple[int, int]


class FilePlace(NamedTuple):
    """``real`` is empty for a file known by its descriptor alone, ``inode`` None if the file does not exist
    so far."""

    real: str
    inode: Inode | None


def working_folder() -> str:
    """The working folder of this process. Raises :class:`StorageError` if it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError as fault:
        raise StorageError(NO_FOLDER) from fault


def lacks_folder(error: BaseException) -> bool:
    """Whether the system's error, which names no file, means that the working folder was deleted."""
    return isinstance(error, FileNotFoundError) and error.filename is None and folder_is_gone()


def folder_is_gone() -> bool:
    """Whether the working folder of this process was deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def place_of(path: str | int) -> FilePlace | None:
    """The place of a path or a descriptor; None for a folder, a pipe, a terminal: only regular files have
    content that a write could destroy."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None if isinstance(path, int) or "\0" in path else FilePlace(_real(path), None)
    if not stat.S_ISREG(found.st_mode):
        return None
    return FilePlace(_real(path) if isinstance(path, str) else "", (found.st_dev, found.st_ino))


def places_of(items: Iterable[object]) -> list[tuple[int, FilePlace]]:
    """The positions of the texts among ``items`` that name an existing file, each with its place, None if it
    is no regular file."""
    found = []
    for position, item in enumerate(items):
        if not isinstance(item, str) or not item:
            continue
        try:
            there = os.stat(item)
        except (OSError, ValueError):
            continue
        inode = (there.st_dev, there.st_ino) if stat.S_ISREG(there.st_mode) else None
        found.append((position, FilePlace(_real(item), inode)))
    return found


def _real(path: str) -> str:
    """The path with links followed."""
    folder, name = os.path.split(path)
    if name in ("", os.curdir, os.pardir) or os.path.islink(path):
        return os.path.realpath(path)
    try:
        folder = folder if os.path.isabs(folder) else os.path.join(os.getcwd(), folder)
        found = os.stat(folder)
    except OSError:
        return os.path.realpath(path)
    return os.path.join(_real_folder(folder, (found.st_dev, found.st_ino)), name)


@lru_cache(maxsize=256)
def _real_folder(folder: str, inode: Inode) -> str:
    """The path of a folder with links followed; as long as it has the same ``inode``, it is the same one."""
    return os.path.realpath(folder)
