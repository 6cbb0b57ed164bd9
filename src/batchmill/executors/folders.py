"""The folders of a pool, in memory and on disk: made, owned, removed, and those of the dead cleared away.

loky's tracker removes them when this process is killed. Where a whole process group is killed, as terminals
and batch systems do, the tracker dies too, and what lay in memory would stay there until the machine is
restarted. So the first folder holds a file that its process keeps locked, with the paths of all of them; the
kernel drops the lock with the process, and the next pool removes folders whose file is not locked.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterable

import loky.backend.resource_tracker as tracker
import psutil

from batchmill.executors.leftovers import folder_prefix, remove_semaphores

MEMORY_FOLDER = "/dev/shm"  # noqa: S108  # a folder of our own is made in it, mode 0700
OWNER = ".batchmill-pool"  # nobody else has a file of this name, so no folder of others is taken for ours
GRACE_SECONDS = 60.0  # a file younger than this may be about to be locked


class Folders:
    """The folders of one process; ``paths`` has that in memory first, where there is memory, and that on
    disk last. Raises OSError when there can be none on disk."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        memory = [MEMORY_FOLDER] if os.access(MEMORY_FOLDER, os.W_OK) else []
        for parent in [*memory, tempfile.gettempdir()]:
            try:
                path = tempfile.mkdtemp(prefix=folder_prefix(os.getpid()), dir=parent)
            except OSError:
                if parent in memory:
                    continue
                raise
            tracker.register(path, "folder")
            self.paths.append(path)
        self._owned = _own(self.paths)

    def remove(self) -> None:
        """Remove them with all that is in them."""
        for path in self.paths:
            shutil.rmtree(path, ignore_errors=True)
            tracker.unregister(path, "folder")
        if self._owned is not None:
            os.close(self._owned)
            self._owned = None


def _own(paths: list[str]) -> int | None:
    """The descriptor of the locked file. Without one, for lack of room or on a file system without locks,
    the folders are only never taken for those of a dead process."""
    owner = os.path.join(paths[0], OWNER)
    try:
        descriptor = os.open(owner, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, os.fsencode("\0".join(paths)))
    except OSError:
        os.close(descriptor)
        os.unlink(owner)
        return None
    return descriptor


def remove_abandoned(parents: Iterable[str], grace: float = GRACE_SECONDS) -> None:
    """Remove the folders of processes that are gone, those first in ``parents`` and what belongs to them.
    ``grace`` is in seconds."""
    for parent in parents:
        for owner in glob.glob(os.path.join(glob.escape(parent), f"{folder_prefix('*')}*", OWNER)):
            told = _abandoned(owner, grace)
            if told:
                _clear(os.path.dirname(owner), told)


def _abandoned(owner: str, grace: float) -> list[str]:
    """The folders that the file tells of; none while somebody holds it, or may be about to."""
    try:
        if time.time() - os.stat(owner).st_mtime < grace:
            return []
        descriptor = os.open(owner, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:  # gone, or another user's
        return []
    with open(descriptor, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # its process lives
            return []
        return os.fsdecode(file.read()).split("\0")


def _clear(first: str, told: list[str]) -> None:
    """Remove a dead process's folders, the ``first`` and those it told of, and loky's semaphores."""
    pid = os.path.basename(first).split("-")[1]
    others = (path for path in told if os.path.basename(path).startswith(folder_prefix(pid)))
    for path in {first, *others}:
        shutil.rmtree(path, ignore_errors=True)
    if pid.isdecimal() and not psutil.pid_exists(int(pid)):  # the number may be another's by now
        remove_semaphores(int(pid))
