"""An estimate of the memory of a value, from a sample of it."""

from __future__ import annotations

import sys
from collections.abc import Collection

_LOOKED_AT = 64  # values inside one that are measured; the rest is taken to be like them
_OBJECT, _REFERENCE = 64, 8  # bytes
_CONTAINERS = (dict, list, tuple)
_SCALARS = frozenset({str, int, float, bool, type(None), bytes})


def weight(value: object) -> int:
    """Bytes, roughly: exact for text and bytes, by the first members for containers and dataclasses."""
    try:
        if type(value) in _SCALARS:
            return sys.getsizeof(value, 0) or _estimate(value)
        return _weight(value, [_LOOKED_AT])
    except Exception:  # noqa: BLE001  # an object's own code, such as its __sizeof__, or one nested too deep
        return _OBJECT


def _weight(value: object, left: list[int]) -> int:
    left[0] -= 1
    own = sys.getsizeof(value, 0) or _estimate(value)
    members = _members(value)
    measured = seen = 0
    for one in members:
        if left[0] <= 0:
            break
        if type(one) in _SCALARS:  # as most are: here, as a call takes longer than all else
            left[0] -= 1
            measured += sys.getsizeof(one, 0) or _estimate(one)
        else:
            measured += _weight(one, left)
        seen += 1
    return own + (measured * len(members) // seen if seen else 0)


def _members(value: object) -> Collection[object]:
    if isinstance(value, _CONTAINERS):
        return value.values() if isinstance(value, dict) else value
    # the values of a dataclass with slots are not part of its own size
    return [getattr(value, name, None) for name in getattr(type(value), "__dataclass_fields__", ())]


def _estimate(value: object) -> int:
    """The estimate where objects cannot tell their size, as on PyPy."""
    if isinstance(value, (str, bytes, bytearray)):
        return _OBJECT + len(value)
    if isinstance(value, _CONTAINERS):
        return _OBJECT + _REFERENCE * len(value)
    return _OBJECT + int(getattr(value, "nbytes", 0))
