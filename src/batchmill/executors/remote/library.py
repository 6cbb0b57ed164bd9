"""Modules that came with a job, unpacked on the agent's machine: one copy for each content."""

from __future__ import annotations

import io
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

from batchmill.executors.remote.modules import Modules

KEPT = 16  # that no order needs now; no fewer than jobs, which refer to them


class Copy(NamedTuple):
    """The folders of unpacked modules to import from: ``before`` and ``after`` installed ones."""

    path: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class Library:
    """The copies of one agent.

    Concurrency: orders come from several threads; ``_lock`` guards ``_users``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, int] = {}  # by the path of a copy, the one used last at the end

    def unpacked(self, modules: Modules, place: str, *, shared: bool) -> Copy:
        """The folders to import from. They are below the folder ``place``; existing folders with exactly the
        same files are used instead. If folders are ``shared`` with the parent, missing modules are also
        searched there.

        Raises :class:`OSError` if the files cannot be written.
        """
        path = os.path.join(place, f"modules-{modules.digest}")
        with zipfile.ZipFile(io.BytesIO(modules.archive)) as archive:
            with self._lock:  # also while it is unpacked: another order waits for the same
                if not os.path.isdir(path):
                    _unpack(archive, path)
                self._users.setdefault(path, 0)
            found = [
                _folders(archive, number, folder, path, shared)
                for number, folder in enumerate((*modules.before, *modules.after))
            ]
        n_before = len(modules.before)
        return Copy(path, tuple(chain(*found[:n_before])), tuple(chain(*found[n_before:])))

    @contextmanager
    def holding(self, copy: Copy) -> Iterator[None]:
        """Hold a copy meanwhile. Copies that were unused for the longest are removed first."""
        with self._lock:
            self._users[copy.path] = self._users.get(copy.path, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._users[copy.path] = self._users.pop(copy.path) - 1
                unused = [one for one, users in self._users.items() if not users]
                for old in unused[: max(0, len(unused) - KEPT)]:
                    del self._users[old]
                    shutil.rmtree(old, ignore_errors=True)


def _unpack(archive: zipfile.ZipFile, copy: str) -> None:
    """Unpack completely or not at all, because an existing copy is not checked again."""
    making = f"{copy}.{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    os.makedirs(making, 0o700)
    archive.extractall(making)  # from who may have us run anything
    os.rename(making, copy)


def _folders(archive: zipfile.ZipFile, number: int, folder: str, copy: str, shared: bool) -> list[str]:
    """Where the modules of a folder are."""
    names = [name for name in archive.namelist() if name.partition("/")[0] == str(number)]
    the_same = all(_same(archive, name, os.path.join(folder, name.partition("/")[2])) for name in names)
    own = [os.path.join(copy, str(number))] if names and not the_same else []
    return [*own, folder] if shared or (names and the_same) else own


def _same(archive: zipfile.ZipFile, name: str, path: str) -> bool:
    try:
        if os.path.getsize(path) != archive.getinfo(name).file_size:
            return False
        with open(path, "rb") as file:
            return file.read() == archive.read(name)
    except OSError:
        return False
