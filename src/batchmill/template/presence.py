"""Whether there can be a template in a large value, found out without walking through it."""

from __future__ import annotations

import json
import marshal
from typing import Any

from batchmill.lists import LazyList

LARGE = 1000  # members; below that walking costs nothing worth saving


def is_large(value: object) -> bool:
    """Whether ``value`` is a list or object so long that it is worth a look before it is walked through."""
    return isinstance(value, (list, dict)) and len(value) > LARGE


def may_hold_templates(value: object) -> bool:
    """False if no text in ``value`` has a ``${``; True if one has, or if it cannot be determined."""
    parts = [value]
    if isinstance(value, list):
        parts = [value[start : start + LARGE] for start in range(0, len(value), LARGE)]
    return any(map(_may_hold, parts))


def _may_hold(value: Any) -> bool:
    try:
        if b"${" not in marshal.dumps(value):
            return False
        return "${" in json.dumps(value)  # some numbers have these bytes as well
    except (ValueError, TypeError, RecursionError):  # something that is not plain data, or nested deep
        return True


class ConstantItems(LazyList):
    """The elements of a list of plain data, copied anew on each read."""

    __slots__ = ("_items",)
    instant = True

    def __init__(self, items: list[object]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def part(self, start: int, stop: int) -> list[Any]:
        copied: list[object] = marshal.loads(marshal.dumps(self._items[start:stop]))  # noqa: S302  # our own bytes
        return copied
