"""Pickles of values of basic types only: those that pickle writes without asking their class.

Such bytes need no trial whether they can be read, and nothing in them is of a subclass.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

_BASIC = frozenset(
    {type(None), bool, int, float, str, bytes, bytearray, dict, list, tuple, set, frozenset}
)  # fmt: skip


class _NotBasic(Exception):  # never leaves this module
    """Raised for an object of another type."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """The pickler of the interpreter, in C, asks only for what is not basic; one in Python for all."""
        if type(value) in _BASIC:
            return NotImplemented
        raise _NotBasic


class BasicPickler:
    """Pickles one value after another. Used by one thread."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._pickler = _Pickler(self._bytes, 5)

    def dumped(self, value: object) -> bytes | None:
        """The pickle of a value; None if anything in it is not basic. After that, use it no more."""
        self._bytes.seek(0)
        self._bytes.truncate()
        self._pickler.clear_memo()
        try:
            self._pickler.dump(value)
        except Exception:  # noqa: BLE001  # whatever it is, the usual pickler decides what becomes of the value
            return None
        return self._bytes.getvalue()
