"""Numbers out of text without losing a digit."""

from __future__ import annotations

import math
import re

from batchmill.values.plain_data import MAX_DIGITS

_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<exponent>[eE][+-]?[0-9]+)?"
_SURE = 16  # characters of a float that has 15 digits at the most, which every float of usual size keeps
_SMALL, _LARGE = 1e-290, 1e300


class LostDigits(ValueError):
    """Raised for a number that would not be the one that was written, in words."""


def exact_float(text: str) -> float:
    """The float that ``text`` writes.

    Digits count as preserved if the float, written with as many digits, has the same ones: ``0.10`` and
    ``0.10000000000000001`` are, ``3.14159265358979323846`` is not. Raises :class:`LostDigits`.
    """
    value = float(text)
    if len(text) <= _SURE and _SMALL < abs(value) < _LARGE:
        return value
    if repr(value) == text:
        return value
    if math.isinf(value):
        raise LostDigits(f"the number {_short(text)} is too large: floats end at 1.8e308")
    from decimal import Decimal  # slow to load, and few numbers come here

    written = Decimal(text)
    digits = max(1, len("".join(map(str, written.as_tuple().digits)).rstrip("0")))
    if Decimal(f"{value:.{digits - 1}e}") != written:
        raise LostDigits(
            f"the number {_short(text)} would lose digits, as floats have 15 to 17; write it as text"
        )
    return value


def exact_number(text: str) -> int | float:
    """The number that ``text`` writes in decimal, also with a plus sign, leading zeros or blanks around it.

    Raises :class:`LostDigits`, and ValueError for text that is no number.
    """
    word = text.strip()
    found = re.fullmatch(_NUMBER, word)
    if found is None:
        raise ValueError(f"{_short(text)!r} is not a number")
    if found["exponent"] or "." in word:
        return exact_float(word)
    if len(word) > MAX_DIGITS:
        raise LostDigits(long_integer(word))
    return int(word)


def long_integer(text: str) -> str:
    """The message for an integer that is too long for Python to read."""
    return f"the number {_short(text)} has more than {MAX_DIGITS:,} digits"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
