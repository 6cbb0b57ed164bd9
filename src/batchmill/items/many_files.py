"""The files of a source: one path, a pattern of names, or a list of both; read one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from batchmill.errors import InvalidSetting
from batchmill.items.byte_streams import Opened, Waker, is_live, opened
from batchmill.items.globbing import find_paths, has_magic
from batchmill.items.sources import ChunkedIterable

LeaveOut = Callable[[list[str]], list[str]]
"""Filters the paths that a pattern has found: returns those to read."""

ReadFile = Callable[[Opened, str], Iterator[list[Any]]]
"""Reads the items of one file, given its opener and its path for messages."""


def paths_of(kind: str, written: object, folder: str, leave_out: LeaveOut | None = None) -> list[str]:
    """The paths of the files of a source, each once, in the order written; those of a pattern sorted as text.
    A pattern that is the name of a file means that file. Folders do not count as files.

    Raises :class:`InvalidSetting`, and :class:`~batchmill.errors.StorageError` for a folder that cannot be
    read.
    """
    found: dict[str, None] = {}
    for one in written if isinstance(written, list) and written else [written]:
        path = os.path.expanduser(as_path(kind, one))
        if not has_magic(path) or os.path.lexists(os.path.join(folder, path)):
            found[path] = None
            continue
        files = [one for one in find_paths(path, folder) if not os.path.isdir(os.path.join(folder, one))]
        found |= dict.fromkeys(files if leave_out is None else leave_out(files))
    return list(found)


def as_path(kind: str, value: object) -> str:
    """``value`` as a path. Raises :class:`InvalidSetting` where it is none."""
    if not isinstance(value, str) or not value:
        raise InvalidSetting(f"the source {kind!r} needs a path as text, not {value!r}")
    return value


def read_files(paths: list[str], folder: str, read: ReadFile) -> ChunkedIterable:
    """The items of files, of relative ones below ``folder``. A file is opened when its turn comes."""
    places = [os.path.join(folder, path) for path in paths]
    live = {place for place in places if is_live(place)}
    waker = Waker() if live else None

    def pieces() -> Iterator[list[object]]:
        for path, place in zip(paths, places, strict=True):
            yield from read(partial(opened, place, waker if place in live else None), path)

    return ChunkedIterable(pieces, wake=waker.wake if waker else None, files=places)
