"""Folders that are the user's alone."""

from __future__ import annotations

from pathlib import Path


def make_private(folder: Path) -> bool:
    """Make ``folder`` and those above it that are missing, each for the user alone; those that are there
    stay as they are. Whether it was missing. Raises OSError."""
    missing = [folder] if not folder.is_dir() else []
    missing += [above for above in folder.parents if missing and not above.is_dir()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
    return bool(missing)
