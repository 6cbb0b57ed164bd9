"""A copy of the working folder for runs that write: each begins with the same files; none touches yours."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchmill.errors import BenchFailed

LEFT_OUT = (
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    ".tox",
    ".nox",
    "node_modules",
    "__pycache__",
    ".batchmill",
)
MOST_BYTES = 1 << 30
MOST_FILES = 50_000


@contextmanager
def scratch_copy(folder: Path) -> Iterator[Path]:
    """A copy of ``folder`` while the block lasts. Raises :class:`BenchFailed` where it is too large."""
    _check_size(folder)
    with tempfile.TemporaryDirectory(prefix="batchmill-bench-") as made:
        copy = Path(made) / "copy"
        copied(folder, copy)
        yield copy


def copied(folder: Path, copy: Path) -> None:
    """Copy what is in ``folder``, without what is left out, into ``copy``, which may be there."""
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(folder, copy, symlinks=True, ignore=ignore, dirs_exist_ok=True)


def _check_size(folder: Path) -> None:
    files = n_bytes = 0
    for place, names, inside in os.walk(folder):
        names[:] = [name for name in names if name not in LEFT_OUT]
        files += len(inside)
        n_bytes += sum(_size(os.path.join(place, name)) for name in inside)
        if files > MOST_FILES or n_bytes > MOST_BYTES:
            raise BenchFailed(
                f"{folder} is too large to be copied for every run (more than {MOST_FILES:,} files or "
                f"{MOST_BYTES >> 30} GB); run in a smaller folder, or with --in-place if runs may write there"
            )


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:  # it has gone meanwhile
        return 0
