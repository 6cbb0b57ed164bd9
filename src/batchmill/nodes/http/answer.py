"""What is made of an answer: its body read and decoded within limits, and the node's outputs."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from typing import Any

from urllib3 import HTTPHeaderDict
from urllib3.response import BaseHTTPResponse

from batchmill.errors import NodeError
from batchmill.nodes.http.decoding import TooLarge, decoded
from batchmill.nodes.http.request import Request
from batchmill.nodes.http.retry_after import seconds_asked_for
from batchmill.redaction import shortened

PIECE = 256 * 1024  # bytes that are read at once
MAX_DRAINED = 64 * 1024  # of a redirect's body, read so that the connection can be used again
RETRYABLE = frozenset({408, 425, 429})
_SHOWN_CHARACTERS = 200
_LOOKED_AT_BYTES = 65536  # of a body, for what is shown of it


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer: ``content`` is the decoded body."""

    status: int
    reason: str
    fields: HTTPHeaderDict
    content: bytes = b""

    def get(self, name: str) -> str:
        """A header's value, empty where it is not there."""
        return self.fields.get(name, "")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def outputs(self, seconds: float) -> dict[str, Any]:
        """The node's outputs; ``error`` is empty."""
        value, binary = _value(self.content, self.get("content-type"))
        return {
            "response": value,
            "response_is_binary": binary,
            "status_code": self.status,
            "response_headers": dict(self.fields.itermerged()),
            "response_time": round(seconds, 6),
            "error": "",
        }

    def failure(self, request: Request, seconds: float) -> NodeError:
        """The error result that an answer other than 2xx is."""
        outputs = self.outputs(seconds)
        said = "" if outputs["response_is_binary"] else _excerpt(self.content)
        message = f"{request.method} {request.address.shown()} was answered with {self.status} {self.reason}"
        outputs["error"] = message.rstrip() + (f": {said}" if said else "")
        return NodeError(
            outputs["error"],
            outputs=outputs,
            retryable=self.status >= 500 or self.status in RETRYABLE,
            retry_after=seconds_asked_for(self.get("retry-after"), self.get("date")),
            type_name=f"HTTP{self.status}",
        )


def read_answer(response: BaseHTTPResponse, limit: int, request: Request) -> Answer:
    """The answer with its whole body, at most ``limit`` bytes on the wire and decoded.

    Raises what urllib3 raises, and :class:`~batchmill.errors.NodeError` for a body that is larger or does
    not fit its encoding.
    """
    try:
        content = decoded(_raw(response, limit), response.headers.get("Content-Encoding", ""), limit)
    except TooLarge:
        response.close()
        message = (
            f"{request.method} {request.address.shown()} was answered with more than {limit:,} bytes; "
            "`max_response_bytes` sets the limit"
        )
        raise NodeError(message, retryable=False, type_name="ResponseTooLarge") from None
    return Answer(response.status, response.reason or "", response.headers, content)


def drain(response: BaseHTTPResponse) -> None:
    """Read a short body that nobody wants; a long one costs the connection."""
    try:
        _raw(response, MAX_DRAINED)
    except TooLarge:
        response.close()


def _raw(response: BaseHTTPResponse, limit: int) -> bytes:
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and len(length) < 20 and int(length) > limit and response.length_remaining:
        raise TooLarge
    pieces: list[bytes] = []
    read = 0
    while piece := response.read(PIECE, decode_content=False):
        read += len(piece)
        if read > limit:
            raise TooLarge
        pieces.append(piece)
        if response.length_remaining == 0:
            break
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _value(content: bytes, content_type: str) -> tuple[Any, bool]:
    """The body as JSON where it says so and is, else as text; else base64, and True."""
    kind, charset = _described(content_type)
    if (kind == "application/json" or kind.endswith("+json")) and content:
        try:
            return json.loads(content), False
        except (ValueError, RecursionError):  # it is not what it says it is: text, or bytes
            pass
    try:
        return content.decode(charset), False
    except (UnicodeDecodeError, LookupError):
        return base64.b64encode(content).decode("ascii"), True


@lru_cache(maxsize=256)
def _described(content_type: str) -> tuple[str, str]:
    """The kind and the charset that a ``Content-Type`` header names."""
    described = Message()
    described["Content-Type"] = content_type or "application/octet-stream"
    return described.get_content_type(), described.get_content_charset("utf-8")


def _excerpt(content: bytes) -> str:
    text = content[:_LOOKED_AT_BYTES].decode("utf-8", "replace")
    return shortened(" ".join(text.split()), _SHOWN_CHARACTERS)
