"""Figures and values in words, as progress lines, summaries, reports and benchmarks write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from batchmill.lists import LazyList

_ITEM = re.compile(r"\[[0-9]+\]")
LONGEST_VALUE = 60  # characters of an item or message that stay readable in one line of a summary


def is_inside_item(address: str) -> bool:
    """Whether a node is inside an item of a batch, such as ``flow[3].fetch``. There may be very many of
    those; the batch around them reports for them. No node's id has a bracket."""
    return "[" in address


def without_items(address: str) -> str:
    """The address of a node in all runs of its sub-workflow together, for any items."""
    return _ITEM.sub("", address)


def seconds(value: float) -> str:
    """A duration in seconds as ``0.42 s``, ``12.3 s``, ``2 min 5 s`` or ``1 h 4 min``."""
    if value < 10:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(items: int, wall: float) -> str:
    """Items per second, with the digits that matter."""
    per_second = items / wall if wall > 0 else 0.0
    return f"{per_second:,.0f} items/s" if per_second >= 100 else f"{per_second:.3g} items/s"


def count(number: int, noun: str) -> str:
    """``1 item``, ``1,000 items``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def size(n_bytes: float) -> str:
    """``512 B``, ``14 MB``, ``3.2 GB``, in powers of 1,024."""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} GB"


def number(value: float) -> str:
    """Three digits, or all of those before the point: ``0.0123``, ``45.6``, ``12,345``."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(value: float | None) -> str:
    """Such as ``7.89 µs``, ``45.6 ms``, ``1.23 s``, ``2 min 5 s``, ``1 h 4 min``; a dash for None."""
    if value is None:
        return "–"
    if value < 0:
        return f"−{duration(-value)}"
    if value == 0:
        return "0 s"
    if value < 0.9995e-3:
        return f"{number(value * 1e6)} µs"
    if value < 0.9995:
        return f"{number(value * 1e3)} ms"
    return f"{number(value)} s" if value < 59.95 else seconds(value)


def bytes_(value: float | None) -> str:
    """Such as ``12.3 MB`` (of 1024 each); a dash for None."""
    if value is None:
        return "–"
    for unit in ("B", "kB", "MB"):
        if value < 1023.5:
            return f"{number(value)} {unit}"
        value /= 1024
    return f"{number(value)} GB"


def share(value: float) -> str:
    """A share of 1 as ``31 %``; never 0 for a positive share, never 100 for less than all."""
    if 0 < value < 0.005:
        return "< 1 %"
    if 0.995 <= value < 1 - 1e-9:
        return "> 99 %"
    return f"{100 * value:.0f} %"


def spending(
    calls: int, tokens: int, cost: float | None, estimated: int = 0, estimated_cost: float = 0.0
) -> str:
    """The use by calls of language models: ``14 calls, 840 tokens, 0.00084 USD``; and the part of it that is
    ``estimated``, because the service did not report those calls."""
    dollars = "" if cost is None else f", {plain_number(cost)} USD"
    told = f"{count(calls, 'call')}, {count(tokens, 'token')}{dollars}"
    if not estimated:
        return told
    part = f": {plain_number(estimated_cost)} USD of it" if estimated_cost else ""
    return f"{told} ({estimated:,} estimated{part})"


def plain_number(number: float) -> str:
    """A number without an exponent, with as few digits as possible."""
    text = f"{number:,.10f}".rstrip("0")
    return text.rstrip(".") or "0"


def kind_of(value: object) -> str:
    """The kind of a value in JSON's words, for messages: ``text``, ``a number``, ``a list``, ..."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple, LazyList)):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"a Python {type(value).__name__}"


def on_one_line(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value on one line, control characters escaped, cut after ``longest`` characters."""
    text = value if isinstance(value, str) else _as_text(value)
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[: 4 * longest]
    )
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _as_text(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, cycles
        return repr(value)
