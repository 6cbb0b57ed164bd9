"""Whether many values are plain JSON, looked at level by level: to ask each value costs a call, to ask a
whole level next to nothing. And copies of such values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from math import isfinite
from typing import Any

from batchmill.values.plain_data import MAX_DEPTH, MAX_DIGITS

MOST = 1 << 18  # members of a level; what holds itself several times over would never end

_KEPT = frozenset({str, bool, type(None)})
_KNOWN = _KEPT | {int, float, dict, list}
_CONTAINERS = frozenset({dict, list})
_NUMBERS = frozenset({int, float})
_TEXT = frozenset({str})
_TOO_LARGE: int = 10**MAX_DIGITS


def all_plain(values: Sequence[object]) -> bool:
    """Whether :func:`~batchmill.values.plain` is known to return each of ``values`` unchanged: objects with
    text keys, lists, text, finite numbers, true, false and null, of no subclass. False if that is unknown."""
    level: Sequence[Any] = values
    for _ in range(MAX_DEPTH):
        kinds = set(map(type, level))
        if not kinds <= _KNOWN or not _are_numbers_of_json(level, kinds):
            return False
        if kinds <= _KEPT:
            return True
        objects = _of(dict, level, kinds)
        if not _TEXT.issuperset(map(type, chain.from_iterable(objects))):
            return False
        lists = _of(list, level, kinds)
        if sum(map(len, objects)) + sum(map(len, lists)) > MOST:
            return False
        level = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(lists)]
        if not level:
            return True
    return False


def copied(value: object) -> object:
    """``value`` with dictionaries and lists of its own; all other values in them are shared."""
    if type(value) is dict:
        if _CONTAINERS.isdisjoint(map(type, value.values())):  # as rows are
            return value.copy()
        return {key: copied(one) if type(one) in _CONTAINERS else one for key, one in value.items()}
    if type(value) is not list:
        return value
    kinds = set(map(type, value))
    if _CONTAINERS.isdisjoint(kinds):
        return value.copy()
    if kinds == {dict}:
        members = chain.from_iterable(map(dict.values, value))
        if _CONTAINERS.isdisjoint(map(type, members)):
            return list(map(dict.copy, value))
    return [copied(one) if type(one) in _CONTAINERS else one for one in value]


def _of(kind: type, level: Sequence[object], kinds: set[type]) -> Sequence[Any]:
    """The members of a level that are of a ``kind``."""
    if kind not in kinds:
        return ()
    return level if len(kinds) == 1 else [one for one in level if type(one) is kind]


def _are_numbers_of_json(level: Iterable[Any], kinds: set[type]) -> bool:
    if kinds.isdisjoint(_NUMBERS):
        return True
    numbers = level if kinds <= _NUMBERS else [one for one in level if type(one) in _NUMBERS]
    try:
        return all(map(isfinite, numbers))
    except OverflowError:  # an integer that is no float
        return all(isfinite(one) if type(one) is float else abs(one) < _TOO_LARGE for one in numbers)
