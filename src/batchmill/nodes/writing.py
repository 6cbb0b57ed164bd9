"""Base of the nodes that write files."""

from __future__ import annotations

from batchmill.file_table import FileTable
from batchmill.nodes.contract import Node


class WritingNode(Node):
    """Checks before it replaces a file or appends to one."""

    only_files = True
    _files: FileTable | None = None
    _name = "this node"

    def look_in(self, files: FileTable, by: str) -> None:
        self._files, self._name = files, by

    def require_unused(self, path: str) -> None:
        """Raise :class:`~batchmill.errors.FileInUse` for a file that something else in the run needs."""
        if self._files is not None:
            self._files.check(path, self._name)
