"""Merge several objects into one, with a rule for keys on which they disagree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from batchmill.errors import InvalidParams
from batchmill.values.redaction import shortened

OnConflict = Literal["error", "first", "last", "deep"]

_SHOWN = 40


def merge_objects(objects: Iterable[object], on_conflict: OnConflict) -> dict[str, object]:
    """One object with the keys of all, in the order they are first met; none of ``objects`` is changed.

    Equal values are no conflict; lists under ``deep`` are put together all the same. Raises
    :class:`~batchmill.errors.InvalidParams` for a value that is no object, and for a conflict under
    ``error``.
    """
    merged: dict[str, object] = {}
    origin: dict[str, int] = {}  # where each key's value is from, for the error
    for number, value in enumerate(objects):
        if not isinstance(value, dict):
            raise InvalidParams(
                f"merge: mode dict makes one object of several, and value {number} is a "
                f"{type(value).__name__}; give `inputs` as an object to name the values"
            )
        for key, own in value.items():
            if key in merged and (on_conflict == "deep" or not _same(merged[key], own)):
                if on_conflict == "error":
                    raise InvalidParams(_conflict(key, origin[key], merged[key], number, own))
                own = _settled(merged[key], own, on_conflict)
            merged[key] = own
            origin.setdefault(key, number)
    return merged


def _same(one: object, other: object) -> bool:
    """Whether JSON would show the same: ``true`` and ``1`` are equal in Python only."""
    if type(one) is not type(other):
        return False
    try:
        return bool(one == other)
    except ValueError:  # arrays compare element by element, and that has no truth value
        return one is other


def _settled(earlier: object, later: object, on_conflict: OnConflict) -> object:
    if on_conflict == "first":
        return earlier
    if on_conflict == "deep":
        if isinstance(earlier, dict) and isinstance(later, dict):
            return merge_objects((earlier, later), "deep")
        if isinstance(earlier, (list, tuple)) and isinstance(later, (list, tuple)):
            return [*earlier, *later]
    return later


def _conflict(key: str, first: int, earlier: object, number: int, later: object) -> str:
    return (
        f"merge: values {first} and {number} have different values under {key!r}, {_shown(earlier)} and "
        f"{_shown(later)}; set `on_conflict` to first, last or deep"
    )


def _shown(value: object) -> str:
    return shortened(repr(value), _SHOWN)
