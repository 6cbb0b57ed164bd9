"""From an exception to plain data: what is kept of a failed attempt."""

from __future__ import annotations

import traceback

from batchmill.errors import AttemptTimeout, NodeError, NotPicklable
from batchmill.outcome import ErrorInfo, ErrorKind

MAX_MESSAGE = 10_000
MAX_TRACEBACK = 20_000


def describe(error: BaseException) -> ErrorInfo:
    """The :class:`ErrorInfo` of an exception raised by an item; never raises itself."""
    if isinstance(error, NodeError):
        return ErrorInfo(
            error.type_name,
            _shorten(error.message, MAX_MESSAGE),
            "error_result",
            retryable=error.retryable,
            retry_after=error.retry_after,
            outputs=error.outputs,
        )
    return ErrorInfo(
        type(error).__name__,
        _shorten(text_of(error), MAX_MESSAGE),
        _kind(error),
        traceback=_shorten(_traceback(error), MAX_TRACEBACK),
        retryable=bool(getattr(error, "retryable", True)),
    )


def _kind(error: BaseException) -> ErrorKind:
    if isinstance(error, AttemptTimeout):
        return "timeout"
    if isinstance(error, NotPicklable):
        return "not_picklable"
    return "exception"


def text_of(error: BaseException) -> str:
    """The text of an exception, or that it has none that can be made."""
    try:
        return str(error)
    except BaseException as fault:  # noqa: BLE001  # the item's own __str__ failed: say so instead
        return f"({type(error).__name__} whose text cannot be made: {type(fault).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as fault:  # noqa: BLE001  # same: formatting runs the item's own code
        return f"(no traceback: {type(fault).__name__} while formatting it)"


def _shorten(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... {len(text) - most} characters left out ... {text[-half:]}"
