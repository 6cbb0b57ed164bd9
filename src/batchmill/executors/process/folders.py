"""The folders of a pool, in memory and on disk: made, owned, removed, and cleaned up after dead processes.

loky's tracker removes them when this process is killed. If a whole process group is killed, as terminals and
batch systems do, the tracker dies too, and the memory would stay in use until the machine restarts. So each
folder holds a file that its process keeps locked; the kernel drops the lock with the process, and the next
pool removes folders whose file is not locked.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack

from batchmill.executors.process.family import exists
from batchmill.executors.process.leftovers import OWNER, abandoned, folder_prefix, remove_semaphores
from batchmill.executors.process.loky_private import tracked, untracked

MEMORY_FOLDER = "/dev/shm"  # noqa: S108  # a folder of our own is made in it, mode 0700
GRACE_SECONDS = 60.0  # a file younger than this may be about to be locked


class Folders:
    """The folders of one process; ``paths`` has the one in memory first, if there is memory, and the one on
    disk last. Raises OSError if there can be none on disk."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._owned: list[int] = []
        memory = [MEMORY_FOLDER] if os.access(MEMORY_FOLDER, os.W_OK) else []
        for parent in [*memory, tempfile.gettempdir()]:
            try:
                path = tempfile.mkdtemp(prefix=folder_prefix(os.getpid()), dir=parent)
            except OSError:
                if parent in memory:
                    continue
                raise
            tracked(path)
            self.paths.append(path)
            self._owned += _own(path)

    def remove(self) -> None:
        """Remove them with all that is in them, each whatever becomes of the others."""
        with ExitStack() as steps:  # from the last to the first
            while self._owned:
                steps.callback(os.close, self._owned.pop())
            for path in self.paths:
                steps.callback(untracked, path)
                steps.callback(shutil.rmtree, path, ignore_errors=True)


def _own(path: str) -> list[int]:
    """The descriptor of the locked file. Without one, for lack of room or on a file system without locks, the
    folder is never taken for that of a dead process."""
    owner = os.path.join(path, OWNER)
    try:
        descriptor = os.open(owner, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        os.unlink(owner)
        return []
    return [descriptor]


def remove_abandoned(parents: Iterable[str], grace: float = GRACE_SECONDS) -> None:
    """Remove the folders of this user's processes that are gone, and their semaphores. ``grace`` is in
    seconds."""
    for parent in parents:
        for pid in abandoned(parent, grace):
            if not exists(pid):  # the number may be another's by now
                remove_semaphores(pid)
