"""Figures as people read them: three digits and a unit."""

from __future__ import annotations


def seconds(value: float) -> str:
    """Such as ``1.23 s``, ``45.6 ms``, ``7.89 µs``."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value * factor >= 0.9995:
            return f"{_digits(value * factor)} {unit}"
    return f"{_digits(value * 1e6)} µs"


def bytes_(value: float) -> str:
    """Such as ``12.3 MB``."""
    for unit in ("B", "kB", "MB"):
        if value < 1024:
            return f"{_digits(value)} {unit}"
        value /= 1024
    return f"{_digits(value)} GB"


def a_second(value: float) -> str:
    """Such as ``1,230/s``."""
    return f"{value:,.0f}/s" if value >= 100 else f"{_digits(value)}/s"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
