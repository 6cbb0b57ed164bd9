"""Figures in words, the same for every writer."""

from __future__ import annotations

import datetime
import math

from batchmill.values.words import bytes_, count, duration, number, share

__all__ = ["bytes_", "clock", "count", "day", "dollars", "duration", "number", "percent", "rate", "share"]


def rate(value: float, what: str = "items") -> str:
    """Such as ``269 items/s``, and by the minute or hour where that is easier to grasp."""
    for unit, factor in (("s", 1), ("min", 60), ("h", 3600)):
        if value * factor >= 1 or unit == "h":
            return f"{number(value * factor)} {what}/{unit}"
    raise AssertionError("unreachable: the last unit takes what is left")


def percent(part: float, whole: float) -> str:
    """:func:`share` of two figures; a dash where the whole is nothing."""
    return share(part / whole) if whole else "–"


def dollars(value: float | None) -> str:
    """Such as ``$12.30``, and with more digits below a dollar; a dash for None."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 1:
        return f"${value:,.2f}"
    return f"${value:.{max(4, 1 - math.floor(math.log10(abs(value))))}f}"


def clock(epoch: float) -> str:
    """A time of day where the report is made: ``2026-11-28 19:18:03 +0100``."""
    try:
        return datetime.datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    except (OverflowError, ValueError, OSError):  # no time that there ever was
        return "–"


def day(epoch: float) -> str:
    """:func:`clock` without seconds and zone."""
    return clock(epoch)[:16]
