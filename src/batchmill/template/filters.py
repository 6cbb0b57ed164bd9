"""The filters of ``${value | filter}``: a fixed list of small pure functions.

No filter changes the value it is given. Only ``parse`` and ``number`` read text as another kind of value.
"""

from __future__ import annotations

import copy
import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from batchmill.errors import FilterError
from batchmill.lists import LazyList
from batchmill.template.parts import DEFAULT
from batchmill.template.text import LISTS, check_length, to_json, to_text
from batchmill.values import NotJson, exact_number, from_json
from batchmill.values.words import kind_of


@dataclass(frozen=True, slots=True)
class FilterRule:
    """A filter's function, and whether a text follows its name after a colon."""

    apply: Callable[..., object]
    takes_argument: bool = False


def apply_filter(name: str, argument: object, value: object) -> object:
    """``value`` through the filter ``name``. Raises :class:`FilterError`."""
    rule = FILTERS[name]
    return rule.apply(value, argument) if rule.takes_argument else rule.apply(value)


def _listed(name: str, value: object) -> Sequence[object]:
    if isinstance(value, str):
        raise FilterError(
            f"the filter {name!r} needs a list, not text; | parse reads JSON, | lines makes a list of lines"
        )
    if not isinstance(value, LISTS):
        raise FilterError(f"the filter {name!r} needs a list, not {kind_of(value)}")
    return value if isinstance(value, LazyList) else list(value)


def _filled(name: str, value: object) -> Sequence[object]:
    items = _listed(name, value)
    if not items:
        raise FilterError(f"the filter {name!r} needs at least one element, and the list is empty")
    return items


def _numbers(name: str, items: Sequence[object]) -> Sequence[Any]:
    for index, one in enumerate(items):
        if isinstance(one, bool) or not isinstance(one, (int, float)):
            hint = "; | number makes numbers of text" if isinstance(one, str) else ""
            raise FilterError(
                f"the filter {name!r} needs numbers, and element {index} is {kind_of(one)}{hint}"
            )
        if not _is_finite(one):
            raise FilterError(f"the filter {name!r} needs finite numbers, and element {index} is {one}")
    return items


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _comparable(name: str, items: Sequence[Any]) -> Sequence[object]:
    kinds = {kind_of(one) for one in items}
    if len(kinds) > 1:
        raise FilterError(f"the filter {name!r} cannot compare {' with '.join(sorted(kinds))}")
    if kinds & {"null", "an object"}:
        raise FilterError(f"the filter {name!r} cannot put {kinds.pop()} in order")
    if kinds == {"a number"}:
        nan = next((index for index, one in enumerate(items) if one != one), None)  # NaN alone
        if nan is not None:
            raise FilterError(f"the filter {name!r} cannot put NaN in order, which element {nan} is")
    if kinds == {"text"}:
        _refuse_numbers_as_text(name, items)
    return items


def _refuse_numbers_as_text(name: str, items: Sequence[str]) -> None:
    """Refuse to sort texts that are numbers, as all cells of a CSV file are, if the two orders differ: as
    text, ``9`` comes after ``10``. Blank texts, as empty cells are, do not make a column one of words."""
    filled = [one for one in items if one.strip()]
    try:
        numbers = [exact_number(one) for one in filled]
    except ValueError:
        return
    by_text = sorted(range(len(filled)), key=filled.__getitem__)
    for first, second in itertools.pairwise(by_text):
        if numbers[first] > numbers[second]:
            blank = ", and leave out what is empty" if len(filled) < len(items) else ""
            raise FilterError(
                f"the filter {name!r} got numbers as text, and as text {filled[second]!r} comes after "
                f"{filled[first]!r}; write | number before it{blank}"
            )


def _ordered(name: str, choose: Callable[[Sequence[Any]], object], items: Sequence[object]) -> object:
    try:
        return choose(_comparable(name, items))
    except TypeError as error:  # lists with elements of different kinds
        raise FilterError(f"the filter {name!r} cannot compare the elements: {error}") from error


def _lines(value: object) -> list[str]:
    """As sources read lines: LF and CRLF end one, a CR by itself is data, a byte-order mark is dropped."""
    if value is None:
        return []
    if not isinstance(value, str):
        raise FilterError(f"the filter 'lines' needs text, not {kind_of(value)}")
    *ended, last = value.removeprefix("\ufeff").split("\n")
    lines = [line.removesuffix("\r") for line in ended]
    return [*lines, last] if last else lines


def _join(value: object, separator: str) -> str:
    texts = [to_text(one) for one in _listed("join", value)]
    check_length(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


_EXACT = 1 << 53
"""Up to here every integer is a float, and sums of floats do not overflow half way."""


def _count(value: object) -> int:
    if isinstance(value, (str, *LISTS, Mapping)):
        return len(value)
    raise FilterError(f"the filter 'count' needs a list, an object or text, not {kind_of(value)}")


def _parse(value: object) -> object:
    """The value that text writes as JSON; what is no text is one already."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except NotJson as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise FilterError(f"the filter 'parse' got text that is not JSON: {error}{hint}") from error


def _number(value: object) -> object:
    """A number out of text, and numbers out of a list of it."""
    if isinstance(value, LISTS):
        return [_number(one) for one in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise FilterError(f"the filter 'number' needs text, or a list of it, not {kind_of(value)}")
    try:
        return exact_number(value)
    except ValueError as error:
        raise FilterError(f"the filter 'number': {error}") from error


def _sum(value: object) -> object:
    return _added("sum", _listed("sum", value))


def _mean(value: object) -> object:
    items = _filled("mean", value)
    return _added("mean", items, len(items))


def _added(name: str, items: Sequence[object], divisor: int = 0) -> Any:
    """Integers are added as such, anything else with one rounding at the end, on every interpreter alike."""
    try:
        numbers = list(_numbers(name, items))
        if all(isinstance(one, int) for one in numbers):
            total = sum(numbers)
            return total / divisor if divisor else total
        if max(map(abs, numbers), default=0) < _EXACT:
            total = math.fsum(numbers)
            return total / divisor if divisor else total
        whole = sum(map(Fraction, numbers))  # an integer that no float holds, or sums that none holds
        return float(whole / divisor if divisor else whole)
    except OverflowError as error:
        raise FilterError(f"the filter {name!r} gives more than a number can be here: {error}") from error


def _unique(value: object) -> list[object]:
    """The first of each; ``1``, ``1.0``, ``true`` and ``"1"`` are four different values."""
    kept: dict[object, object] = {}
    for one in _listed("unique", value):
        key = (str, one) if isinstance(one, str) else (type(one), to_json(_by_key(one)))
        kept.setdefault(key, one)
    return list(kept.values())


def _by_key(value: object) -> object:
    """A value with the keys of its objects in one order, which makes no difference between two of them."""
    if isinstance(value, Mapping):
        return {key: _by_key(value[key]) for key in sorted(value, key=str)}
    return [_by_key(one) for one in value] if isinstance(value, LISTS) else value


def _flatten(value: object) -> list[object]:
    """Flatten one level: the elements of the lists in a list, and its other elements unchanged."""
    flat: list[object] = []
    for one in _listed("flatten", value):
        if isinstance(one, LISTS):
            flat.extend(one)
        else:
            flat.append(one)
    return flat


def _default(value: object, other: object) -> object:
    """``other`` for null and empty values; a missing value arrives here as null."""
    empty = value is None or (isinstance(value, (str, *LISTS, Mapping)) and not len(value))
    return copy.deepcopy(other) if empty else value


def _group(value: object, key: str) -> dict[str, list[object]]:
    """Group the elements by the value under ``key``, as text, in order of first appearance."""
    groups: dict[str, list[object]] = {}
    for index, one in enumerate(_listed("group", value)):
        if not isinstance(one, Mapping) or key not in one:
            has = f"has no {key!r}" if isinstance(one, Mapping) else f"is {kind_of(one)}"
            raise FilterError(f"the filter 'group' needs objects with {key!r}, and element {index} {has}")
        if isinstance(one[key], (Mapping, *LISTS)):
            raise FilterError(f"the filter 'group' cannot group by {kind_of(one[key])}, in element {index}")
        groups.setdefault(to_text(one[key]), []).append(one)
    return groups


def _of_path(name: str, part: Callable[[str], str]) -> FilterRule:
    """A part of a path, or of each path in a list."""

    def of(value: object) -> Any:
        if isinstance(value, LISTS):
            return [of(one) for one in value]
        if not isinstance(value, str):
            raise FilterError(f"the filter {name!r} needs a path, or a list of them, not {kind_of(value)}")
        return part(value)

    return FilterRule(of)


def _name_of(path: str) -> str:
    return os.path.basename(path.rstrip("/") or path)


def _url(value: object) -> str:
    try:
        return quote(to_text(value), safe="", errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise FilterError("the filter 'url' cannot encode half of a surrogate pair") from error


FILTERS: dict[str, FilterRule] = {
    "json": FilterRule(to_json),
    "parse": FilterRule(_parse),
    "number": FilterRule(_number),
    "lines": FilterRule(_lines),
    "join": FilterRule(_join, takes_argument=True),
    "count": FilterRule(_count),
    "sum": FilterRule(_sum),
    "min": FilterRule(lambda value: _ordered("min", min, _filled("min", value))),
    "max": FilterRule(lambda value: _ordered("max", max, _filled("max", value))),
    "mean": FilterRule(_mean),
    "first": FilterRule(lambda value: _filled("first", value)[0]),
    "last": FilterRule(lambda value: _filled("last", value)[-1]),
    "unique": FilterRule(_unique),
    "sort": FilterRule(lambda value: _ordered("sort", sorted, _listed("sort", value))),
    "flatten": FilterRule(_flatten),
    DEFAULT: FilterRule(_default, takes_argument=True),
    "group": FilterRule(_group, takes_argument=True),
    "basename": _of_path("basename", _name_of),
    "stem": _of_path("stem", lambda path: os.path.splitext(_name_of(path))[0]),
    "ext": _of_path("ext", lambda path: os.path.splitext(_name_of(path))[1]),
    "dirname": _of_path("dirname", lambda path: os.path.dirname(path.rstrip("/") or path) or "."),
    "url": FilterRule(_url),
    "raw": FilterRule(lambda value: value),
}
