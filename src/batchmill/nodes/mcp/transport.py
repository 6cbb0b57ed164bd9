"""Requests that do not reach their server: told to the call that they belong to.

The SDK ends the whole session, with all running calls, if sending one request fails, and does not say why.
Here the failure becomes a JSON-RPC error of that one call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from batchmill.errors import NodeError
from batchmill.nodes.access.policy import Access
from batchmill.nodes.access.transport import ServiceTransport
from batchmill.nodes.certificates import certificate_fault
from batchmill.nodes.mcp.replies import error_text, request_id

_FAILURE = "batchmill_failure"
_LOST = "ServerLost"


class Unsent(NamedTuple):
    """Why a request did not reach its server: a message, the type of the error, whether to try again."""

    message: str
    type_name: str
    retryable: bool

    @property
    def lost(self) -> bool:
        """Whether the session is of no more use."""
        return self.type_name == _LOST


class TellingTransport(ServiceTransport):
    """Answers in place of a server that a request does not reach."""

    def __init__(self, library: Any, access: Access) -> None:
        super().__init__(library, access)
        self._response = library.Response

    async def handle_async_request(self, request: Any) -> Any:
        try:
            return await super().handle_async_request(request)
        except Exception as error:  # whatever it is, the SDK would not tell it
            identity = request_id(request)
            if identity is None:
                raise
            text = error_text(identity, f"{error}", {_FAILURE: list(_unsent(error))})
            headers = {"content-type": "application/json"}
            return self._response(200, headers=headers, content=text, request=request)


def _unsent(error: Exception) -> Unsent:
    if isinstance(error, NodeError):
        return Unsent(str(error), error.type_name or type(error).__name__, error.retryable)
    if fault := certificate_fault(error):
        return Unsent(f"the certificate of the server is not trusted: {fault}", "CertificateError", False)
    return Unsent(f"it cannot be reached: {error or type(error).__name__}", _LOST, True)


def unsent_in(error: Any) -> Unsent | None:
    """What :class:`TellingTransport` put into an error of the SDK; None for an error of the server."""
    data = getattr(getattr(error, "error", error), "data", None)
    told = data.get(_FAILURE) if isinstance(data, dict) else None
    return Unsent(*told) if isinstance(told, list) and len(told) == len(Unsent._fields) else None
