"""The ``read-file`` node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from batchmill.attempt import Attempt
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.encodings import ENCODING_WORDS, UTF_8, as_text, encoding_faults, lookup
from batchmill.nodes.files import full_path, in_words, paths_in, refuse, require_file

MAX_BYTES = 256 * 1024 * 1024


class ReadFileNode(Node):
    """Reads a whole file. Line ends and a byte order mark are kept as they are, so that writing the
    content gives the same bytes."""

    type = "read-file"
    requests = False
    only_files = True
    only_default = True
    summary = "Read a file into text."
    params = (
        Param("file_path", "string", "the file; ~ is the home folder", required=True),
        Param("encoding", "string", ENCODING_WORDS, default=UTF_8),
        Param("max_bytes", "integer", "refuse a larger file", default=MAX_BYTES, minimum=0, content=False),
    )
    outputs = (
        Output("content", "string", "the text, or base64 of the bytes"),
        Output("content_is_binary", "boolean", "whether `content` is base64"),
        Output("file_path", "string", "the absolute path that was read"),
        Output("error", "string", "why the file could not be read", diagnostic=True),
    )

    reads = ("file_path",)

    @classmethod
    def files_read(cls, params: Mapping[str, object]) -> Iterable[str]:
        return paths_in(params.get("file_path"))

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        return encoding_faults(params)

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        path = full_path(params["file_path"], "file_path")
        lookup(params["encoding"])
        data = _read(path, params["max_bytes"])
        content, binary = as_text(data, params["encoding"], f"the file {path!r}")
        return NodeResult({"content": content, "content_is_binary": binary, "file_path": path})


def _read(path: str, most: int) -> bytes:
    with in_words("read", path):
        size = require_file(path).st_size
        if size <= most:
            with open(path, "rb") as file:
                data = file.read(most + 1)
            size = len(data)
        if size > most:
            raise refuse("read", path, f"it has more than {most} bytes; raise `max_bytes` to read it")
        return data
