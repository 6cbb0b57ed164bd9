"""Interpreter settings that change the results of items, carried from one process to another.

What a program sets for the whole process (warning filters, logging, recursion limit, decimal rounding,
floating point errors that raise) must hold for an item wherever it runs.
"""

from __future__ import annotations

import importlib
import re
import socket
import sys
import warnings
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from batchmill.executors.pickling.context import context_of, packed_context
from batchmill.executors.process.logs import LogMirror, LogState

Dumps = Callable[[Any], bytes]
Loads = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class InterpreterState:
    """See the module. ``filters`` and ``variables`` are separate pickles, as some may not be picklable: those
    stay behind. ``decimals`` is the pickle of a context of :mod:`decimal`, empty if nothing uses it;
    ``float_errors`` is how numpy handles floating point errors, None for its default."""

    filters: tuple[bytes, ...] = ()
    variables: tuple[bytes, ...] = ()
    logs: LogState = field(default_factory=LogState)
    recursion_limit: int = 1000
    digits_limit: int | None = None
    socket_timeout: float | None = None
    decimals: bytes = b""
    float_errors: dict[str, Any] | None = None

    @classmethod
    def here(cls, dumps: Dumps) -> InterpreterState:
        """As this process is now, seen from the calling thread."""
        return cls(
            _packed_filters(dumps),
            packed_context(dumps),
            LogState.here(),
            sys.getrecursionlimit(),
            _digits_limit(),
            socket.getdefaulttimeout(),
            _decimals(dumps),
            _float_errors(),
        )

    def enter(self, mirror: LogMirror, loads: Loads) -> Entered:
        """Make this process so."""
        _set_recursion_limit(self.recursion_limit)
        if self.digits_limit is not None:
            sys.set_int_max_str_digits(self.digits_limit)
        socket.setdefaulttimeout(self.socket_timeout)
        _set_filters(self.filters, loads)
        mirror.enter(self.logs)
        return Entered(self, context_of(self.variables, loads), list(warnings.filters), loads)


class Entered:
    """A state that this process is in. Used by its main thread."""

    def __init__(self, state: InterpreterState, variables: Context, filters: list[Any], loads: Loads) -> None:
        self._state = state
        self._variables = variables
        self._filters = filters
        self._loads = loads

    def context(self) -> Context:
        """A context for some items: their changes to it disappear with it."""
        context = self._variables.copy()
        if self._state.decimals:
            set_decimals = importlib.import_module("decimal").setcontext
            context.run(set_decimals, self._loads(self._state.decimals))
        if (errors := self._state.float_errors) is not None:
            set_float_errors = importlib.import_module("numpy").seterr
            context.run(partial(set_float_errors, **errors))
        return context

    def restore(self) -> None:
        """Undo what an item changed."""
        if warnings.filters != self._filters:
            warnings.resetwarnings()  # which has what was shown under other filters forgotten
            warnings.filters[:] = self._filters  # type: ignore[index]  # typeshed has a sequence
        _set_recursion_limit(self._state.recursion_limit)


def _set_recursion_limit(limit: int) -> None:
    if sys.getrecursionlimit() != limit:
        try:
            sys.setrecursionlimit(limit)
        except RecursionError:  # it is below what we are in now: items will not get far, as in the parent
            pass


def _digits_limit() -> int | None:
    get = getattr(sys, "get_int_max_str_digits", None)
    return None if get is None else int(get())


_packed_decimals: tuple[object, bytes] | None = None  # what makes a context, and its pickle


def _decimals(dumps: Dumps) -> bytes:
    global _packed_decimals
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return b""
    context = decimal.getcontext()
    if type(context) is not decimal.Context:
        return bytes(dumps(context))
    made_of, last = context.__reduce__(), _packed_decimals  # one tuple, replaced as a whole
    if last is None or last[0] != made_of:
        _packed_decimals = last = made_of, bytes(dumps(context))
    return last[1]


_USUAL_FLOAT_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def _float_errors() -> dict[str, Any] | None:
    """Only of numpy 2 and later, where it is a context variable, which cannot travel by itself."""
    numpy = sys.modules.get("numpy")
    errors: dict[str, Any] | None = numpy.geterr() if numpy is not None and hasattr(numpy, "_core") else None
    return None if errors == _USUAL_FLOAT_ERRORS else errors


_packed: tuple[tuple[Any, ...], tuple[bytes, ...]] | None = None  # the filters last packed, and their pickles


def _packed_filters(dumps: Dumps) -> tuple[bytes, ...]:
    global _packed
    now, last = tuple(warnings.filters), _packed  # one tuple, replaced as a whole
    if last is not None and last[0] == now:
        return last[1]
    packed = []
    for action, message, category, module, line in now:
        try:
            packed.append(bytes(dumps((action, _text_of(message), category, _text_of(module), line))))
        except Exception:  # noqa: BLE001, S112  # a category that cannot be pickled cannot be met over there
            continue
    _packed = now, tuple(packed)
    return _packed[1]


def _text_of(pattern: Any) -> str:
    """The regular expression of a filter's field; the interpreter's own filters have plain text there."""
    if pattern is None:
        return ""
    return pattern.pattern if isinstance(pattern, re.Pattern) else re.escape(str(pattern)) + r"\Z"


_filters_now: tuple[bytes, ...] | None = None


def _set_filters(packed: tuple[bytes, ...], loads: Loads) -> None:
    """Set the filters only if they differ: setting them anew shows every warning once more."""
    global _filters_now
    if _filters_now == packed:
        return
    warnings.resetwarnings()
    for one in reversed(packed):
        try:
            action, message, category, module, line = loads(one)
            warnings.filterwarnings(action, message, category, module, line)
        except Exception:  # noqa: BLE001, S112  # what cannot be unpickled here cannot be met here
            continue
    _filters_now = packed
