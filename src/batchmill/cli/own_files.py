"""Files that a command reads or writes by itself, which the run it begins must leave alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from batchmill.cli.streams import STDERR, STDIN, STDOUT
from batchmill.runs import files

_STREAMS = (
    (STDIN, files.STDIN),
    (STDOUT, "where standard output goes"),
    (STDERR, "where messages go"),
)


def own_files(params: Path | None = None) -> dict[str, str]:
    """Paths with a description: the file of ``params``, and the files behind the three standard streams.

    Call it before standard output is redirected.
    """
    found = {} if params is None else {os.path.abspath(params): files.PARAMS}
    for number, words in _STREAMS:
        path = os.path.realpath(f"/dev/fd/{number}")
        if _is_file(path):
            found[path] = words
    return found


def refuse_shared(written: Iterable[tuple[str, str]], others: Mapping[str, str]) -> None:
    """Raise :class:`click.UsageError` for a file to be written that is one of ``others``, or is
    written twice. ``written`` are pairs of option and path."""
    taken = dict(others)
    for option, path in written:
        for other, name in taken.items():
            if _are_one(path, other):
                raise click.UsageError(f"{option} {path} is also {name}: nothing was opened")
        taken[path] = f"{option} {path}"


def _are_one(path: str, other: str) -> bool:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False  # a device or a pipe takes what several write
        return os.path.samefile(path, other)
    except OSError:  # one of them is not there: it is the other only if it has its name
        return os.path.realpath(path) == os.path.realpath(other)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # closed
        return False
