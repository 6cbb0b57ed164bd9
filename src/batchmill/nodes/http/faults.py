"""What can go wrong on the way to an answer, as errors of a node."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from urllib3 import exceptions as lib

from batchmill.cancel import CancelToken
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped
from batchmill.nodes.http.request import Request


@contextmanager
def in_words(request: Request, seconds: float, cancel: CancelToken) -> Iterator[None]:
    """Turn what the library raises inside into errors that say what was asked and what went wrong.

    Raises :class:`~batchmill.errors.AttemptTimeout`, :class:`~batchmill.errors.NodeError`, and
    :class:`~batchmill.errors.Stopped` in a run that was cancelled.
    """
    try:
        yield
    except (lib.HTTPError, OSError, ValueError) as error:
        if cancel.cancelled:
            raise Stopped("the run was cancelled") from error
        asked = f"{request.method} {request.address.shown()}"
        if _is_timeout(error):
            raise AttemptTimeout(f"{asked} was not answered in full within {seconds:.3g} s") from error
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
    certificate = _certificate_fault(error)
    if certificate:
        message = f"{asked}: the certificate of the server is not to be trusted: {certificate}"
        return NodeError(message, retryable=False, type_name="CertificateError", outputs={"error": message})
    if isinstance(error, lib.LocationValueError):
        return InvalidParams(f"http: {asked} cannot be sent: {error}")
    message = f"{asked} failed: {_reason(error)}"
    return NodeError(message, type_name="ConnectionFailed", outputs={"error": message})


def _certificate_fault(error: BaseException) -> str:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        seen = seen.__cause__ or seen.__context__ or _inner(seen)
    return ""


def _inner(error: BaseException) -> BaseException | None:
    found = next((part for part in error.args if isinstance(part, BaseException)), None)
    return found if found is not error else None


def _reason(error: BaseException) -> str:
    """The innermost words: the library's own repeat themselves at each level."""
    if isinstance(error, lib.NameResolutionError):
        return "the name of the host cannot be resolved"
    if isinstance(error, lib.NewConnectionError):
        return str(error).rpartition("no connection to ")[2]
    if isinstance(error, lib.IncompleteRead):
        return "the connection ended before the whole answer had come"
    inner = _inner(error) if isinstance(error, (lib.ProtocolError, lib.SSLError)) else None
    return _reason(inner) if inner is not None else f"{error}" or type(error).__name__
