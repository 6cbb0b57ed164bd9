"""Folders that only the user can access."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

OWN_FOLDER = ".batchmill"
TRIES = 100


def make_private(folder: Path) -> bool:
    """Make ``folder`` and its missing parents, accessible to the user alone; existing ones stay unchanged.
    Returns whether it was missing. Raises OSError."""
    made = False
    for _ in range(TRIES):
        missing = [folder] if not folder.is_dir() else []
        missing += [above for above in folder.parents if missing and not above.is_dir()]
        if not missing:
            return made
        made = True
        # Another process that leaves may remove a parent folder, if empty, before the next one is made.
        with suppress(FileNotFoundError):
            for one in reversed(missing):
                one.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        # Some file systems (/proc) refuse with this error; it also comes if a parent keeps being removed.
        there = next(above for above in folder.absolute().parents if above.is_dir())
        raise FileNotFoundError(errno.ENOENT, f"no folder can be made in {there}", str(folder))
    return made


def make_own(folder: Path) -> None:
    """Make ``folder``; one called :data:`OWN_FOLDER` is excluded from git, wherever it is. Raises OSError."""
    if make_private(folder) and folder.name == OWN_FOLDER:
        with (
            suppress(FileExistsError),
            open(folder / ".gitignore", "x", encoding="ascii", opener=_opened_private) as file,
        ):
            file.write("*\n")


def _opened_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
