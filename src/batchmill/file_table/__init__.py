"""Which files a run reads and writes, so that it writes none that it reads or has written elsewhere."""

from batchmill.file_table.own import OwnFile, OwnFiles, Use, described, enter, refuse_shared
from batchmill.file_table.places import (
    NO_FOLDER,
    PARTIAL,
    FilePlace,
    folder_is_gone,
    lacks_folder,
    place_of,
    working_folder,
)
from batchmill.file_table.table import Entry, FileTable, without

__all__ = [
    "NO_FOLDER",
    "PARTIAL",
    "Entry",
    "FilePlace",
    "FileTable",
    "OwnFile",
    "OwnFiles",
    "Use",
    "described",
    "enter",
    "folder_is_gone",
    "lacks_folder",
    "place_of",
    "refuse_shared",
    "without",
    "working_folder",
]
