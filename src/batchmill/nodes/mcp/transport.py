"""Requests without a readable answer, reported to the call that they belong to.

The SDK ends the whole session, with all running calls, if one request cannot be sent, or if its answer breaks
off or is no reply, and does not say why. Here the failure becomes a JSON-RPC error of that one call.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from batchmill.errors import NodeError
from batchmill.nodes.access.policy import Access
from batchmill.nodes.access.transport import ServiceTransport
from batchmill.nodes.connection_faults import tls_fault, words_of
from batchmill.nodes.mcp.event_stream import with_an_end
from batchmill.nodes.mcp.replies import calls_tool, error_text, request_id

_OK = 200
_FAILURE = "batchmill_failure"
_LOST = "ServerLost"
_AWAY = ("ConnectError", "ConnectTimeout")  # by these names two libraries say that nobody is there
_BROKEN = ("ReadError", "RemoteProtocolError", "WriteError")  # so is a connection that was closed
_CUT = "the connection ended before the whole reply had come"
_JSON, _EVENTS = "application/json", "text/event-stream"
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")


class Unsent(NamedTuple):
    """Why a request has no reply: a message, the type of the error, whether to try again."""

    message: str
    type_name: str
    retryable: bool

    @property
    def lost(self) -> bool:
        """Whether the session is of no more use."""
        return self.type_name == _LOST


class TellingTransport(ServiceTransport):
    """Answers in place of a server that does not."""

    def __init__(self, library: Any, access: Access) -> None:
        super().__init__(library, access)
        self._response = library.Response

    async def handle_async_request(self, request: Any) -> Any:
        identity = request_id(request)
        if identity is None:
            return await self._sent(request)
        try:
            response = await self._sent(request)
            if response.status_code != _OK:
                return response
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == _JSON:
                return await self._whole(response, request)
            if kind != _EVENTS:
                await response.aclose()
                raise _NoReply(f"it answered with 200 and {kind or 'nothing'}, which is no reply")
            if "content-encoding" not in response.headers:
                broken_off = partial(_broken_off, identity)
                response.stream = with_an_end(response.stream, identity, broken_off)
            return response
        except Exception as error:  # noqa: BLE001  # whatever it is, the SDK would not tell it
            text = _error(identity, error)
            return self._response(_OK, headers={"content-type": _JSON}, content=text, request=request)

    async def _sent(self, request: Any) -> Any:
        """The answer. A message that calls no tool is sent again over a new connection if the server has
        closed the kept one meanwhile; the SDK would end the session."""
        try:
            return await super().handle_async_request(request)
        except Exception as error:  # whatever the library raises
            if type(error).__name__ not in _BROKEN or tls_fault(error) is not None or calls_tool(request):
                raise
        return await super().handle_async_request(request)

    async def _whole(self, response: Any, request: Any) -> Any:
        """The same answer, once all of it is there."""
        try:
            content = await response.aread()
        except Exception as error:  # a body that breaks off, or is not what it says it is
            raise _NoReply(f"{_CUT}: {error}") from error
        finally:
            await response.aclose()
        headers = [pair for pair in response.headers.multi_items() if pair[0].lower() not in _OF_THE_WIRE]
        return self._response(_OK, headers=headers, content=content, request=request)


def _error(identity: int | str, error: Exception) -> bytes:
    return error_text(identity, f"{error}", {_FAILURE: list(_unsent(error))})


def _broken_off(identity: int | str, error: Exception | None) -> bytes:
    return _error(identity, _NoReply(f"{_CUT}: {error}" if error is not None else _CUT))


class _NoReply(Exception):  # never leaves this room
    """Raised for an answer that is no reply."""


def _unsent(error: Exception) -> Unsent:
    if isinstance(error, NodeError):
        return Unsent(str(error), error.type_name or type(error).__name__, error.retryable)
    if (fault := tls_fault(error)) is not None:
        return Unsent(fault.words, fault.type_name, False)
    if isinstance(error, _NoReply):
        return Unsent(str(error), "UnreadableReply", True)
    words = f"it cannot be reached: {words_of(error)}"
    return Unsent(words, _LOST if type(error).__name__ in _AWAY else "ConnectionFailed", True)


def unsent_in(error: Any) -> Unsent | None:
    """The failure that :class:`TellingTransport` put into an error of the SDK; None for an error of the
    server."""
    data = getattr(getattr(error, "error", error), "data", None)
    told = data.get(_FAILURE) if isinstance(data, dict) else None
    return Unsent(*told) if isinstance(told, list) and len(told) == len(Unsent._fields) else None
