"""Which files a run reads and writes, so that it writes none that it reads or has written elsewhere."""

from batchmill.file_table.places import NO_FOLDER, PARTIAL, FilePlace, lacks_folder, place_of, working_folder
from batchmill.file_table.table import Entry, FileTable, without

__all__ = [
    "NO_FOLDER",
    "PARTIAL",
    "Entry",
    "FilePlace",
    "FileTable",
    "lacks_folder",
    "place_of",
    "without",
    "working_folder",
]
