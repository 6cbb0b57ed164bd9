"""Remove the leftovers of a killed process: folders of its pool, in memory and on disk, and loky's
semaphores. Both carry the process id in their names.

All users of the machine write to their parents, ``/dev/shm`` and the temporary folder. So names and files
there are not trusted: only entries that belong to this user, are of the expected kind, are no link, and are
directly in the parent are examined, and only those are removed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from batchmill.executors.process.loky_private import SEMAPHORE_NAME, SEMAPHORES, untracked

OWNER = ".batchmill-pool"  # a file that its process keeps locked, so that a folder is seen to be in use
_FOLDER = re.compile(r"batchmill-([0-9]+)-[A-Za-z0-9_]+")


def folder_prefix(pid: int) -> str:
    """How the names of the folders begin that process ``pid`` makes for its pool."""
    return f"batchmill-{pid}-"


def remove_leftovers(pid: int, parents: Iterable[str]) -> None:
    """Remove the leftovers of process ``pid``, which is dead, in the folders ``parents`` and among
    semaphores."""
    for parent in parents:
        for name, _ in _named(parent, _FOLDER, pid):
            if _removed(parent, name, 0.0):
                untracked(os.path.join(parent, name))
    for name in remove_semaphores(pid):
        untracked(name, "semlock")


def remove_semaphores(pid: int) -> list[str]:
    """Remove the semaphores that loky made in process ``pid``, which is dead; returns their names."""
    removed = []
    for name, _ in _named(SEMAPHORES, SEMAPHORE_NAME, pid):
        path = os.path.join(SEMAPHORES, name)
        try:
            if not _is_ours(os.lstat(path), stat.S_IFREG):
                continue
            os.unlink(path)
        except OSError:  # it was on its way out by itself
            continue
        removed.append(f"/{name.removeprefix('sem.')}")
    return removed


def abandoned(parent: str, grace: float) -> Iterator[int]:
    """Remove the folders in ``parent`` whose process is gone; returns the ids of those processes. ``grace``
    is in seconds: a younger folder may be about to be locked."""
    for name, pid in _named(parent, _FOLDER):
        if _removed(parent, name, grace, in_use=True):
            yield pid


def _named(parent: str, pattern: re.Pattern[str], pid: int | None = None) -> list[tuple[str, int]]:
    """The names in ``parent`` that are wholly of ``pattern``, each with the process id in it."""
    try:
        found = [pattern.fullmatch(name) for name in os.listdir(parent)]
    except OSError:  # it is not there, or not for us
        return []
    pairs = [(one.group(), int(one[1])) for one in found if one is not None]
    return [pair for pair in pairs if pid is None or pair[1] == pid]


def _removed(parent: str, name: str, grace: float, *, in_use: bool = False) -> bool:
    """Remove a folder of this user's that no process holds; whether it was one. With ``in_use`` one that was
    never held is left too."""
    with _opened(parent, os.O_DIRECTORY) as above:
        if above is None:
            return False
        with _opened(name, os.O_DIRECTORY | os.O_NOFOLLOW, above) as folder:
            if folder is None or not _is_ours(os.fstat(folder), stat.S_IFDIR):
                return False
            with _opened(OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, folder) as owner:
                if owner is None and in_use:
                    return False
                if owner is not None and _is_held(owner, grace):
                    return False
                shutil.rmtree(name, ignore_errors=True, dir_fd=above)
                return True


@contextmanager
def _opened(path: str, flags: int, folder: int | None = None) -> Iterator[int | None]:
    """A descriptor of ``path`` in ``folder``, None if it cannot be opened."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_held(owner: int, grace: float) -> bool:
    """Whether a process holds the lock on a folder's file, or may be about to take it."""
    found = os.fstat(owner)
    if not _is_ours(found, stat.S_IFREG) or time.time() - found.st_mtime < grace:
        return True
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _is_ours(found: os.stat_result, kind: int) -> bool:
    return found.st_uid == os.geteuid() and stat.S_IFMT(found.st_mode) == kind
