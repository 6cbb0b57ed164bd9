"""Turn an exception into plain data about a failed attempt.

The text of a traceback costs a hundred times the rest, and an attempt that is retried needs none. So
:func:`outline` leaves it out and :func:`traced` adds it when the item ends.
"""

from __future__ import annotations

import math
from dataclasses import replace

from batchmill.errors import (
    AttemptTimeout,
    MissingExtra,
    NodeError,
    NotPicklable,
    Stopped,
    Waiting,
    outputs_of,
)
from batchmill.file_table import NO_FOLDER, lacks_folder
from batchmill.outcome import WAITING, ErrorInfo, ErrorKind
from batchmill.values.redaction import hidden
from batchmill.values.tracebacks import trimmed

# The `status_code` of exceptions of client libraries with which a service asks for fewer calls: Too Many
# Requests (RFC 6585, section 4), Service Unavailable (RFC 9110, 15.6.4). Nodes report refusals themselves.
_TOO_MANY = (429, 503, 529)
MAX_MESSAGE = 10_000
MAX_TRACEBACK = 20_000


_NEVER_TRACED: tuple[ErrorKind, ...] = ("error_result", "worker_died")  # no fault of the code that raised


def describe(error: BaseException) -> ErrorInfo:
    """The :class:`ErrorInfo` of an exception raised by an item; never raises itself."""
    return traced(outline(error), error)


def outline(error: BaseException) -> ErrorInfo:
    """The same without the traceback."""
    if isinstance(error, NodeError):
        return ErrorInfo.of_node(error, _shorten(error.message, MAX_MESSAGE))
    retry_after = _seconds(getattr(error, "retry_after", None))
    stopped = WAITING if isinstance(error, Waiting) else "Cancelled"
    return ErrorInfo(
        stopped if isinstance(error, Stopped) else type(error).__name__,
        _shorten(f"{text_of(error)}: {NO_FOLDER}" if lacks_folder(error) else text_of(error), MAX_MESSAGE),
        _kind(error),
        retryable=bool(getattr(error, "retryable", True)),
        retry_after=retry_after,
        refused=retry_after is not None or _wants_less(error),
        denied=1 if isinstance(error, MissingExtra) else 0,  # every other item would need it too
        outputs=outputs_of(error),
    )


def _seconds(value: object) -> float | None:
    """The wait that an exception asks for; other values under that name are ignored."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    return None


def _wants_less(error: BaseException) -> bool:
    """Whether an exception of the user's code says that a service asks for fewer calls."""
    status = getattr(error, "status_code", None)
    return getattr(error, "refused", False) is True or (isinstance(status, int) and status in _TOO_MANY)


def traced(info: ErrorInfo, error: BaseException) -> ErrorInfo:
    """``info`` with the traceback of its exception, as far as it is in the user's code."""
    if info.kind in _NEVER_TRACED or info.waiting or isinstance(error, MissingExtra):
        return info
    return replace(info, traceback=_shorten(_traceback(error), MAX_TRACEBACK))


def _kind(error: BaseException) -> ErrorKind:
    if isinstance(error, AttemptTimeout):
        return "timeout"
    if isinstance(error, NotPicklable):
        return "not_picklable"
    if isinstance(error, Stopped):
        return "cancelled"
    return "exception"


def text_of(error: BaseException) -> str:
    """The text of an exception, or that it has none that can be made."""
    try:
        return str(error)
    except BaseException as fault:  # noqa: BLE001  # the item's own __str__ failed: say so instead
        return f"({type(error).__name__} whose text cannot be made: {type(fault).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return trimmed(error)
    except BaseException as fault:  # noqa: BLE001  # formatting runs the item's own code
        return f"(no traceback: {type(fault).__name__} while formatting it)"


def _shorten(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    text = hidden(text)
    half = most // 2
    return f"{text[:half]} ... {len(text) - most} characters left out ... {text[-half:]}"
