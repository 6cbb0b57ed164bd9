"""Check whether a copy or a move may put a file where it wants to."""

from __future__ import annotations

import os

from batchmill.nodes.files import refuse


def require_free(source: str, dest: str, *, overwrite: bool) -> None:
    """Raise a :class:`~batchmill.errors.NodeError` if ``dest`` is taken, a folder, or ``source`` itself.

    This is only for the message: the final rename itself never overwrites a file.
    """
    if os.path.isdir(dest):
        inside = os.path.join(dest, os.path.basename(source))
        raise refuse("write", dest, f"it is a folder; for a file in it, write {inside!r}")
    if not os.path.lexists(dest):
        return
    if os.path.exists(dest) and os.path.samefile(source, dest):
        raise refuse("write", dest, "it is the source itself")
    if os.path.exists(dest) and not os.path.isfile(dest):
        raise refuse("write", dest, "it is a device, pipe or socket, which a file cannot replace")
    if not overwrite:
        raise refuse("write", dest, "there is a file already; set `overwrite` to replace it")
