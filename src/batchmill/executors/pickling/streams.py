"""Reading pickles of :mod:`batchmill.executors.pickling.pickler`, for code that does not need cloudpickle."""

from __future__ import annotations

import pickle  # nosec: what is unpickled comes from this program's own processes
from collections.abc import Sequence
from typing import Any

Stream = bytes | memoryview


def loads(stream: Any, buffers: Sequence[Any] = ()) -> Any:
    """The pickled value; ``stream`` and ``buffers`` are bytes-like."""
    return pickle.loads(stream, buffers=buffers)  # noqa: S301  # from our own processes only
