"""Pickling for the trip to a worker process and back, large buffers out of band.

cloudpickle takes what is defined in the main module, in a function or as a lambda, and in modules that a
worker cannot import; values that are plain all through go the faster way of the standard pickler. Beyond
what cloudpickle does by itself, code keeps the name of its file, so that tracebacks show its lines, context
variables travel (see :mod:`batchmill.executors.pickling.context`), and open files do not: it would send
their content.

Buffers of :data:`OUT_OF_BAND_BYTES` and more (numpy arrays and the like) are kept out of the stream
(PEP 574), to be written once and mapped by the receiver. So are bytes of :data:`LEAST_BYTES` and more among
plain values, which the receiver copies: in the stream they would be copied once more on either side. Not so
on PyPy, where numpy never lets go of a buffer that it was given: there arrays travel as formats before 5 have
them, in the stream, and are copied out of it.
"""

from __future__ import annotations

import io
import linecache
import os
import pickle  # nosec: what is unpickled comes from this program's own processes
import platform
import sys
import types
from collections import ChainMap
from collections.abc import Mapping
from contextvars import ContextVar
from operator import index
from typing import Any, ClassVar, SupportsIndex

import cloudpickle

from batchmill.errors import NotPicklable
from batchmill.executors.contract import Task
from batchmill.executors.describe import text_of
from batchmill.executors.pickling.blame import blame
from batchmill.executors.pickling.context import reduce_variable
from batchmill.executors.pickling.importable import is_importable, prepare
from batchmill.executors.pickling.pypy import repair_cloudpickle
from batchmill.executors.pickling.streams import Stream, loads

__all__ = [
    "OUT_OF_BAND",
    "OUT_OF_BAND_BYTES",
    "PLAIN",
    "PROTOCOL",
    "Stream",
    "apart",
    "as_buffer",
    "dumps",
    "goes_by_name",
    "is_plain",
    "loads",
    "named",
    "refusal",
    "refused_here",
]

OUT_OF_BAND_BYTES = 1 << 20
LEAST_BYTES = 1 << 16
MOST_APART = 64
OUT_OF_BAND = platform.python_implementation() != "PyPy"
PROTOCOL = 5 if OUT_OF_BAND else 4
repair_cloudpickle()
_NAMED = (types.FunctionType, type, types.ModuleType)
PLAIN = frozenset({int, float, str, bytes, bool, type(None), complex})
_OR_OBJECTS = PLAIN | {dict}
_FEW = 16  # objects that are looked into: of more, the look takes longer than it saves


def dumps(
    value: object, buffers: list[pickle.PickleBuffer], *, plain: bool | None = None, in_band: bool = False
) -> Stream:
    """The pickle stream of ``value``; its large buffers are appended to ``buffers``, unless ``in_band``.
    Those of a plain value are copied by whoever unpickles it.

    ``plain`` says what is known of the value already. Raises whatever pickling raises.
    """
    if is_plain(value) if plain is None else plain:
        return pickle.dumps(value, 5, buffer_callback=None if in_band else buffers.append)
    stream = io.BytesIO()
    keeper = _keeper(buffers) if OUT_OF_BAND and not in_band else None
    _Pickler(stream, PROTOCOL, buffer_callback=keeper).dump(value)
    return stream.getbuffer()


def as_buffer(stream: Stream, protocol: SupportsIndex) -> object:
    """What to pickle in the place of a stream, so that it travels out of band if it is large."""
    return pickle.PickleBuffer(stream) if index(protocol) >= 5 else bytes(stream)


def refusal(value: object, fault: BaseException, what: str) -> NotPicklable:
    """The error for a value that cannot be pickled: its name, the part at fault and the remedy. A task that
    is only a function is called by the function's name."""
    function = value.only_function if isinstance(value, Task) else None
    where = blame(value, _try, root=what) if function is None else blame(function, _try, root=named(function))
    return NotPicklable(
        f"{where} cannot travel between processes ({type(fault).__name__}: {text_of(fault)}); "
        "pass plain data instead, create it inside the function, or use executor 'thread'"
    )


def refused_here(fault: BaseException) -> NotPicklable:
    """The error for a result that came back but cannot be unpickled in this process."""
    return NotPicklable(
        f"the result does not unpickle in the main process ({type(fault).__name__}: {text_of(fault)}); "
        "return plain data instead, or use executor 'thread'"
    )


def _try(value: object) -> None:
    dumps(value, [])


def is_plain(value: Any) -> bool:
    """Whether the standard pickler does the same with ``value`` as cloudpickle, only faster."""
    if type(value) in PLAIN:
        return True
    if type(value) not in (list, tuple, range):
        return False
    if PLAIN.issuperset(map(type, value)):
        return True
    # Outputs of nodes: cloudpickle's pickler takes 3 µs for one in a loop, 80 after an item that computed.
    few = len(value) <= _FEW and _OR_OBJECTS.issuperset(map(type, value))
    return few and all(_is_flat(part) for part in value if type(part) is dict)


def _is_flat(value: dict[Any, Any]) -> bool:
    return PLAIN.issuperset(map(type, value)) and PLAIN.issuperset(map(type, value.values()))


def apart(values: Any) -> Any:
    """Plain values with each that is large bytes in a form that goes out of band, unless they are so many
    that the places where they lie would be a large message by themselves."""
    if not OUT_OF_BAND or type(values) not in (list, tuple):
        return values
    large = {id(one): one for one in values if type(one) is bytes and len(one) >= LEAST_BYTES}
    if not 0 < len(large) <= MOST_APART:
        return values
    forms = {key: _Apart(one) for key, one in large.items()}  # one that is there twice travels once
    return type(values)(forms.get(id(one), one) for one in values)


class _Apart:
    """Becomes the bytes again, where it is unpickled."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __reduce__(self) -> tuple[object, ...]:
        return bytes, (pickle.PickleBuffer(self._content),)


def goes_by_name(function: object) -> bool:
    """Whether cloudpickle would pickle ``function`` as no more than its module and name."""
    module = sys.modules.get(getattr(function, "__module__", None) or "__main__")
    name = getattr(function, "__qualname__", "")
    if module is None or module.__name__ == "__main__" or getattr(module, name, None) is not function:
        return False
    if not is_importable(module):
        return False
    by_value = cloudpickle.list_registry_pickle_by_value()
    return not any(f"{module.__name__}.".startswith(f"{one}.") for one in by_value)


def named(function: object) -> str:
    """A function for a message, such as ``function half of __main__``."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None)
    return f"function {name}" + (f" of {module}" if module else "")


def _reduce_code(code: types.CodeType) -> tuple[object, ...]:
    """The same as cloudpickle, with the name of the file; with the source if only this process has it, such
    as that of a cell of a notebook."""
    make, fields = _CLOUDPICKLES[types.CodeType](code)
    file = code.co_filename
    fields = tuple(file if isinstance(one, str) and one == "<dynamic-code>" else one for one in fields)
    held = linecache.cache.get(file)
    if held is None or len(held) < 4 or os.path.exists(file):
        return make, fields
    return _code_with_source, (make, fields, file, "".join(held[2]))


def _code_with_source(make: Any, fields: tuple[object, ...], file: str, source: str) -> object:
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    return make(*fields)


def _refuse_file(file: io.TextIOWrapper) -> object:
    for name in ("stdout", "stderr"):
        if file is getattr(sys, name):
            return getattr, (sys, name)
    raise pickle.PicklingError(f"the open file {getattr(file, 'name', '?')!r} is bound to this process")


_CLOUDPICKLES = cloudpickle.CloudPickler.dispatch_table


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # it comes without types
    """See the module."""

    dispatch_table: ClassVar[Mapping[object, object]] = ChainMap(
        {types.CodeType: _reduce_code, ContextVar: reduce_variable, io.TextIOWrapper: _refuse_file},
        _CLOUDPICKLES,
    )

    if OUT_OF_BAND:

        def reducer_override(self, value: object) -> object:
            if isinstance(value, _NAMED):
                prepare(value)
            return super().reducer_override(value)

    else:  # PyPy's pickler is written in Python and has no such hook

        def save(self, value: object, save_persistent_id: bool = True) -> object:
            if isinstance(value, _NAMED):
                prepare(value)
            return super().save(value, save_persistent_id)


def _keeper(buffers: list[pickle.PickleBuffer]) -> object:
    def keep(buffer: pickle.PickleBuffer) -> bool:
        """True leaves the buffer in the stream."""
        try:
            size = buffer.raw().nbytes
        except BufferError:  # not contiguous: only the pickler itself can lay it out
            return True
        if size < OUT_OF_BAND_BYTES:
            return True
        buffers.append(buffer)
        return False

    return keep
