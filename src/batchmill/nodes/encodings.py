"""Decode bytes as text: the encoding names that nodes accept, and the error for invalid bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from batchmill.errors import InvalidParams, NodeError

BINARY = "binary"
"""Asks for base64 of the bytes in any case."""
AUTO = "auto"
"""Asks for text where the bytes are UTF-8, and for base64 where they are not."""
UTF_8 = "utf-8"

ENCODING_WORDS = (
    "of the text; `binary` gives base64, `auto` gives text if the bytes are UTF-8, and base64 otherwise"
)


def as_text(data: bytes, encoding: str | None, what: str) -> tuple[str, bool]:
    """``data`` as text of an encoding, UTF-8 if it is None, and whether it is base64 of the bytes.

    ``what`` names the bytes in an error. Raises :class:`~batchmill.errors.NodeError` for bytes that are
    invalid in that encoding, with the position.
    """
    if encoding == BINARY:
        return base64.b64encode(data).decode("ascii"), True
    try:
        return data.decode(UTF_8 if encoding in (None, AUTO) else encoding), False
    except UnicodeDecodeError as error:
        if encoding == AUTO:
            return base64.b64encode(data).decode("ascii"), True
        raise not_text(data, encoding or UTF_8, error, what) from error


def not_text(data: bytes, encoding: str, fault: UnicodeDecodeError, what: str) -> NodeError:
    """The error for bytes that are no text: which byte it is, and on which line."""
    line = data.count(b"\n", 0, fault.start) + 1
    byte = f"byte 0x{data[fault.start]:02x} at offset {fault.start}, line {line}"
    message = (
        f"{what} is no {encoding} text: {byte} ({fault.reason}); say which `encoding` it has, or `binary` "
        "for base64 of the bytes"
    )
    return NodeError(message, retryable=False, type_name="NotText", outputs={"error": message})


def readable(data: bytes) -> str:
    """``data`` for messages: UTF-8, with invalid bytes as escapes such as ``\xe9``."""
    return data.decode(UTF_8, "backslashreplace")


def lookup(encoding: str | None, *, auto: bool = True) -> None:
    """Raise :class:`~batchmill.errors.InvalidParams` for an encoding that Python does not know; ``auto`` says
    whether the word ``auto`` is allowed."""
    fault = _fault(encoding, auto)
    if fault:
        raise InvalidParams(fault)


def encoding_faults(params: Mapping[str, object], *, auto: bool = True) -> list[tuple[str, str]]:
    """For ``check``: what is wrong with ``encoding`` as written."""
    encoding = params.get("encoding")
    if not isinstance(encoding, str) or "${" in encoding:
        return []
    fault = _fault(encoding, auto)
    return [("encoding", fault)] if fault else []


def _fault(encoding: str | None, auto: bool) -> str | None:
    if encoding is None or encoding == BINARY or (auto and encoding == AUTO):
        return None
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:  # ValueError: a name with NUL in it
        return f"{error}; common encodings are utf-8, utf-16, latin-1 and cp1252"
    return None
