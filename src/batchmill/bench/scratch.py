"""A copy of the working folder for runs that write: each begins with the same files; none touches yours."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
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


class Scratch:
    """A copy of ``original`` for all runs, made when it is first asked for, and removed as the block ends.

    Concurrency: none, runs are measured one after another."""

    def __init__(self, original: Path) -> None:
        self._original = original
        self._made: tempfile.TemporaryDirectory[str] | None = None
        self._restored: RestoredFolder | None = None

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            self._made.cleanup()

    def folder(self) -> Path:
        """The copy, like the original. Raises :class:`BenchFailed` if it is too large, or cannot be made."""
        if self._made is None:
            _check_size(self._original)
            self._made = tempfile.TemporaryDirectory(prefix="batchmill-bench-")
        copy = Path(self._made.name) / "copy"
        if self._restored is None:
            copied(self._original, copy)
            self._restored = RestoredFolder(self._original, copy)
        else:
            self._restored.restore()
        return copy


def copied(folder: Path, copy: Path) -> None:
    """Copy what is in ``folder``, without what is left out, into the new folder ``copy``."""
    shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))


class RestoredFolder:
    """A copy that is made like its original again before each run, by copying only what runs have changed.
    The folder itself stays, because worker processes run in it."""

    def __init__(self, original: Path, copy: Path) -> None:
        self._original, self._copy = original, copy
        self._states = dict(_states(copy))

    def restore(self) -> None:
        """Undo what runs did. Raises :class:`BenchFailed` if a file of the original has gone."""
        try:
            for path, state in list(_states(self._copy)):
                if self._states.get(path) != state:
                    _remove(self._copy / path)
            for path in self._states:  # folders come before what is in them
                if not os.path.lexists(self._copy / path):
                    self._states[path] = self._copied_again(path)
        except OSError as error:
            raise BenchFailed(f"the copy of the working folder cannot be restored: {error}") from error

    def _copied_again(self, path: str) -> object:
        original, copy = self._original / path, self._copy / path
        if original.is_dir() and not original.is_symlink():
            copy.mkdir()
            shutil.copystat(original, copy)
        else:
            shutil.copy2(original, copy, follow_symlinks=False)
        return _state(copy)


def _states(folder: Path) -> Iterator[tuple[str, object]]:
    """Everything in ``folder`` by its path, folders first."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            yield str(path.relative_to(folder)), _state(path)


def _state(path: Path) -> object:
    """What differs once the file was written, even if its size and time were set back; of a folder, which has
    files of its own, its mode."""
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode):
        return found.st_mode
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)  # it may have gone with its folder


def _check_size(folder: Path) -> None:
    files = n_bytes = 0
    for place, names, inside in os.walk(folder):
        names[:] = [name for name in names if name not in LEFT_OUT]
        files += len(inside)
        n_bytes += sum(_size(os.path.join(place, name)) for name in inside)
        if files > MOST_FILES or n_bytes > MOST_BYTES:
            raise BenchFailed(
                f"{folder} is too large to be copied (more than {MOST_FILES:,} files or "
                f"{MOST_BYTES >> 30} GB); run in a smaller folder, or with --in-place if runs may write there"
            )


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:  # it has gone meanwhile
        return 0
