"""Whether many values are plain JSON, looked at level by level: to ask each value costs a call, to ask a
whole level next to nothing. And copies of such values."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any

from batchmill.values.plain_data import MAX_DEPTH, MAX_DIGITS

_CUT_TOGETHER = 256  # objects: more tuples at a time would start the collector of cycles
MOST = 1 << 18  # members of a level; what holds itself several times over would never end
WORTH_CUTTING = 32  # objects from which on a look at each of their columns is quicker than one at all values

_KEPT = frozenset({str, bool, type(None)})
_KNOWN = _KEPT | {int, float, dict, list}
_CONTAINERS = frozenset({dict, list})
_NUMBERS = frozenset({int, float})
_TEXT = frozenset({str})
_TOO_LARGE: int = 10**MAX_DIGITS
_JOIN_IS_STRICT = sys.implementation.name != "pypy"  # which joins bytearrays to texts


def all_plain(values: Sequence[object], *, basic: bool = False) -> bool:
    """Whether :func:`~batchmill.values.plain` is known to return each of ``values`` unchanged: objects with
    text keys, lists, text, finite numbers, true, false and null, of no subclass. False if that is unknown.

    ``basic`` says that all in them is of the built-in types that pickle knows by itself, of no subclass. Then
    a column of texts or numbers is known without a look at the type of each.
    """
    columns: list[Sequence[Any]] = [values]
    for _ in range(MAX_DEPTH):
        below: list[Sequence[Any]] = []
        for column in filter(len, columns):
            inside = () if basic and _are_alike(column) else _inside(column, basic)
            if inside is None:
                return False
            below += inside
        if not below:
            return True
        columns = below
    return False


def _are_alike(column: Sequence[Any]) -> bool:
    """Whether all members, of basic types, are known to be texts, or numbers of JSON."""
    kind = type(column[0])
    try:
        if kind is str and _JOIN_IS_STRICT:
            "".join(column)
            return True
        if kind in _NUMBERS:
            array("d", column)  # refuses all but numbers, and integers that are no float
            return isfinite(sum(column))  # true of finite numbers, unless they are very large
    except (TypeError, OverflowError):
        pass
    return False


def _inside(column: Sequence[Any], basic: bool) -> Sequence[Sequence[Any]] | None:
    """The members of the containers in a column; None if it is not known to be plain."""
    kinds = set(map(type, column))
    if not kinds <= _KNOWN or not _are_numbers_of_json(column, kinds):
        return None
    if kinds <= _KEPT:
        return ()
    objects, lists = _of(dict, column, kinds), _of(list, column, kinds)
    if sum(map(len, objects)) + sum(map(len, lists)) > MOST:
        return None
    alike = basic and len(objects) == len(column) >= WORTH_CUTTING
    if alike and (columns := _cut(objects)) is not None:
        return columns
    if not _TEXT.issuperset(map(type, chain.from_iterable(objects))):
        return None
    return ([*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(lists)],)


def _cut(objects: Sequence[dict[object, object]]) -> Sequence[Sequence[Any]] | None:
    """The values of objects by their keys; None unless they have the same keys, of basic types, all text."""
    names = tuple(objects[0])
    same = len(names) > 1 and set(map(len, objects)) == {len(names)}
    if not same or not _TEXT.issuperset(map(type, names)):
        return None
    take, columns = itemgetter(*names), list[Sequence[Any]]()
    try:
        for start in range(0, len(objects), _CUT_TOGETHER):
            columns += zip(*map(take, objects[start : start + _CUT_TOGETHER]), strict=True)
    except KeyError:
        return None
    return columns


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
