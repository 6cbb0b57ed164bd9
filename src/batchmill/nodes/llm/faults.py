"""What the SDK raises, as errors of a node; and whether the call may be charged for all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchmill.errors import AttemptTimeout, BatchmillError, NodeError
from batchmill.nodes.certificates import certificate_fault
from batchmill.nodes.credentials import masked
from batchmill.nodes.http.retry_after import MOST_SECONDS, TOO_MANY, seconds_asked_for
from batchmill.nodes.llm.question import Unanswered
from batchmill.values.redaction import shortened

_RETRYABLE = frozenset({408, 409, 425, 429})
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})  # waiting does not bring it back
_SHOWN_CHARACTERS = 500
_NEVER_SENT = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "InvalidURL",
        "LocalProtocolError",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
    }
)
"""Names of what the SDK's transport raises before a request has left; there are two libraries with them."""


class Moved(Exception):  # never leaves this room
    """Raised where a server sends a question elsewhere in a way that would take its body away."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(status, location)
        self.status = status
        self.location = location


class CutOff(Exception):  # never leaves this room
    """Raised where an answer began and did not come to its end."""


class TooLarge(Exception):  # never leaves this room
    """Raised where an answer has more bytes than may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


def unanswered(module: Any, error: BaseException, key: str) -> Unanswered:
    """What a failed call comes to, without the key in it; ``module`` is the SDK."""
    moved = error if isinstance(error, Moved) else error.__cause__
    if isinstance(moved, Moved):
        return Unanswered(_of_move(moved, key), paid=False)
    if isinstance(error, TooLarge):
        message = (
            f"the server answered with more than {error.limit:,} bytes; `max_response_bytes` sets the limit"
        )
        return Unanswered(_error(message, "ResponseTooLarge", retryable=False), paid=True)
    if isinstance(error, module.APIStatusError):
        return Unanswered(_of_status(error, key), paid=False)
    cause = error.__cause__ if isinstance(error, (module.APIConnectionError, CutOff)) else None
    paid = type(cause).__name__ not in _NEVER_SENT
    if isinstance(error, module.APITimeoutError) or type(cause).__name__.endswith("Timeout"):
        return Unanswered(AttemptTimeout("the server did not answer in time"), paid=paid)
    return Unanswered(_of_connection(module, error, cause, key), paid=paid)


def _of_connection(
    module: Any, error: BaseException, cause: BaseException | None, key: str
) -> BatchmillError:
    if certificate := certificate_fault(error):
        message = f"the certificate of the server is not to be trusted: {certificate}"
        return _error(message, "CertificateError", retryable=False)
    words = f"{error}".rstrip(".")
    said = masked(f"{words}: {cause}" if cause is not None and f"{cause}" else words, key)
    if isinstance(error, CutOff):
        return _error(said, "ConnectionFailed", retryable=True)
    retryable = isinstance(error, (module.APIConnectionError, module.APIError))
    kind = "ConnectionFailed" if isinstance(error, module.APIConnectionError) else type(error).__name__
    return _error(f"the model could not be asked: {said}", kind, retryable=retryable)


def _error(message: str, type_name: str, *, retryable: bool) -> NodeError:
    return NodeError(message, retryable=retryable, type_name=type_name, outputs={"error": message})


def _of_move(moved: Moved, key: str) -> NodeError:
    place = masked(moved.location.partition("?")[0], key)
    message = (
        f"the server answered with {moved.status}: it has moved to {place or 'another place'}, and a "
        "question is not sent on there; set `base_url` to the new address"
    )
    return NodeError(
        message,
        outputs={"error": message, "status_code": moved.status},
        retryable=False,
        type_name=f"HTTP{moved.status}",
    )


def _of_status(error: Any, key: str) -> NodeError:
    status = int(error.status_code)
    code = str(getattr(error, "code", None) or "")
    said = masked(_said(error), key)
    message = f"the server answered with {status}" + (f": {said}" if said else "")
    retryable = status >= 500 or (status in _RETRYABLE and code not in _SPENT)
    retry_after = _asked_for(error.response.headers)
    return NodeError(
        message,
        outputs={"error": message, "status_code": status},
        retryable=retryable,
        retry_after=retry_after,
        refused=retry_after is not None or status in TOO_MANY,
        type_name=f"HTTP{status}",
    )


def _said(error: Any) -> str:
    body = error.body
    said = body.get("message") if isinstance(body, Mapping) else body
    return shortened(" ".join(str(said or error.message).split()), _SHOWN_CHARACTERS)


def _asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds; some servers tell milliseconds too, which is more exact."""
    milliseconds = seconds_asked_for_ms(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds
    return seconds_asked_for(headers.get("retry-after"), headers.get("date"))


def seconds_asked_for_ms(value: str | None) -> float | None:
    """Seconds for a header in milliseconds, at most an hour; None for what is no number."""
    try:
        seconds = float(value or "") / 1000
    except ValueError:
        return None
    return min(MOST_SECONDS, seconds) if seconds >= 0 else None  # NaN is not
