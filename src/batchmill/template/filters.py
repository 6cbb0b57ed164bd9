"""The filters of ``${value | filter}``: a fixed list of small pure functions.

A filter that works on a list also takes text that holds a list as JSON, as walking into such text does.
None of them changes the value it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from batchmill.errors import FilterError
from batchmill.lists import LazyList
from batchmill.template.text import LISTS, check_length, from_json, to_json, to_text


@dataclass(frozen=True, slots=True)
class FilterRule:
    """A filter's function, and whether a text follows its name after a colon."""

    apply: Callable[..., Any]
    takes_argument: bool = False


def kind_of(value: Any) -> str:
    """What a value is called in messages, in JSON's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, LISTS):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def apply_filter(name: str, argument: Any, value: Any) -> Any:
    """``value`` through the filter ``name``. Raises :class:`FilterError`."""
    rule = FILTERS[name]
    return rule.apply(value, argument) if rule.takes_argument else rule.apply(value)


def _listed(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, str):
        value = from_json(value)
        if not isinstance(value, list):
            raise FilterError(f"the filter {name!r} needs a list, not text; | lines makes a list of text")
    if not isinstance(value, LISTS):
        raise FilterError(f"the filter {name!r} needs a list, not {kind_of(value)}")
    return value if isinstance(value, LazyList) else list(value)


def _filled(name: str, value: Any) -> Sequence[Any]:
    items = _listed(name, value)
    if not items:
        raise FilterError(f"the filter {name!r} needs at least one element, and the list is empty")
    return items


def _numbers(name: str, items: Sequence[Any]) -> Sequence[Any]:
    for index, one in enumerate(items):
        if isinstance(one, bool) or not isinstance(one, (int, float)):
            raise FilterError(f"the filter {name!r} needs numbers, and element {index} is {kind_of(one)}")
    return items


def _comparable(name: str, items: Sequence[Any]) -> Sequence[Any]:
    kinds = {kind_of(one) for one in items}
    if len(kinds) > 1:
        raise FilterError(f"the filter {name!r} cannot compare {' with '.join(sorted(kinds))}")
    if kinds & {"null", "an object"}:
        raise FilterError(f"the filter {name!r} cannot put {kinds.pop()} in order")
    return items


def _ordered(name: str, choose: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Any:
    try:
        return choose(_comparable(name, items))
    except TypeError as error:  # lists with elements of different kinds
        raise FilterError(f"the filter {name!r} cannot compare the elements: {error}") from error


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, str):
        raise FilterError(f"the filter 'lines' needs text, not {kind_of(value)}")
    lines = value.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line[:-1] if line.endswith("\r") else line for line in lines]


def _join(value: Any, separator: str) -> str:
    texts = [to_text(one) for one in _listed("join", value)]
    check_length(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _count(value: Any) -> int:
    if isinstance(value, str):
        parsed = from_json(value)
        return len(value if parsed is None else parsed)
    if isinstance(value, (*LISTS, Mapping)):
        return len(value)
    raise FilterError(f"the filter 'count' needs a list, an object or text, not {kind_of(value)}")


def _sum(value: Any) -> Any:
    return _added("sum", _listed("sum", value))


def _mean(value: Any) -> Any:
    items = _filled("mean", value)
    return _added("mean", items, len(items))


def _added(name: str, items: Sequence[Any], divisor: int = 0) -> Any:
    try:
        total = sum(_numbers(name, items))
        return total / divisor if divisor else total
    except OverflowError as error:
        raise FilterError(f"the filter {name!r} cannot work on numbers of this size: {error}") from error


def _unique(value: Any) -> list[Any]:
    """The first of each; ``1``, ``1.0``, ``true`` and ``"1"`` are four different values."""
    kept: dict[Any, Any] = {}
    for one in _listed("unique", value):
        key = (str, one) if isinstance(one, str) else (type(one), to_json(one))
        kept.setdefault(key, one)
    return list(kept.values())


def _flatten(value: Any) -> list[Any]:
    """One level: the elements of the lists in a list, and its other elements as they are."""
    flat: list[Any] = []
    for one in _listed("flatten", value):
        if isinstance(one, LISTS):
            flat.extend(one)
        else:
            flat.append(one)
    return flat


def _url(value: Any) -> str:
    try:
        return quote(to_text(value), safe="", errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise FilterError("the filter 'url' cannot encode half of a surrogate pair") from error


FILTERS: dict[str, FilterRule] = {
    "json": FilterRule(to_json),
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
    "url": FilterRule(_url),
    "raw": FilterRule(lambda value: value),
}
