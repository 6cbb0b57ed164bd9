"""The files of a command itself, which the run that it begins must leave alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import click

from batchmill.cli.streams import STDERR, STDIN, STDOUT
from batchmill.errors import FileInUse
from batchmill.file_table import OwnFile, OwnFiles, Use, refuse_shared

_PARAMS = OwnFile("the file of params", Use.READ)
_STREAMS = (
    (STDIN, OwnFile("where standard input comes from", Use.READ)),
    (STDOUT, OwnFile("where standard output goes")),
    (STDERR, OwnFile("where messages go")),
)


def own_files(params: Path | None = None) -> dict[str, OwnFile]:
    """The file of ``params``, and the files behind the three standard streams.

    Call it before standard output is redirected.
    """
    found = {} if params is None else {os.path.abspath(params): _PARAMS}
    for number, file in _STREAMS:
        path = os.path.realpath(f"/dev/fd/{number}")
        if _is_file(path):
            found[path] = file
    return found


def check_written(written: Iterable[tuple[str, OwnFile]], others: OwnFiles) -> None:
    """Raise :class:`click.UsageError` for a file to be written that is one of ``others`` or is named
    twice."""
    try:
        refuse_shared(written, others)
    except FileInUse as fault:
        raise click.UsageError(str(fault)) from fault


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # closed
        return False
