"""From an exception to plain data: what is kept of a failed attempt.

The text of a traceback costs a hundred times what the rest does, and an attempt that is tried again
needs none. So :func:`outline` leaves it out and :func:`traced` adds it where the item's end is reached.
"""

from __future__ import annotations

import math
import traceback
from dataclasses import replace
from typing import Any

from batchmill.errors import AttemptTimeout, NodeError, NotPicklable, Stopped
from batchmill.outcome import ErrorInfo, ErrorKind

_TOO_MANY = (429, 503)  # Too Many Requests (RFC 6585, section 4), Service Unavailable (RFC 9110, 15.6.4)
MAX_MESSAGE = 10_000
MAX_TRACEBACK = 20_000


_NEVER_TRACED: tuple[ErrorKind, ...] = ("error_result", "worker_died")  # no fault of the code that raised


def describe(error: BaseException) -> ErrorInfo:
    """The :class:`ErrorInfo` of an exception raised by an item; never raises itself."""
    return traced(outline(error), error)


def outline(error: BaseException) -> ErrorInfo:
    """The same without the traceback."""
    if isinstance(error, NodeError):
        return ErrorInfo(
            error.type_name,
            _shorten(error.message, MAX_MESSAGE),
            "error_result",
            retryable=error.retryable,
            retry_after=error.retry_after,
            refused=error.retry_after is not None or _wants_less(error.outputs.get("status_code")),
            outputs=error.outputs,
            address=error.address,
        )
    retry_after = _seconds(getattr(error, "retry_after", None))
    return ErrorInfo(
        "Cancelled" if isinstance(error, Stopped) else type(error).__name__,
        _shorten(text_of(error), MAX_MESSAGE),
        _kind(error),
        retryable=bool(getattr(error, "retryable", True)),
        retry_after=retry_after,
        refused=retry_after is not None or _wants_less(getattr(error, "status_code", None)),
    )


def _seconds(value: Any) -> float | None:
    """A wait that an exception asks for; whatever else it has under that name says nothing to us."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    return None


def _wants_less(status: Any) -> bool:
    """Whether this status of HTTP says that there were too many requests, or too much work."""
    return status in _TOO_MANY if isinstance(status, int) else False


def traced(info: ErrorInfo, error: BaseException) -> ErrorInfo:
    """``info`` with the traceback of the exception that it tells of."""
    if info.kind in _NEVER_TRACED:
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
        return _chained(error) if _has_chain(error) else _single(error)
    except BaseException as fault:  # noqa: BLE001  # same: formatting runs the item's own code
        return f"(no traceback: {type(fault).__name__} while formatting it)"


def _has_chain(error: BaseException) -> bool:
    context = None if error.__suppress_context__ else error.__context__
    return error.__cause__ is not None or context is not None or isinstance(error, BaseExceptionGroup)


def _single(error: BaseException) -> str:
    """As Python shows it, without the carets under each line: finding their places is what costs most."""
    stack = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__))
    head = ["Traceback (most recent call last):\n"] if stack else []
    return "".join([*head, *stack.format(), *traceback.format_exception_only(error)])


def _chained(error: BaseException) -> str:
    whole = traceback.TracebackException.from_exception(error, compact=True)
    waiting: list[traceback.TracebackException | None] = [whole]
    while waiting:
        part = waiting.pop()
        if part is not None:
            lines = [(frame.filename, frame.lineno or 0, frame.name, frame.line) for frame in part.stack]
            part.stack = traceback.StackSummary.from_list(lines)  # without the carets' places
            waiting += [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]
    return "".join(whole.format())


def _shorten(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... {len(text) - most} characters left out ... {text[-half:]}"
