"""Names of text encodings as file nodes take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchmill.errors import InvalidParams

BINARY = "binary"


def lookup(encoding: str | None) -> None:
    """Raise :class:`~batchmill.errors.InvalidParams` for an encoding that Python does not know."""
    fault = _fault(encoding)
    if fault:
        raise InvalidParams(fault)


def encoding_faults(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """For ``check``: what is wrong with ``encoding`` as written."""
    encoding = params.get("encoding")
    if not isinstance(encoding, str) or "${" in encoding:
        return []
    fault = _fault(encoding)
    return [("encoding", fault)] if fault else []


def _fault(encoding: str | None) -> str | None:
    if encoding is None or encoding == BINARY:
        return None
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:  # ValueError: a name with NUL in it
        return f"{error}; common encodings are utf-8, utf-16, latin-1 and cp1252"
    return None
