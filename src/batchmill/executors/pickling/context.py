"""Send context variables to worker processes: the variables themselves, and their values.

A variable of an importable module is that module's own in the worker. Any other, such as one of the script,
is made there once, so that all functions that use it share one. Values set where a batch begins are set for
its items, as on threads, as far as they can be pickled.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import threading
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

from batchmill.executors.pickling.importable import is_importable

Dumps = Callable[[Any], bytes]
_PACKAGE = __name__.partition(".")[0]

_lock = threading.Lock()  # guards what follows
_places: dict[ContextVar[object], tuple[str, str] | None] = {}
_keys: dict[ContextVar[object], str] = {}
_made: dict[str, ContextVar[object]] = {}
_numbers = itertools.count()


def reduce_variable(variable: ContextVar[object]) -> tuple[object, ...]:
    """How a context variable is pickled."""
    place = _place_of(variable)
    if place is not None:
        return _of_module, place
    try:
        default: tuple[Any, ...] = (Context().run(variable.get),)
    except LookupError:
        default = ()
    return _made_here, (_key_of(variable), variable.name, default)


def _of_module(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name)


def _made_here(key: str, name: str, default: tuple[object, ...]) -> ContextVar[object]:
    with _lock:
        if key not in _made:
            made: ContextVar[object] = ContextVar(name, default=default[0]) if default else ContextVar(name)
            _made[key] = made
            _keys[made] = key
        return _made[key]


def _key_of(variable: ContextVar[object]) -> str:
    with _lock:
        if variable not in _keys:
            _keys[variable] = f"{os.getpid()}-{next(_numbers)}"
        return _keys[variable]


def _place_of(variable: ContextVar[object]) -> tuple[str, str] | None:
    """The importable module that has the variable, and its name there; looked for once."""
    with _lock:
        if variable in _places:
            return _places[variable]
    found = _look_for(variable)
    with _lock:
        _places[variable] = found
    return found


def _look_for(variable: ContextVar[object]) -> tuple[str, str] | None:
    for module_name, module in list(sys.modules.items()):
        if module_name == "__main__" or not hasattr(module, "__dict__"):
            continue
        for name, value in list(vars(module).items()):
            if value is variable and is_importable(module):
                return module_name, name
    return None


def packed_context(dumps: Dumps) -> tuple[bytes, ...]:
    """The context variables set here, each with its value as a pickle, without values that cannot be pickled,
    without our own and without that of :mod:`decimal`, whose context is no use in any other variable."""
    packed = []
    for variable, value in copy_context().items():
        if _is_of_decimal(variable, value):
            continue
        place = _place_of(variable)
        if place is not None and place[0].partition(".")[0] == _PACKAGE:
            continue
        try:
            packed.append(bytes(dumps((variable, value))))
        except Exception:  # noqa: BLE001, S112  # whatever pickling the user's value raises: it stays here
            continue
    return tuple(packed)


def _is_of_decimal(variable: ContextVar[object], value: object) -> bool:
    decimal = sys.modules.get("decimal")
    return decimal is not None and variable.name == "decimal_context" and value is decimal.getcontext()


def context_of(packed: tuple[bytes, ...], loads: Callable[[bytes], Any]) -> Context:
    """A context in which what :func:`packed_context` gave is set."""
    context = Context()
    for one in packed:
        try:
            variable, value = loads(one)
        except Exception:  # noqa: BLE001, S112  # what cannot be unpickled here is not set
            continue
        context.run(variable.set, value)
    return context
