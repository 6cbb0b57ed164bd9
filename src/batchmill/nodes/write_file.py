"""The ``write-file`` node."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams
from batchmill.lists import LazyList
from batchmill.nodes.append import append_whole
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import NodeResult, Output, Param
from batchmill.nodes.encodings import BINARY, encoding_faults, lookup
from batchmill.nodes.files import full_path, in_words, write_whole
from batchmill.nodes.json_params import json_param, plain_param
from batchmill.nodes.writing import WritingNode
from batchmill.template import to_text


class WriteFileNode(WritingNode):
    type = "write-file"
    requests = False
    only_default = True
    summary = "Write a file, whole or not at all; missing folders are created."
    params = (
        Param("file_path", "string", "the file; ~ is the home folder", required=True),
        Param(
            "content",
            "any",
            "text as it is, objects and lists as indented JSON, null as nothing",
            required=True,
        ),
        Param("append", "boolean", "add to the end of the file instead", default=False),
        Param("encoding", "string", "of the text; `binary` if `content` is base64", default="utf-8"),
        Param("content_is_binary", "boolean", "whether `content` is base64 of the bytes", default=False),
    )
    outputs = (
        Output("written", "boolean", "true"),
        Output("file_path", "string", "the absolute path that was written"),
        Output("error", "string", "why the file could not be written", diagnostic=True),
    )

    makes = ("file_path",)

    @classmethod
    def files_made(cls, params: Mapping[str, object], outputs: Mapping[str, object]) -> Iterable[str]:
        # If a file that is appended to is gone, running this item again would not restore the lines of
        # others, so its loss is ignored.
        return () if params.get("append", False) is not False else super().files_made(params, outputs)

    @classmethod
    def changes(cls, params: Mapping[str, object]) -> bool:
        return True

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        return encoding_faults(params, auto=False)

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        path = full_path(params["file_path"], "file_path")
        lookup(params["encoding"], auto=False)
        self.require_unused(path)
        data = _bytes(params)
        with in_words("append to" if params["append"] else "write", path):
            if params["append"]:
                append_whole(path, data)
            else:
                write_whole(path, data)
        return NodeResult({"written": True, "file_path": path})


def _bytes(params: BoundParams) -> bytes:
    content, encoding = params["content"], params["encoding"]
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    if params["content_is_binary"] or encoding == BINARY:
        try:
            return base64.b64decode(to_text(content), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidParams(f"write-file: `content` is not base64: {error}") from error
    try:
        return _text(content).encode(encoding)
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        raise InvalidParams(f"write-file: {character!r} of `content` does not exist in {encoding}") from error


def _text(content: object) -> str:
    """Text unchanged; a list or an object as indented JSON; null as empty text."""
    if isinstance(content, str):
        return content
    simple = plain_param(content, "write-file", "content")
    if isinstance(simple, (dict, list, LazyList)):
        return json_param(simple, "write-file", "content", indent=2)
    return to_text(simple)
