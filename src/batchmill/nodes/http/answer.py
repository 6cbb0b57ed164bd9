"""Read an answer: its body, decoded within limits, and the node's outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.message import Message
from functools import cached_property, lru_cache
from typing import Any

from urllib3 import HTTPHeaderDict

from batchmill.errors import NodeError
from batchmill.nodes.encodings import AUTO, BINARY, UTF_8, as_text, readable
from batchmill.nodes.http.decoding import TooLarge, decoded
from batchmill.nodes.http.refusals import is_refusal, is_spent, refusal_status, seconds_until_free
from batchmill.nodes.http.reply import Reply
from batchmill.nodes.http.request import Request
from batchmill.values import from_json
from batchmill.values.redaction import shortened

PIECE = 256 * 1024  # bytes that are read at once
MAX_DRAINED = 64 * 1024  # of a redirect's body, read so that the connection can be used again
RETRYABLE = frozenset({408, 425, 429})
DENIED_IN_A_ROW, FORBIDDEN_IN_A_ROW = 3, 10  # the second may be about what was asked for, and not the key
_SHOWN_CHARACTERS = 200
_BINARY_FAMILIES = ("image", "audio", "video", "font")
_BINARY_KINDS = frozenset(
    f"application/{name}" for name in ("pdf", "zip", "gzip", "x-gzip", "x-tar", "x-7z-compressed", "wasm")
)
_LOOKED_AT_BYTES = 65536  # of a body, for what is shown of it


@dataclass(frozen=True)
class Answer:
    """A finished answer: ``content`` is the decoded body."""

    status: int
    reason: str
    fields: HTTPHeaderDict
    content: bytes = b""

    def get(self, name: str) -> str:
        """A header's value, empty if it is not there."""
        return self.fields.get(name, "")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300 and self.inner_status is None

    @cached_property
    def inner_status(self) -> int | None:
        """The status of a refusal that came as a success: 429 in a body with status 200."""
        if not 200 <= self.status < 300 or not _is_json(_described(self.get("content-type"))[0]):
            return None
        return refusal_status(self.content)

    def outputs(self, seconds: float, encoding: str | None) -> dict[str, Any]:
        """The node's outputs; ``error`` is empty. ``encoding`` is the requested one.

        Raises :class:`~batchmill.errors.NodeError` for a body that is invalid in it.
        """
        try:
            value, binary = _value(self.content, self.get("content-type"), encoding)
        except NodeError as fault:
            fault.outputs = {**self._outputs(readable(self.content), False, seconds), "error": fault.message}
            raise
        return self._outputs(value, binary, seconds)

    def _outputs(self, value: object, binary: bool, seconds: float) -> dict[str, object]:
        return {
            "response": value,
            "response_is_binary": binary,
            "status_code": self.status,
            "response_headers": dict(self.fields.itermerged()),
            "response_time": round(seconds, 6),
            "error": "",
        }

    def failure(self, request: Request, seconds: float, encoding: str | None) -> NodeError:
        """The error result that an answer other than 2xx is."""
        try:
            outputs = self.outputs(seconds, encoding)
        except NodeError as fault:  # what is no text is shown with escapes
            outputs = fault.outputs
        said = "" if outputs["response_is_binary"] else _excerpt(self.content)
        message = f"{request.method} {request.address.shown()} was answered with {self.status} {self.reason}"
        status = self.status
        if self.inner_status is not None:
            status = self.inner_status
            message += f", and with {status} in it"
        outputs["error"] = message.rstrip() + (f": {said}" if said else "")
        spent = is_spent(status, self.content)
        refused = not spent and is_refusal(status, self.fields)
        denied = DENIED_IN_A_ROW if spent else _denied(status) if request.identified and not refused else 0
        return NodeError(
            outputs["error"],
            outputs=outputs,
            retryable=not spent and (status >= 500 or status in RETRYABLE or refused),
            retry_after=seconds_until_free(self.fields, self.content if refused else b"", limits=refused),
            refused=refused,
            denied=denied,
            type_name=f"HTTP{status}",
        )


def read_answer(reply: Reply, limit: int, request: Request) -> Answer:
    """The answer with its whole body, at most ``limit`` bytes on the wire and decoded.

    Raises what :meth:`~batchmill.nodes.http.reply.Reply.read` raises, and
    :class:`~batchmill.errors.NodeError` for a body that is larger or does not fit its encoding.
    """
    try:
        content = decoded(_raw(reply, limit), reply.fields.get("Content-Encoding", ""), limit)
    except TooLarge:
        message = (
            f"{request.method} {request.address.shown()} was answered with more than {limit:,} bytes; "
            "`max_response_bytes` sets the limit"
        )
        raise NodeError(message, retryable=False, type_name="ResponseTooLarge") from None
    return Answer(reply.status, reply.reason, reply.fields, content)


def _denied(status: int) -> int:
    """The number of such answers in a row after which the key is considered rejected; 0 if never."""
    return {401: DENIED_IN_A_ROW, 403: FORBIDDEN_IN_A_ROW}.get(status, 0)


def drain(reply: Reply) -> None:
    """Read and discard a short body; for a long one, give up the connection."""
    try:
        _raw(reply, MAX_DRAINED)
    except TooLarge:
        pass


def _raw(reply: Reply, limit: int) -> bytes:
    if reply.length is not None and reply.length > limit:
        raise TooLarge
    pieces: list[bytes] = []
    read = 0
    while piece := reply.read(PIECE):
        read += len(piece)
        if read > limit:
            raise TooLarge
        pieces.append(piece)
        if reply.length == 0:
            break
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _value(content: bytes, content_type: str, encoding: str | None) -> tuple[object, bool]:
    """The body, and whether it is base64: JSON if it says so and is, base64 if its type is a picture or the
    like, else text. A requested ``encoding`` overrides that of the answer.

    Raises :class:`~batchmill.errors.NodeError` for invalid text.
    """
    kind, charset = _described(content_type)
    if encoding == BINARY:
        return as_text(content, BINARY, "the answer")
    if _is_json(kind) and content:
        try:
            own = json.detect_encoding(content) if encoding is None or encoding == AUTO else encoding
            return from_json(content.decode(own)), False
        except ValueError:  # it is not what it says it is: text, or bytes
            pass
    if encoding is None and _is_binary(kind):
        return as_text(content, BINARY, "the answer")
    return as_text(content, encoding or charset, "the answer")


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _is_binary(kind: str) -> bool:
    """Whether what is sent as this kind is never text."""
    family = kind.partition("/")[0]
    return kind in _BINARY_KINDS or (family in _BINARY_FAMILIES and not kind.endswith("+xml"))


@lru_cache(maxsize=256)
def _described(content_type: str) -> tuple[str, str]:
    """The kind and the charset that a ``Content-Type`` header names."""
    described = Message()
    described["Content-Type"] = content_type or "application/octet-stream"
    charset = described.get_content_charset(UTF_8)
    try:
        "".encode(charset)
    except (LookupError, ValueError):  # a name of the server's own: its bytes will tell
        charset = UTF_8
    return described.get_content_type(), charset


def _excerpt(content: bytes) -> str:
    text = content[:_LOOKED_AT_BYTES].decode("utf-8", "replace")
    return shortened(" ".join(text.split()), _SHOWN_CHARACTERS)
