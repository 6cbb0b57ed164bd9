"""Whether a worker shares our folder: a file put there for a moment, and a look whether it is seen."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import NamedTuple

from batchmill.errors import ExecutorUnavailable


class Probe(NamedTuple):
    """A file of the parent's in the folder of the run: who sees it there shares the folder."""

    path: str
    content: str


@contextlib.contextmanager
def probing() -> Iterator[Probe]:
    """A probe in the current folder, removed in the end. Raises :class:`ExecutorUnavailable` where it cannot
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


def unshared(folder: str, host: str, needs: str) -> str:
    """That a ``host`` does not have the ``folder`` of the run, and what to do where a task ``needs`` it."""
    return (
        f"the folder of the run, {folder}, is not there on {host}, or is another one, and {needs}: mount it "
        "there, say with `cwd` of `cluster` in which folder of theirs workers run items, or use executor "
        "'thread' or 'process' for it"
    )
