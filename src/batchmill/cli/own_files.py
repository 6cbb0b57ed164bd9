"""Files that a command reads or writes by itself, which the run it begins must leave alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

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


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # closed
        return False
