"""The exception behind an error, for the caller that raises an error of the whole batch.

Only plain data travels between processes, and an exception may be anything: one that cannot be unpickled must
not do harm. So a worker pickles it separately, and it is unpickled only when needed, if possible; otherwise
the text of its traceback replaces it.
"""

from __future__ import annotations

import copyreg
import importlib
from typing import Any

from batchmill.errors import RemoteTraceback
from batchmill.outcome import ErrorInfo
from batchmill.values.tracebacks import without_our_frames

MOST_BYTES = 1 << 20  # of a packed exception; one that holds more than that is told of by its text


class Cause:
    """Holds an exception in the process that raised it, its pickle in others.

    A holder keeps the frames of the exception's traceback, with all they refer to: it is made only of
    failures that end their batch.
    """

    __slots__ = ("_error", "_packed")

    def __init__(self, error: BaseException | None, packed: bytes = b"") -> None:
        self._error = error
        self._packed = packed

    def exception(self) -> BaseException | None:
        """The exception; None if it did not travel."""
        if self._error is not None:
            return without_our_frames(self._error)
        if not self._packed:
            return None
        try:
            found = _pickling().loads(self._packed)
        except BaseException:  # noqa: BLE001  # its own constructor is run: that it fails is the answer
            return None
        return found if isinstance(found, BaseException) else None

    def __reduce__(self) -> tuple[object, ...]:
        return Cause, (None, self._packed or _pack(self._error))


class _Alone:
    """Pickles an exception without its relations.

    If tblib is in use, as it is once ``distributed`` is imported, pickle would also take the traceback and
    the chain of exceptions. If one of them cannot be pickled, everything would be lost. Reducers that users
    have registered for their own classes are still used.
    """

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> str | tuple[object, ...]:
        registered: Any = copyreg.dispatch_table.get(type(self._error))
        module = getattr(getattr(registered, "func", registered), "__module__", None) or ""
        if registered is None or module.partition(".")[0] == "tblib":
            return self._error.__reduce_ex__(5)
        reduced: str | tuple[Any, ...] = registered(self._error)
        return reduced


def _pack(error: BaseException | None) -> bytes:
    """The pickle of an exception, empty if it cannot be pickled."""
    if error is None:
        return b""
    try:
        packed = bytes(_pickling().dumps(_Alone(error), [], in_band=True))
    except BaseException:  # noqa: BLE001  # whatever pickling the user's exception raises
        return b""
    return packed if len(packed) <= MOST_BYTES else b""


def _pickling() -> Any:
    return importlib.import_module("batchmill.executors.pickling.pickler")  # with cloudpickle: 20 ms


def cause_of(error: ErrorInfo | None) -> BaseException | None:
    """The cause to raise an error of the batch from: the exception of the item, with its traceback; else that
    traceback's text. None if only ``error`` is known."""
    if error is None:
        return None
    raised = error.cause.exception() if isinstance(error.cause, Cause) else None
    if raised is None:
        return RemoteTraceback(error.traceback) if error.traceback else None
    if raised.__traceback__ is None and raised.__cause__ is None and error.traceback:
        raised.__cause__ = RemoteTraceback(error.traceback)
    return raised
