"""The ``delete-file`` node."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from batchmill.attempt import Attempt
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.files import full_path, in_words, refuse


class DeleteFileNode(Node):
    """Deletes one file.

    By default a missing file is success: an attempt that runs again after a crash must not fail for having
    done its work the first time.
    """

    type = "delete-file"
    requests = False
    only_files = True
    removes = True
    only_default = True
    summary = "Delete a file, or a symbolic link itself."
    params = (
        Param("file_path", "string", "the file; ~ is the home folder", required=True),
        Param("missing_ok", "boolean", "succeed if the file does not exist", default=True),
    )
    outputs = (
        Output("deleted", "boolean", "true; false when there was no such file"),
        Output("file_path", "string", "the absolute path"),
        Output("error", "string", "why the file could not be deleted", diagnostic=True),
    )

    @classmethod
    def changes(cls, params: Mapping[str, object]) -> bool:
        return True

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        path = full_path(params["file_path"], "file_path")
        with in_words("delete", path):
            return NodeResult({"deleted": _delete(path, params["missing_ok"]), "file_path": path})


def _delete(path: str, missing_ok: bool) -> bool:
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            raise refuse("delete", path, "it is a folder; only files are deleted")
        os.unlink(path)
    except FileNotFoundError:
        if not missing_ok:
            raise
        return False
    return True
