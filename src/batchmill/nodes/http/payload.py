"""The body of a request: JSON, a form (with or without files), text, bytes or a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from batchmill.errors import InvalidParams
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.files import full_path, in_words, require_file
from batchmill.nodes.http.address import encoded_pairs
from batchmill.nodes.http.multipart import multipart
from batchmill.template import to_json

FORM = "application/x-www-form-urlencoded"
_KINDS = ("body", "form", "body_file", "files")
_TOGETHER = ["form", "files"]


@dataclass(frozen=True, slots=True)
class Payload:
    """``data`` or, if ``path`` is set, the content of that file; ``content_type`` may be empty."""

    data: bytes | None = None
    path: str = ""
    content_type: str = ""

    def __bool__(self) -> bool:
        return self.data is not None or bool(self.path)

    @contextmanager
    def opened(self) -> Iterator[tuple[IO[bytes], int]]:
        """The file and its length in bytes; it is open only within."""
        with in_words("send", self.path):
            size = require_file(self.path).st_size
            file = open(self.path, "rb")  # noqa: SIM115  # closed below; faults in between are not the file's
        with file:
            yield file, size


def payload_of(params: BoundParams, content_type: str) -> Payload:
    """The body for ``params``. ``content_type`` is that of the headers, empty if they have none.

    Raises :class:`~batchmill.errors.InvalidParams`.
    """
    given = [name for name in _KINDS if params[name] is not None]
    if len(given) > 1 and given != _TOGETHER:
        raise InvalidParams(f"http: a request has one body, and {' and '.join(given)} are given")
    if params["files"] is not None:
        if content_type:
            raise InvalidParams(f"http: `files` make the Content-Type themselves; leave out {content_type!r}")
        data, made = multipart(params["form"] or {}, params["files"])
        return Payload(data, content_type=made)
    if params["form"] is not None:
        return Payload(encoded_pairs(params["form"]).encode("ascii"), content_type=FORM)
    if params["body_file"] is not None:
        path = full_path(params["body_file"], "body_file")
        return Payload(path=path, content_type="application/octet-stream")
    body = params["body"]
    if body is None:
        return Payload()
    if params["body_is_binary"]:
        return Payload(_from_base64(body), content_type="application/octet-stream")
    return _of_value(body, content_type)


def _of_value(body: object, content_type: str) -> Payload:
    if isinstance(body, (bytes, bytearray)):
        return Payload(bytes(body), content_type="application/octet-stream")
    if isinstance(body, str):
        return Payload(_utf8(body), content_type="text/plain; charset=utf-8")
    if isinstance(body, dict) and content_type.lower().startswith(FORM):
        return Payload(encoded_pairs(body).encode("ascii"), content_type=FORM)
    return Payload(_utf8(to_json(body)), content_type="application/json")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidParams(f"http: `body` cannot be written as bytes: {error}") from error


def _from_base64(body: Any) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidParams(f"http: `body` is not base64: {error}") from error


def payload_faults(params: Mapping[str, object]) -> list[tuple[str, str]]:
    """For ``check``: more than one body."""
    given = [name for name in _KINDS if params.get(name) is not None]
    if given == _TOGETHER:
        return []
    return [(name, f"`{given[0]}` is given too; a request has one body") for name in given[1:]]
