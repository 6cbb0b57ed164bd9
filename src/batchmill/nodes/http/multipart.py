"""A form with files: fields and files of a request as one ``multipart/form-data`` body, held in memory."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Mapping

from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from batchmill.errors import InvalidParams
from batchmill.nodes.files import full_path, in_words, require_file
from batchmill.nodes.json_params import plain_param
from batchmill.template import to_json

BINARY = "application/octet-stream"
_KEYS = {"path", "filename", "content_type"}


def multipart(form: Mapping[str, object], files: Mapping[str, object]) -> tuple[bytes, str]:
    """The body and its content type, with a new boundary each time.

    A value of ``files`` is a path, an object with ``path`` and optionally ``filename`` and ``content_type``,
    or a list of those, which repeats the field. Raises :class:`~batchmill.errors.InvalidParams` for anything
    else, and :class:`~batchmill.errors.NodeError` for a file that cannot be read.
    """
    return encode_multipart_formdata([*_fields(form), *_files(files)])


def _fields(form: Mapping[str, object]) -> Iterator[RequestField]:
    for name, value in form.items():
        for one in value if isinstance(value, list) else [value]:
            simple = plain_param(one, "http", f"form.{name}")
            text = "" if simple is None else simple if isinstance(simple, str) else to_json(simple)
            field = RequestField(name, text)
            field.make_multipart()
            yield field


def _files(files: Mapping[str, object]) -> Iterator[RequestField]:
    for name, value in files.items():
        for one in value if isinstance(value, list) else [value]:
            yield _file(name, one)


def _file(name: str, given: object) -> RequestField:
    asked = {"path": given} if isinstance(given, str) else given
    if not isinstance(asked, dict) or not asked.keys() <= _KEYS or not isinstance(asked.get("path"), str):
        raise InvalidParams(
            f"http: `files.{name}` is a path or an object with `path`, `filename` and `content_type`, "
            f"not {given!r}"
        )
    path = full_path(asked["path"], f"files.{name}")
    with in_words("send", path):
        require_file(path)
        with open(path, "rb") as file:
            content = file.read()
    filename = str(asked.get("filename") or os.path.basename(path))
    field = RequestField(name, content, filename=filename)
    kind = str(asked.get("content_type") or mimetypes.guess_type(filename)[0] or BINARY)
    if not kind.isprintable():
        raise InvalidParams(f"http: `files.{name}.content_type` holds a line break or the like: {kind!r}")
    field.make_multipart(content_type=kind)
    return field
