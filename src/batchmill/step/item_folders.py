"""A folder for each attempt at an item: made before the attempt, removed once the item has succeeded.

        root/<index>-<key>          first attempt       stays if the attempt failed
        root/<index>-<key>.2        second attempt      all are removed when one succeeds

Files to keep are moved out first, into a folder that is also named after the item.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams, NodeError
from batchmill.file_table import FileTable
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.journal.folders import make_private
from batchmill.outcome import SKIPPED
from batchmill.sourced import bare
from batchmill.template import Compiled, Scope

KEPT = "kept"
"""The output with the paths of the kept files."""
_MOST_SHOWN = 5
_KEY_CHARACTERS = 8
_OWNER_MAY = 0o700


@dataclass(frozen=True, slots=True)
class FilesToKeep:
    """``patterns`` of files in an item's folder; ``to`` is their destination, relative to the folder
    ``base``, None for ``root/<index>-<key>``. ``required``: each pattern must match a file. ``files`` is the
    table of the run's files, and ``by`` the name of the node there."""

    patterns: tuple[str, ...]
    root: str
    base: str
    to: Compiled | None = None
    required: bool = True
    files: FileTable | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class ItemFolders:
    """The folders of the items of one batch node. ``root`` is an absolute path, inside ``top``, the folder of
    the run. ``keyed`` are the parts of the items' keys besides the items, ``remove`` says when the folder of
    an attempt is removed.

    Travels to worker processes. Concurrency: immutable; attempts have folders of their own.
    """

    root: str
    top: str
    keyed: tuple[object, ...]
    remove: Literal["success", "always", "never"] = "success"
    keep: FilesToKeep | None = None

    @contextmanager
    def of(self, item: object, index: int, attempt: Attempt) -> Iterator[OwnFolder]:
        """The folder of one attempt. Raises :class:`~batchmill.errors.NodeError` where there can be none."""
        name = self.name_of(item, index)
        path = self._made(name)
        own = OwnFolder(self, name, index, path, replace(attempt, folder=path))
        try:
            yield own
        finally:
            if self.remove == "always" and not own.removed:
                own.remove(path)

    def tidy(self) -> None:
        """Remove the folders around those of the items, if they are empty."""
        folder = self.root
        with contextlib.suppress(OSError):  # something is left, or it was never made
            while folder != os.path.dirname(self.top):
                os.rmdir(folder)
                folder = os.path.dirname(folder)

    def name_of(self, item: object, index: int) -> str:
        """The name of the folders of an item: its position and a digest of its content."""
        try:
            return f"{index}-{digest_of(*self.keyed, bare(item)).hex()[:_KEY_CHARACTERS]}"
        except NoDigest:
            return str(index)

    def all_of(self, name: str) -> Iterator[str]:
        """The folders of an item that are there, in the order in which they were made."""
        return itertools.takewhile(os.path.isdir, self._paths(name))

    def _paths(self, name: str) -> Iterator[str]:
        first = os.path.join(self.root, name)
        return itertools.chain([first], (f"{first}.{number}" for number in itertools.count(2)))

    def _made(self, name: str) -> str:
        try:
            make_private(Path(self.root))
            for path in self._paths(name):
                try:
                    os.mkdir(path, _OWNER_MAY)
                    return path
                except FileExistsError:
                    continue
        except OSError as fault:
            message = f"no folder can be made for the item in {self.root}: {fault.strerror}"
            raise NodeError(message, type_name="StorageError") from fault
        raise AssertionError  # there is always a further name


@dataclass(slots=True)
class OwnFolder:
    """The folder of one attempt, at ``path``; ``attempt`` knows it."""

    folders: ItemFolders
    name: str
    index: int
    path: str
    attempt: Attempt
    removed: bool = field(default=False)

    def finished(self, value: Any, scope: Callable[[], Scope]) -> object:
        """The result of the attempt, with the kept files; removes the folders of the item. An attempt that
        was given up meanwhile changes nothing."""
        if self.attempt.cancel.cancelled:
            return value
        keep = self.folders.keep
        if keep is not None and value is not SKIPPED:
            if KEPT in value:
                message = f"an item's output cannot be called {KEPT!r} where files are kept"
                raise NodeError(message, retryable=False, type_name="ReservedOutput")
            value = {**value, KEPT: self._kept(keep, scope)}
        if self.folders.remove != "never":
            self.removed = True
            for path in list(self.folders.all_of(self.name)):
                self.remove(path)
        return value

    def remove(self, path: str) -> None:
        """Remove a folder, even if a command made parts of it read-only."""
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isdir(path):
            for above, _, _ in os.walk(path):
                os.chmod(above, _OWNER_MAY)
            shutil.rmtree(path, ignore_errors=True)
        if os.path.isdir(path):
            self.attempt.warn("folder-left", f"the folder of an item cannot be removed: {path}")

    def _kept(self, keep: FilesToKeep, scope: Callable[[], Scope]) -> list[str]:
        """Move the files to keep; returns their new paths, in order."""
        found = self._found(keep)
        if not found:
            return []
        target = self._free(keep, found) if keep.to is None else self._target(keep.to, keep.base, scope)
        return [self._moved(keep, name, os.path.join(target, name)) for name in found]

    def _found(self, keep: FilesToKeep) -> list[str]:
        """The files that fit a pattern, from the folder; of a folder that fits all that is in it."""
        found: set[str] = set()
        for pattern in keep.patterns:
            fits = glob.glob(pattern, root_dir=self.path, recursive=True, include_hidden=True)
            files = [name for one in fits for name in self._files_at(one)]
            if not files and keep.required:
                raise self._nothing(pattern)
            found.update(files)
        return sorted(found)

    def _files_at(self, name: str) -> list[str]:
        path = os.path.join(self.path, name)
        if not os.path.isdir(path):
            return [os.path.normpath(name)] if os.path.isfile(path) else []
        every = [os.path.join(above, one) for above, _, names in os.walk(path) for one in names]
        return [os.path.relpath(one, self.path) for one in every if os.path.isfile(one)]

    def _nothing(self, pattern: str) -> NodeError:
        names = self._files_at(".")
        there = ", ".join(sorted(names)[:_MOST_SHOWN]) + (", ..." if len(names) > _MOST_SHOWN else "")
        message = f"`keep`: no file in the item's folder fits {pattern!r}; there is {there or 'none at all'}"
        return NodeError(message, type_name="NothingToKeep")

    def _free(self, keep: FilesToKeep, names: list[str]) -> str:
        """The folder for the files called so: not one with such of another item, which was here before."""
        first = os.path.join(keep.root, self.name)
        others = (f"{first}.{number}" for number in itertools.count(2))
        return next(
            folder
            for folder in itertools.chain([first], others)
            if not any(os.path.lexists(os.path.join(folder, name)) for name in names)
        )

    def _target(self, to: Compiled, base: str, scope: Callable[[], Scope]) -> str:
        path = to.resolve(scope())
        if not isinstance(path, str) or not path or "\0" in path:
            raise InvalidParams(f"`keep.to` must be a path, not {path!r}")
        return os.path.normpath(os.path.join(base, os.path.expanduser(path)))

    def _moved(self, keep: FilesToKeep, name: str, target: str) -> str:
        entry = None
        if keep.to is not None and keep.files is not None:
            entry = keep.files.writing(target, f"{keep.by} for item {self.index}", again=True)
        done = False
        try:
            if keep.to is None:
                make_private(Path(target).parent)
            else:
                os.makedirs(os.path.dirname(target), exist_ok=True)
            _move(os.path.join(self.path, name), target)
            done = True
        except OSError as fault:
            message = f"`keep`: {name!r} cannot be moved to {target}: {fault.strerror or fault}"
            raise NodeError(message, type_name="StorageError") from fault
        finally:
            if keep.files is not None:
                keep.files.done(entry, kept=done)
        return target


def _move(source: str, target: str) -> None:
    """Put a file at ``target``, whole or not at all; of a link what it leads to."""
    if not os.path.islink(source):
        try:
            os.replace(source, target)
            return
        except OSError as fault:
            if fault.errno != errno.EXDEV:
                raise
    part = f"{target}.part"
    try:
        shutil.copy2(source, part)
        os.replace(part, target)
    finally:
        if os.path.lexists(part):
            os.unlink(part)
