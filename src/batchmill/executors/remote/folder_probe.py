"""Whether a worker shares our folder: put a file there for a moment, and check that the worker sees it."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import secrets
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

from batchmill.errors import ExecutorUnavailable

GRACE_SECONDS = 60.0  # a younger probe may be about to be locked


class Probe(NamedTuple):
    """A file of the parent in the folder of the run: a worker that sees it shares the folder."""

    path: str
    content: str


@contextlib.contextmanager
def probing() -> Iterator[Probe]:
    """A probe in the current folder, removed in the end. Its process keeps it locked, so that the next run
    removes those of runs that were killed. Raises :class:`ExecutorUnavailable` if it cannot be written."""
    remove_abandoned()
    token = secrets.token_hex(8)
    probe = Probe(os.path.abspath(f"{_prefix()}{token}"), token)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(probe.path, "x", encoding="utf-8"))
            stack.callback(_remove, probe.path)
            file.write(token)
            file.flush()
        except OSError as fault:
            raise ExecutorUnavailable(
                "nobody can tell whether the cluster's workers share this folder, as it cannot be written "
                f"to ({fault}); say with `cwd` of `cluster` in which folder of theirs workers run items"
            ) from fault
        with contextlib.suppress(OSError):  # a file system without locks: there, what is left stays
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield probe


def remove_abandoned() -> None:
    """Remove the probes in the current folder that processes of this machine left behind: those that nobody
    keeps locked. Locks of other machines are not seen on every file system, so their probes stay."""
    for path in glob.glob(f"{glob.escape(_prefix())}*"):
        try:
            with open(path, "r+", encoding="utf-8") as file:
                if time.time() - os.fstat(file.fileno()).st_mtime < GRACE_SECONDS:
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.endswith(f"-{file.read()}"):
                    os.unlink(path)
        except (OSError, UnicodeDecodeError):  # in use, somebody else's, or removed by another run meanwhile
            continue


def _prefix() -> str:
    return f".batchmill-{socket.gethostname()}-"


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def seen(probe: Probe) -> bool:
    """Whether this process sees it."""
    try:
        with open(probe.path, encoding="utf-8") as file:
            return file.read() == probe.content
    except OSError:
        return False


def unshared(folder: str, host: str, needs: str, *, no_other: bool = False) -> str:
    """The message that a ``host`` does not have the ``folder`` of the run, with the remedies if a task
    ``needs`` it, and ``no_other``."""
    other = "" if no_other else "say with `cwd` of `cluster` in which folder of theirs workers run items, "
    return (
        f"the folder of the run, {folder}, is not there on {host}, or is another one, and {needs}: mount it "
        f"there, {other}or use executor 'thread' or 'process' for it"
    )
