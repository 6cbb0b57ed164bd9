"""The lock on a run: held by the process that runs it, and free as soon as that process is gone.

The kernel drops the lock with its holder, however that ends, so there is no stale lock to remove. The content
of the file only tells people which process it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from batchmill.errors import RunLocked, StorageError
from batchmill.journal.folders import make_private

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RunLock:
    """The lock on the run called ``name``; taken on construction. Raises :class:`RunLocked`, and
    :class:`StorageError` if a lock file cannot exist."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = _path(folder, name)
        try:
            make_private(folder)
            self._descriptor = self._taken(name)
        except OSError as fault:
            where = fault.strerror or fault
            raise StorageError(f"the lock {self._path} cannot be taken: {where}") from fault

    def _taken(self, name: str) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 200).decode("utf-8", "replace").partition("\n")[0]
                os.close(descriptor)
                raise RunLocked(name, holder) from None
            if self._is_current(descriptor):
                break
            os.close(descriptor)  # its last holder deleted the file between our opening and locking it
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}\nboot {_boot_id()}\n".encode())
        return descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let go of the run; a second time does nothing."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):  # its folder is gone: nobody looks for it there
            os.unlink(self._path)
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def _path(folder: Path, name: str) -> Path:
    """Where the lock on a run is. Names come from a journal: one that leads elsewhere is none of ours.
    Raises :class:`StorageError`."""
    if not name or "/" in name or "\0" in name:
        raise StorageError(f"{name!r} cannot be the name of a run: the journal beside {folder} is damaged")
    return folder / f"{name}.lock"


def is_locked(folder: Path, name: str) -> bool:
    """Whether some process runs the run called ``name`` now."""
    try:
        descriptor = os.open(_path(folder, name), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
