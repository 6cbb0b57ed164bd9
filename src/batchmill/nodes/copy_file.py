"""The ``copy-file`` node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from batchmill.attempt import Attempt
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import NodeResult, Output, Param
from batchmill.nodes.files import copy_whole, full_path, in_words, paths_in, require_file
from batchmill.nodes.places import require_free
from batchmill.nodes.writing import WritingNode


class CopyFileNode(WritingNode):
    type = "copy-file"
    requests = False
    only_default = True
    summary = "Copy a file with its mode and times, whole or not at all; missing folders are created."
    params = (
        Param("source_path", "string", "the file to copy", required=True),
        Param("dest_path", "string", "the path of the copy, with its name", required=True),
        Param("overwrite", "boolean", "whether a file at `dest_path` is replaced", default=False),
    )
    outputs = (
        Output("copied", "boolean", "true"),
        Output("dest_path", "string", "the absolute path of the copy"),
        Output("error", "string", "why the file could not be copied", diagnostic=True),
    )

    @classmethod
    def changes(cls, params: Mapping[str, object]) -> bool:
        return True

    reads = ("source_path",)
    makes = ("dest_path",)

    @classmethod
    def files_read(cls, params: Mapping[str, object]) -> Iterable[str]:
        return paths_in(params.get("source_path"))

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        source = full_path(params["source_path"], "source_path")
        dest = full_path(params["dest_path"], "dest_path")
        self.require_unused(dest)
        with in_words("read", source):
            require_file(source)
        with in_words("copy to", dest):
            require_free(source, dest, overwrite=params["overwrite"])
            copy_whole(source, dest, overwrite=params["overwrite"])
        return NodeResult({"copied": True, "dest_path": dest})
