"""The folder for command output that is too large for memory: beside the journal if the run can be resumed,
else among temporary files until the run has ended.
"""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchmill.errors import StorageError
from batchmill.journal.folders import make_private
from batchmill.journal.journal import Journal
from batchmill.nodes.invocation import VALUE_PREFIX

PREFIX = "batchmill-map-"
PRINTED = "what commands print"
OWNER = ".owner"  # locked by who made the folder, as long as that process lives
GRACE_SECONDS = 60.0  # a folder younger than this may be about to be locked


def new_name() -> str:
    """A name for the folder of a run."""
    return secrets.token_hex(8)


@contextmanager
def outputs_folder(journal: Journal | None, name: str) -> Iterator[str]:
    """The folder called ``name`` beside the journal, which makes it if need be; without a journal a temporary
    one. Raises :class:`StorageError` if there can be none."""
    if journal is not None:
        folder = journal.outputs_of(name)
        try:
            make_private(folder)
            _remove_values(folder)
        except OSError as fault:
            raise _fault(folder, fault) from fault
        try:
            yield str(folder)
        finally:
            _remove_empty(folder)
        return
    with temporary_folder(PRINTED) as made:
        yield made


@contextmanager
def temporary_folder(what: str) -> Iterator[str]:
    """A folder of this process's own for ``what``, which goes with the block, or when this process was killed
    with the next one that asks for such a folder. Raises :class:`StorageError` if there can be none."""
    _sweep(tempfile.gettempdir())
    try:
        made = tempfile.mkdtemp(prefix=PREFIX)
        owner = _locked(made)
    except OSError as fault:
        raise _fault(Path(tempfile.gettempdir()), fault, what) from fault
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(owner)


def _fault(folder: Path, fault: OSError, what: str = PRINTED) -> StorageError:
    return StorageError(
        f"cannot make the folder for {what}, {folder}: {fault.strerror or fault}; use --journal "
        "PATH on a disk that can be written, or --no-journal and TMPDIR"
    )


def _locked(folder: str) -> int:
    descriptor = os.open(os.path.join(folder, OWNER), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _remove_values(folder: Path) -> None:
    """Remove the large values of commands of a pass that was killed; else they go with the command."""
    for path in folder.glob(f"{VALUE_PREFIX}*"):
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    """Remove what holds no output, and the folder around it where it was the last."""
    try:
        for slot in folder.glob("slot-*"):
            slot.unlink()
        folder.rmdir()
        folder.parent.rmdir()
    except OSError:  # there is something in it, as there should be
        pass


def _sweep(parent: str) -> None:
    """Remove the folders of processes that were killed, if they are this user's own and only this user can
    write to them."""
    for folder in glob.glob(os.path.join(glob.escape(parent), f"{PREFIX}*")):
        try:
            found = os.lstat(folder)
            private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
            if not private or found.st_uid != os.geteuid() or time.time() - found.st_mtime < GRACE_SECONDS:
                continue
            descriptor = os.open(os.path.join(folder, OWNER), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # another one was quicker
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its process lives
            pass
        finally:
            os.close(descriptor)
