"""The ``move-file`` node."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from batchmill.attempt import Attempt
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import NodeResult, Output, Param
from batchmill.nodes.files import copy_whole, full_path, give_name, in_words, make_folders, require_file
from batchmill.nodes.places import require_free
from batchmill.nodes.writing import WritingNode


class MoveFileNode(WritingNode):
    type = "move-file"
    requests = False
    removes = True
    only_default = True
    summary = "Move or rename a file, also to another disk; missing folders are created."
    params = (
        Param("source_path", "string", "the file to move", required=True),
        Param("dest_path", "string", "the new path, with the name", required=True),
        Param("overwrite", "boolean", "whether a file at `dest_path` is replaced", default=False),
    )
    outputs = (
        Output("moved", "boolean", "true"),
        Output("dest_path", "string", "the absolute new path"),
        Output("error", "string", "why the file could not be moved", diagnostic=True),
    )

    @classmethod
    def changes(cls, params: Mapping[str, object]) -> bool:
        return True

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        source = full_path(params["source_path"], "source_path")
        dest = full_path(params["dest_path"], "dest_path")
        self.require_unused(dest)
        with in_words("move", source):
            require_file(source)
        with in_words("move to", dest):
            require_free(source, dest, overwrite=params["overwrite"])
            make_folders(dest)
            _move(source, dest, overwrite=params["overwrite"])
        return NodeResult({"moved": True, "dest_path": dest})


def _move(source: str, dest: str, *, overwrite: bool) -> None:
    try:
        give_name(source, dest, overwrite=overwrite)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(source, dest, overwrite=overwrite)


def _move_across(source: str, dest: str, *, overwrite: bool) -> None:
    """To another file system: the source goes only when the copy is whole and has its name."""
    copy_whole(source, dest, overwrite=overwrite)
    try:
        os.unlink(source)
    except OSError:
        if not overwrite:
            os.unlink(dest)  # nothing was there before: back to where we were
        raise
