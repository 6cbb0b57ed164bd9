"""Turn the errors of a request into errors of a node."""

from __future__ import annotations

from http.client import HTTPException, IncompleteRead

from urllib3 import exceptions as lib

from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped
from batchmill.nodes.access.proxies import proxy_failed
from batchmill.nodes.connection_faults import inner_error, tls_fault
from batchmill.nodes.http.request import Request
from batchmill.nodes.http.sockets import Exchange


class in_words:  # noqa: N801  # used like a function; a generator takes five times as long
    """Turn exceptions of the library inside into errors that name the request and the fault.

    Raises :class:`~batchmill.errors.AttemptTimeout`, :class:`~batchmill.errors.NodeError`, and
    :class:`~batchmill.errors.Stopped` in a run that was cancelled.
    """

    __slots__ = ("_exchange", "_request", "_seconds")

    def __init__(self, request: Request, seconds: float, exchange: Exchange) -> None:
        self._request, self._seconds, self._exchange = request, seconds, exchange

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (lib.HTTPError, HTTPException, OSError, ValueError)):
            return
        if self._exchange.cancel.cancelled:
            raise Stopped("the run was cancelled") from error
        asked = f"{self._request.method} {self._request.address.shown()}"
        if self._exchange.overdue or _is_timeout(error):
            late = f"{asked} was not answered in full within {self._seconds:g} s"
            raise AttemptTimeout(late) from error
        raise _failure(asked, error) from error


def _is_timeout(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, lib.NewConnectionError):  # which the library counts among timeouts
            return False
        if isinstance(seen, (TimeoutError, lib.TimeoutError)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _failure(asked: str, error: BaseException) -> NodeError:
    if (fault := tls_fault(error)) is not None:
        message = f"{asked}: {fault.words}"
        return NodeError(message, retryable=False, type_name=fault.type_name, outputs={"error": message})
    if isinstance(error, lib.LocationValueError):
        return InvalidParams(f"http: {asked} cannot be sent: {error}")
    if isinstance(error, lib.ProxyError):
        return proxy_failed(asked, _reason(error.original_error))
    message = f"{asked} failed: {_reason(error)}"
    return NodeError(message, type_name="ConnectionFailed", outputs={"error": message})


def _reason(error: BaseException) -> str:
    """The innermost words: the library's own repeat themselves at each level."""
    if isinstance(error, lib.NameResolutionError):
        return "the name of the host cannot be resolved"
    if isinstance(error, lib.NewConnectionError):
        return str(error).rpartition("no connection to ")[2]
    if isinstance(error, IncompleteRead):
        return "the connection ended before the whole answer had come"
    inner = inner_error(error) if isinstance(error, lib.SSLError) else None
    return _reason(inner) if inner is not None else f"{error}" or type(error).__name__
