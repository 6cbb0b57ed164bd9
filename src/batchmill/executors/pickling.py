"""Pickling for the trip to a worker process and back, large buffers out of band.

cloudpickle takes what is defined in the main module, in a function or as a lambda; values that are
plain all through go the faster way of the standard pickler. Buffers of :data:`OUT_OF_BAND_BYTES` and
more (numpy arrays and the like) are kept out of the stream (PEP 574), to be written once and mapped
by the receiver.
"""

from __future__ import annotations

import io
import pickle  # nosec: what is unpickled comes from this program's own processes
import platform
import types
from collections.abc import Sequence
from typing import Any

import cloudpickle
import cloudpickle.cloudpickle as _internals

from batchmill.errors import NotPicklable
from batchmill.executors.blame import blame
from batchmill.executors.describe import text_of

OUT_OF_BAND_BYTES = 1 << 20
PLAIN = frozenset({int, float, str, bytes, bool, type(None), complex})


Stream = bytes | memoryview


def dumps(value: Any, buffers: list[pickle.PickleBuffer], *, plain: bool | None = None) -> Stream:
    """The pickle stream of ``value``; its large buffers are appended to ``buffers``.

    ``plain`` says what is known of the value already. Raises whatever pickling raises.
    """
    if is_plain(value) if plain is None else plain:
        return pickle.dumps(value, 5)
    stream = io.BytesIO()
    cloudpickle.CloudPickler(stream, 5, buffer_callback=_keeper(buffers)).dump(value)
    return stream.getbuffer()


def loads(stream: Any, buffers: Sequence[Any] = ()) -> Any:
    """What :func:`dumps` was given; ``stream`` and ``buffers`` are bytes-like."""
    return pickle.loads(stream, buffers=buffers)  # noqa: S301  # from our own processes only


def refusal(value: Any, fault: BaseException, what: str) -> NotPicklable:
    """The error for a value that cannot be pickled: what it is, which part is at fault and what to do."""
    where = blame(value, _try, root=what)
    return NotPicklable(
        f"{where} cannot travel between processes ({type(fault).__name__}: {text_of(fault)}); "
        "pass plain data instead, create it inside the function, or use executor 'thread'"
    )


def _try(value: Any) -> None:
    dumps(value, [])


def is_plain(value: Any) -> bool:
    """Whether the standard pickler does the same with ``value`` as cloudpickle, only faster."""
    if type(value) in PLAIN:
        return True
    return type(value) in (list, tuple, range) and all(type(part) in PLAIN for part in value)


def _keeper(buffers: list[pickle.PickleBuffer]) -> Any:
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


def _repair_pypy() -> None:
    """cloudpickle 3.1 on PyPy 3.11 takes code objects apart with fields PyPy's have not, and misses
    globals because PyPy numbers them otherwise (cloudpipe/cloudpickle#557). Elsewhere a no-op."""
    code = _repair_pypy.__code__
    if platform.python_implementation() != "PyPy" or hasattr(code, "co_exceptiontable"):
        return

    def reduce_code(code: types.CodeType) -> tuple[Any, ...]:
        fields = "argcount posonlyargcount kwonlyargcount nlocals stacksize flags code consts names varnames "
        fields += "filename name qualname firstlineno linetable freevars cellvars"
        return types.CodeType, tuple(getattr(code, f"co_{field}") for field in fields.split())

    _internals._code_reduce = reduce_code
    _internals.Pickler._dispatch_table[types.CodeType] = reduce_code
    _internals._walk_global_ops = lambda code: iter(code.co_names)  # a superset: harmless


_repair_pypy()
