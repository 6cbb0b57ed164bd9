"""Repairs for cloudpickle on PyPy. On other interpreters it does nothing.

cloudpickle 3.1 has two faults on PyPy 3.11 (cloudpipe/cloudpickle#557): it takes code objects apart with a
field that PyPy's do not have, and reads the operands of LOAD_GLOBAL as CPython counts them, so functions lose
the globals they use. And PyPy's locks, generators and similar objects do not refuse to be pickled: they
arrive as unusable objects, or not at all. All is repaired where things are pickled: in the parent, and in
workers for their results.

This file can go, with its one call in ``pickling``, when a release of cloudpickle works without it: then
``tests/executors/pickling/test_pypy.py`` fails on PyPy and says so.
"""

from __future__ import annotations

import platform
import threading
import types
import weakref
from typing import NoReturn

import cloudpickle.cloudpickle as _internals

FIELDS = (
    *("argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "code", "consts"),
    *(
        "names",
        "varnames",
        "filename",
        "name",
        "qualname",
        "firstlineno",
        "linetable",
        "freevars",
        "cellvars",
    ),
)
BOUND_TO_A_PROCESS = (
    *(type(threading.Lock()), type(threading.RLock()), threading.local, weakref.ref),
    *(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, types.FrameType),
)


def needed() -> bool:
    """Whether this is an interpreter that cloudpickle does not know: PyPy from language level 3.11 on."""
    code = needed.__code__
    pypy = platform.python_implementation() == "PyPy"
    return pypy and hasattr(code, "co_qualname") and not hasattr(code, "co_exceptiontable")


def repair_cloudpickle() -> None:
    """Repair the cloudpickle of this process where that is needed; doing it twice does no harm."""
    if not needed():
        return
    _internals._code_reduce = _reduce_code
    _internals.Pickler._dispatch_table[types.CodeType] = _reduce_code
    _internals._walk_global_ops = _names_of
    _internals.Pickler._dispatch_table.update(dict.fromkeys(BOUND_TO_A_PROCESS, _refuse))


def _reduce_code(code: types.CodeType) -> tuple[object, ...]:
    return types.CodeType, tuple(getattr(code, f"co_{field}") for field in FIELDS)


def _refuse(value: object) -> NoReturn:
    """In CPython's words."""
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    raise TypeError(f"cannot pickle '{module}{kind.__qualname__}' object")


def _names_of(code: types.CodeType) -> object:
    """Every name the code uses, attributes too: more than its globals, which does no harm."""
    return iter(code.co_names)
