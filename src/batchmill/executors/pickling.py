"""Pickling for the trip to a worker process and back, large buffers out of band.

cloudpickle takes what is defined in the main module, in a function or as a lambda; values that are
plain all through go the faster way of the standard pickler. Buffers of :data:`OUT_OF_BAND_BYTES` and
more (numpy arrays and the like) are kept out of the stream (PEP 574), to be written once and mapped
by the receiver. Not so on PyPy, where numpy never lets go of a buffer that it was given: there arrays travel
as formats before 5 have them, in the stream, and are copied out of it.
"""

from __future__ import annotations

import io
import pickle  # nosec: what is unpickled comes from this program's own processes
import platform
import sys
from collections.abc import Sequence
from typing import Any

import cloudpickle

from batchmill.errors import NotPicklable
from batchmill.executors.blame import blame
from batchmill.executors.describe import text_of
from batchmill.executors.pypy import repair_cloudpickle

MAIN_OF_MULTIPROCESSING = "__mp_main__"
OUT_OF_BAND_BYTES = 1 << 20
OUT_OF_BAND = platform.python_implementation() != "PyPy"
PROTOCOL = 5 if OUT_OF_BAND else 4
repair_cloudpickle()
PLAIN = frozenset({int, float, str, bytes, bool, type(None), complex})


Stream = bytes | memoryview


def dumps(value: Any, buffers: list[pickle.PickleBuffer], *, plain: bool | None = None) -> Stream:
    """The pickle stream of ``value``; its large buffers are appended to ``buffers``.

    ``plain`` says what is known of the value already. Raises whatever pickling raises.
    """
    if is_plain(value) if plain is None else plain:
        return pickle.dumps(value, 5)
    _heed_main_module()
    stream = io.BytesIO()
    keeper = _keeper(buffers) if OUT_OF_BAND else None
    cloudpickle.CloudPickler(stream, PROTOCOL, buffer_callback=keeper).dump(value)
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


def refused_here(fault: BaseException) -> NotPicklable:
    """The error for a result that came back and does not unpickle in this process."""
    return NotPicklable(
        f"the result does not unpickle in the main process ({type(fault).__name__}: {text_of(fault)}); "
        "return plain data instead, or use executor 'thread'"
    )


def _try(value: Any) -> None:
    dumps(value, [])


def is_plain(value: Any) -> bool:
    """Whether the standard pickler does the same with ``value`` as cloudpickle, only faster."""
    if type(value) in PLAIN:
        return True
    return type(value) in (list, tuple, range) and all(type(part) in PLAIN for part in value)


def goes_by_name(function: Any) -> bool:
    """Whether cloudpickle would pickle ``function`` as no more than its module and name."""
    _heed_main_module()
    module = sys.modules.get(getattr(function, "__module__", None) or "__main__")
    name = getattr(function, "__qualname__", "")
    if module is None or module.__name__ == "__main__" or getattr(module, name, None) is not function:
        return False
    by_value = cloudpickle.list_registry_pickle_by_value()
    return not any(f"{module.__name__}.".startswith(f"{one}.") for one in by_value)


def _heed_main_module() -> None:
    """Let what is defined in the main module travel as such where multiprocessing gave that another name too,
    in a process that it made: nobody else has a module of this name."""
    main = sys.modules.get(MAIN_OF_MULTIPROCESSING)
    if main is None or main.__name__ != MAIN_OF_MULTIPROCESSING:
        return
    if MAIN_OF_MULTIPROCESSING not in cloudpickle.list_registry_pickle_by_value():
        cloudpickle.register_pickle_by_value(main)


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
