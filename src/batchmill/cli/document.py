"""The document that a command is given: a file, or standard input where it is called ``-``."""

from __future__ import annotations

import sys

from batchmill.ir.loading import Draft, load, load_stdin

STDIN = "-"


def document_of(file: str) -> Draft:
    """Read it. Raises what :func:`batchmill.ir.loading.load` raises."""
    if file != STDIN:
        return load(file)
    if sys.stdin is None or sys.stdin.closed:
        return load_stdin(b"")
    return load_stdin(sys.stdin.buffer.read())
