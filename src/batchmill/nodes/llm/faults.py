"""What the SDK raises, as errors of a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchmill.errors import AttemptTimeout, BatchmillError, NodeError
from batchmill.nodes.credentials import masked
from batchmill.nodes.http.retry_after import MOST_SECONDS, seconds_asked_for
from batchmill.redaction import shortened

_RETRYABLE = frozenset({408, 409, 425, 429})
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})  # waiting does not bring it back
_SHOWN_CHARACTERS = 500


def raised_for(module: Any, error: Exception, key: str) -> BatchmillError:
    """The error of the node for one of the SDK, without the key in it."""
    if isinstance(error, module.APITimeoutError):
        return AttemptTimeout("the server did not answer in time")
    if isinstance(error, module.APIStatusError):
        return _of_status(error, key)
    cause = error.__cause__ if isinstance(error, module.APIConnectionError) else None
    words = str(error).rstrip(".")
    said = masked(f"{words}: {cause}" if cause else words, key)
    retryable = isinstance(error, (module.APIConnectionError, module.APIError))
    kind = "ConnectionFailed" if isinstance(error, module.APIConnectionError) else type(error).__name__
    message = f"the model could not be asked: {said}"
    return NodeError(message, retryable=retryable, type_name=kind, outputs={"error": message})


def _of_status(error: Any, key: str) -> NodeError:
    status = int(error.status_code)
    code = str(getattr(error, "code", None) or "")
    said = masked(_said(error), key)
    message = f"the server answered with {status}" + (f": {said}" if said else "")
    retryable = status >= 500 or (status in _RETRYABLE and code not in _SPENT)
    return NodeError(
        message,
        outputs={"error": message, "status_code": status},
        retryable=retryable,
        retry_after=_asked_for(error.response.headers),
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
