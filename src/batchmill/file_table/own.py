"""Files of the run itself, such as its document and its journal: nothing in the run may write them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from batchmill.errors import FileInUse
from batchmill.file_table.table import FileTable


class Use(Enum):
    """What the run does with a file of its own."""

    READ = "read"
    """It only reads the file, so the file may also be an item."""
    WRITTEN = "written"
    """It writes the file while it runs: the file cannot be an item."""
    AT_THE_END = "at the end"
    """It replaces the file when it has ended: no node may read it either, as its content would be lost."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """``words`` name the file in messages, such as "the document itself"."""

    words: str
    use: Use = Use.WRITTEN


OwnFiles = Mapping[str, OwnFile]
"""By path; folders end with a separator, and stand for everything in them."""


def described(own_files: Mapping[str, str | OwnFile] | None) -> dict[str, OwnFile]:
    """The files that a caller names, those with only a description as files that it writes."""
    given = own_files or {}
    return {path: OwnFile(one) if isinstance(one, str) else one for path, one in given.items()}


def enter(table: FileTable, own_files: OwnFiles) -> None:
    """Enter files of the run itself."""
    for path, file in own_files.items():
        if path.endswith(os.sep):
            table.own_folder(path, file.words)
        else:
            table.own(path, file.words, written=file.use is not Use.READ)


def refuse_shared(written: Iterable[tuple[str, OwnFile]], others: OwnFiles) -> None:
    """Raise :class:`~batchmill.errors.FileInUse` for a file to be written that is one of ``others``, or that
    ``written`` names twice in different words. Files are the same whatever link leads to them."""
    table = FileTable()
    enter(table, others)
    for path, file in written:
        owner = table.owner(path)
        if owner not in (None, file.words):
            raise FileInUse(f"{path} cannot be {file.words}: it is also {owner}; name another file")
        enter(table, {path: file})
