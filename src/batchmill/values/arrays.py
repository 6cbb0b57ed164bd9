"""Arrays and tables of other libraries as lists, known by their shape, so that none of them is imported."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime  # whoever has a length of time has loaded it

_DATES, _LENGTHS = "M", "m"  # kinds of numpy's types
_READ_BY = ("to_dicts", "to_pylist")  # polars' frames; Arrow's tables and arrays


class Unwritable(ValueError):  # never leaves this room
    """Raised for a table or an array whose content cannot be written as lists and objects."""


def rows_of(value: Any) -> list[object] | dict[str, object] | None:
    """The rows of a table as objects; None if ``value`` is no table.

    The index of a pandas frame or series becomes a column if it has a name, because it is then data. One
    without a name is only a numbering.
    """
    kind = _pandas(value)
    if kind == "DataFrame":
        return _rows_of_frame(value)
    if kind == "Series" and any(name is not None for name in value.index.names):
        return _rows_of_frame(value.to_frame())
    for name in _READ_BY:
        if callable(getattr(value, name, None)):
            read: list[Any] = getattr(value, name)()
            return read
    return _records(value)


def _pandas(value: object) -> str:
    """The name of the class of pandas' that a value is of, empty for others."""
    for base in type(value).__mro__:
        if base.__module__.split(".")[0] == "pandas" and base.__name__ in ("DataFrame", "Series"):
            return base.__name__
    return ""


def _rows_of_frame(frame: Any) -> list[object]:
    index = frame.index
    columns = [
        (name, index.get_level_values(level)) for level, name in enumerate(index.names) if name is not None
    ]
    columns += [(label, frame.iloc[:, place]) for place, label in enumerate(frame.columns)]
    labels = [label for label, _ in columns]
    double = next((label for label in labels if labels.count(label) > 1), None)
    if double is not None:
        raise Unwritable(f"two columns are called {double!r}")
    if not columns:
        return [{} for _ in range(len(frame))]
    cells = [column.tolist() for _, column in columns]
    return [dict(zip(labels, row, strict=True)) for row in zip(*cells, strict=True)]


def _records(value: Any) -> list[object] | dict[str, object] | None:
    """The rows of an array of numpy's with named fields."""
    names = getattr(getattr(value, "dtype", None), "names", None)
    if not names:
        return None
    rows: list[Any] | tuple[Any, ...] = value.tolist()
    if isinstance(rows, tuple):
        return dict(zip(names, rows, strict=True))
    flat = all(isinstance(row, tuple) for row in rows)
    return [dict(zip(names, row, strict=True)) for row in rows] if flat else rows


def elements(value: Any) -> object:
    """The elements of an array as a list, or its only value if it has no dimension; None if it is
    no array."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if type(value).__module__.split(".")[0] == "numpy" and kind == _DATES:
        return _without_missing(value.astype(str).tolist())
    for name in ("tolist", "to_list"):
        if callable(getattr(value, name, None)):
            found = getattr(value, name)()
            if kind == _LENGTHS and _holds_numbers(found):
                raise Unwritable("lengths of time in nanoseconds, or in months, have no form; convert them")
            return found
    return None


def _without_missing(dates: object) -> object:
    """Dates in numpy's form, and NaN for missing ones, because NaN is null in JSON."""
    if isinstance(dates, list):
        return [_without_missing(one) for one in dates]
    return math.nan if dates == "NaT" else dates


def _holds_numbers(found: object) -> bool:
    return any(map(_holds_numbers, found)) if isinstance(found, list) else isinstance(found, int)


def iso_duration(length: datetime.timedelta) -> str:
    """A length of time as ISO 8601 writes it: ``P1DT2H3M4.5S``, with a minus before what is negative."""
    sign = "-" if length.days < 0 else ""
    length = abs(length)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    clock = "".join(f"{part}{unit}" for part, unit in ((hours, "H"), (minutes, "M")) if part)
    clock += f"{seconds}{fraction}S" if seconds or fraction else ""
    days = f"{length.days}D" if length.days else ""
    return f"{sign}P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"
