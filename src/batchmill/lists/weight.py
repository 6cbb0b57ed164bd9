"""About how much memory a value takes, told from a part of it."""

from __future__ import annotations

import sys
from typing import Any

_LOOKED_AT = 64  # values inside one that are measured; the rest is taken to be like them
_CONTAINERS = (dict, list, tuple)


def weight(value: Any) -> int:
    """Bytes, roughly: text and bytes as they are, containers by their first members."""
    return _weight(value, [_LOOKED_AT])


def _weight(value: Any, left: list[int]) -> int:
    left[0] -= 1
    own = sys.getsizeof(value, 64)
    if not isinstance(value, _CONTAINERS) or not value:
        return own
    measured = seen = 0
    for one in value.values() if isinstance(value, dict) else value:
        if left[0] <= 0:
            break
        measured += _weight(one, left)
        seen += 1
    return own + (measured * len(value) // seen if seen else 0)
