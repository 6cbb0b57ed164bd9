"""About how much memory a value takes, told from a part of it."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

_LOOKED_AT = 64  # values inside one that are measured; the rest is taken to be like them
_OBJECT, _REFERENCE = 64, 8  # bytes
_CONTAINERS = (dict, list, tuple)


def weight(value: Any) -> int:
    """Bytes, roughly: text and bytes as they are, containers and dataclasses by their first members."""
    return _weight(value, [_LOOKED_AT])


def _weight(value: Any, left: list[int]) -> int:
    left[0] -= 1
    own = sys.getsizeof(value, 0) or _estimate(value)
    members = _members(value)
    measured = seen = 0
    for one in members:
        if left[0] <= 0:
            break
        measured += _weight(one, left)
        seen += 1
    return own + (measured * len(members) // seen if seen else 0)


def _members(value: Any) -> Collection[Any]:
    if isinstance(value, _CONTAINERS):
        return value.values() if isinstance(value, dict) else value
    fields = getattr(
        type(value), "__dataclass_fields__", ()
    )  # ours have slots, which have no size of their own
    return [getattr(value, name, None) for name in fields]


def _estimate(value: Any) -> int:
    """Where objects do not tell their size, as on PyPy."""
    if isinstance(value, (str, bytes, bytearray)):
        return _OBJECT + len(value)
    if isinstance(value, _CONTAINERS):
        return _OBJECT + _REFERENCE * len(value)
    return _OBJECT + int(getattr(value, "nbytes", 0))
