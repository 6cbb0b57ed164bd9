"""Whether a worker shares our folder: put a file there for a moment, and check that the worker sees it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import NamedTuple

from batchmill.errors import ExecutorUnavailable


class Probe(NamedTuple):
    """A file of the parent in the folder of the run: a worker that sees it shares the folder."""

    path: str
    content: str


@contextlib.contextmanager
def probing() -> Iterator[Probe]:
    """A probe in the current folder, removed in the end. Raises :class:`ExecutorUnavailable` if it cannot
    be written."""
    token = secrets.token_hex(8)
    probe = Probe(os.path.abspath(f".batchmill-{token}"), token)
    try:
        with open(probe.path, "x", encoding="utf-8") as file:
            file.write(token)
    except OSError as fault:
        raise ExecutorUnavailable(
            f"nobody can tell whether the cluster's workers share this folder, as it cannot be written to "
            f"({fault}); say with `cwd` of `cluster` in which folder of theirs workers run items"
        ) from fault
    try:
        yield probe
    finally:
        with contextlib.suppress(OSError):
            os.unlink(probe.path)


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
