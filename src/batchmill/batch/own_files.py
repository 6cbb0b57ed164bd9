"""The files that a run itself reads and writes, as its journal and its results. They are never its items."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

BESIDE = ("", "-wal", "-shm")
"""What SQLite writes beside a database."""


class OwnFiles:
    """``files`` are paths or open descriptors, which may not be there yet; all that is below ``folders``
    counts as well. Links are followed.

    Concurrency: nothing in it changes.
    """

    def __init__(self, files: Iterable[str | int], folders: Iterable[str] = ()) -> None:
        self._files = tuple(files)
        self._folders = tuple(os.path.join(os.path.abspath(one), "") for one in folders)

    @classmethod
    def of_journal(cls, path: str, others: Iterable[str | int] = (), folders: Iterable[str] = ()) -> OwnFiles:
        """Those of the journal at ``path``, with ``others`` and ``folders``."""
        own = [f"{path}{end}" for end in (".files", ".locks", ".outputs")]
        return cls([*(f"{path}{end}" for end in BESIDE), *others], [*own, *folders])

    def among(self, items: Sequence[Any]) -> set[int]:
        """The positions in ``items`` of texts that name one of the files."""
        own = {found for one in self._files if (found := _identity(one)) is not None}
        return {
            place
            for place, item in enumerate(items)
            if isinstance(item, str) and item and (self._is_inside(item) or _identity(item) in own)
        }

    def _is_inside(self, item: str) -> bool:
        if not self._folders:
            return False
        path = os.path.join(os.path.abspath(item), "")  # the folder itself, too
        return any(path.startswith(folder) for folder in self._folders)


def _identity(file: str | int) -> tuple[int, int] | None:
    """Device and number; None for what is not there."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
