"""Replies that the SDK cannot handle: unreadable ones, and HTTP statuses other than 200.

The SDK skips what it cannot read, so that the caller waits until the timeout, and of a refusal over HTTP it
only says that there was one. Here both become JSON-RPC errors of the call that they belong to.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

from batchmill.nodes.http.refusals import seconds_until_free
from batchmill.nodes.http.retry_after import TOO_MANY

UNREADABLE = -32700  # of JSON-RPC: a text that is no message
_OF_US = -32000  # of those that JSON-RPC leaves to others
_SESSION_IS_OVER = 404  # the SDK knows what to do then
_STATUS, _RETRY_AFTER = "batchmill_http_status", "batchmill_retry_after"
_SHOWN_CHARACTERS = 200

_MESSAGE = re.compile(r'"jsonrpc"\s*:\s*"2\.0"')
_ID = re.compile(r'"id"\s*:\s*(?P<id>\d{1,15}|"[^"\\]{1,100}")')

_CONTENT = frozenset({"result", "error"})
_REPLY = _CONTENT | {"jsonrpc", "id"}


class Garbled:
    """An unreadable reply: to the request ``id``, None if even that is unreadable."""

    def __init__(self, text: str, identity: int | str | None) -> None:
        self.words = f"a reply that cannot be read: {_shown(text)}"
        self.id = identity


def garbled(fault: Exception) -> Garbled | None:
    """The reply that the SDK failed to read with ``fault``; None for noise, which servers often print, and
    for messages that are no replies."""
    errors = getattr(fault, "errors", None)  # of pydantic, which reads messages in both versions
    for error in errors() if callable(errors) else ():
        read = error.get("input")
        read = read.decode("utf-8", "replace") if isinstance(read, bytes) else read
        if error.get("type") == "json_invalid" and isinstance(read, str):
            return _of_text(read)
        parts = read if isinstance(read, list) else [read]
        replies = [part for part in parts if isinstance(part, dict) and _is_reply(part)]
        if replies:
            return _of_objects(replies, read)
    return None


def _of_text(text: str) -> Garbled | None:
    if not _MESSAGE.search(text):
        return None
    found = _ID.search(text)
    return Garbled(text, json.loads(found["id"]) if found is not None else None)


def _is_reply(message: dict[str, object]) -> bool:
    """Whether an object is meant as a reply: by its version, or because it has exactly the parts of a reply,
    as from servers with another version or none."""
    if message.get("jsonrpc") == "2.0":
        return "method" not in message
    return "id" in message and _REPLY.issuperset(message) and len(_CONTENT.intersection(message)) == 1


def _of_objects(replies: list[dict[str, Any]], read: object) -> Garbled:
    """The fault in one reply, or in several that came in a list, which MCP does not have."""
    identity = replies[0].get("id") if len(replies) == 1 else None
    known = isinstance(identity, (int, str)) and not isinstance(identity, bool)
    return Garbled(json.dumps(read), identity if known else None)


def error_for(found: Garbled) -> object:
    """The error for the SDK in place of a garbled reply whose request is known."""
    from mcp import types  # an extra
    from mcp.shared.message import SessionMessage

    data = types.ErrorData(code=UNREADABLE, message=found.words)
    error: Any = types.JSONRPCError(jsonrpc="2.0", id=found.id or 0, error=data)
    whole: Any = types.JSONRPCMessage
    return SessionMessage(whole(error) if isinstance(whole, type) else error)  # version 1 wraps it


async def tell_status(response: Any) -> None:
    """A hook for responses: an answer other than 2xx to a request becomes an error with its status."""
    identity = request_id(response.request)
    status = response.status_code
    if identity is None or status < 400 or status == _SESSION_IS_OVER:
        return
    wait = seconds_until_free(response.headers, limits=status in TOO_MANY)
    words = f"it answered with {status} {response.reason_phrase}".rstrip()
    text = error_text(identity, words, {_STATUS: status, _RETRY_AFTER: wait})
    response.stream = _in_place_of(response.stream, text)
    response.status_code = 200
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        response.headers.pop(name, None)
    response.headers["content-type"] = "application/json"


def error_text(identity: int | str, words: str, data: dict[str, Any]) -> bytes:
    """A reply to the request ``identity`` that says why there is none."""
    error = {"code": _OF_US, "message": words, "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode()


def request_id(request: Any) -> int | str | None:
    """The id of the request in a POST; None if it is no request and so gets no reply."""
    message = _message_in(request)
    found = message.get("id") if "method" in message else None
    return found if isinstance(found, (int, str)) else None


def calls_tool(request: Any) -> bool:
    """Whether a POST calls a tool, which may have an effect; all other messages may be sent twice."""
    return _message_in(request).get("method") == "tools/call"


def _message_in(request: Any) -> dict[str, Any]:
    if request.method != "POST":
        return {}
    try:
        message = json.loads(request.content)
    except (ValueError, RuntimeError):  # no JSON, or a body that was streamed: not of the SDK's making
        return {}
    return message if isinstance(message, dict) else {}


def _in_place_of(stream: Any, data: bytes) -> object:
    """``data`` as a body; closing it closes the body that it replaces."""
    library: Any = sys.modules[type(stream).__module__.partition(".")[0]]

    class Instead(library.AsyncByteStream):  # type: ignore[misc]  # there are two libraries with such a class
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield data

        async def aclose(self) -> None:
            await stream.aclose()

    return Instead()


def status_in(error: object) -> tuple[int, float | None] | None:
    """Status and wait in an error that :func:`tell_status` made."""
    data = getattr(getattr(error, "error", error), "data", None)
    if not isinstance(data, dict) or not isinstance(data.get(_STATUS), int):
        return None
    return data[_STATUS], data.get(_RETRY_AFTER)


def is_refusal(status: int, wait: float | None) -> bool:
    """Whether the server wants fewer calls, or none for a while."""
    return wait is not None or status in TOO_MANY


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "..."
