"""Values of options that are no plain text or number: spans of time, shares, pairs."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

import click

from batchmill.executors.cores import usable_cores

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType  # which takes no arguments before click 8.4

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|[smhdw])?")
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")


class Span(_Type):
    """A time span such as ``90``, ``1.5m`` or ``2h``, in seconds. ``unit`` must be named if there is no
    ``plain`` number."""

    name = "span"

    def __init__(self, *, plain: bool = True, least: float = 0.0, more_than: bool = False) -> None:
        self._plain = plain
        self._least = least
        self._more_than = more_than

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises :class:`click.BadParameter`."""
        if isinstance(value, (int, float)):
            return float(value)
        found = _SPAN.fullmatch(value.strip())
        if found is None or not (found[2] or self._plain):
            forms = "90, 90s, 1.5m or 2h" if self._plain else "30d, 12h or 90m"
            self.fail(f"{value!r} is no time span; write {forms}", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2] or "s"]
        if seconds < self._least or (self._more_than and seconds <= self._least):
            self.fail(f"{value!r} must be more than {self._least:g} seconds", param, ctx)
        return seconds


class Jobs(_Type):
    """How many at once: a number, or a share of the usable cores such as ``50%``."""

    name = "jobs"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises :class:`click.BadParameter`."""
        if isinstance(value, int):
            return value
        if found := _SHARE.fullmatch(value):
            return min(self._most, max(1, round(usable_cores() * float(found[1]) / 100)))
        if not value.isdecimal():
            self.fail(f"{value!r} is neither a number nor a share of the cores such as 50%", param, ctx)
        if not 1 <= int(value) <= self._most:
            self.fail(f"{int(value)} is not in the range 1<=x<={self._most}", param, ctx)
        return int(value)


class Load(_Type):
    """A load of the machine: a number, or a share of the usable cores such as ``80%``."""

    name = "load"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises :class:`click.BadParameter`."""
        if isinstance(value, float):
            return value
        found = _SHARE.fullmatch(value) or _NUMBER.fullmatch(value)
        if found is None or not float(found[1]):
            self.fail(
                f"{value!r} is no load: write a number such as 4, or a share of the cores such as 80%",
                param,
                ctx,
            )
        return float(found[1]) * (usable_cores() / 100 if value.endswith("%") else 1)


class Tolerance(_Type):
    """How many items may fail: a number, or a share such as ``10%``; as the ``tolerate`` of a batch."""

    name = "tolerance"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, int | float]:
        """Raises :class:`click.BadParameter`."""
        if isinstance(value, dict):
            return value
        if (found := _SHARE.fullmatch(value)) and float(found[1]) <= 100:
            return {"percent": float(found[1])}
        if not value.isdecimal():
            self.fail(f"{value!r} is neither a number of items nor a share of them such as 10%", param, ctx)
        return {"count": int(value)}


class Codes(_Type):
    """Exit codes, such as ``0,1``."""

    name = "codes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Raises :class:`click.BadParameter`."""
        if isinstance(value, list):
            return value
        words = [word.strip() for word in value.split(",")]
        if not all(word.isdecimal() and int(word) <= 255 for word in words):
            self.fail(f"{value!r} is no list of exit codes, 0 to 255, such as 0,1", param, ctx)
        return [int(word) for word in words]


class Separator(_Type):
    r"""Text that parts others, with the escapes of C: ``\t``, ``\0``."""

    name = "separator"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Raises :class:`click.BadParameter`."""
        try:
            text = codecs.decode(value, "unicode_escape") if "\\" in value else value
        except UnicodeDecodeError as fault:
            self.fail(f"{value!r} has an invalid escape: {fault.reason}", param, ctx)
        if not text:
            self.fail("the separator must not be empty", param, ctx)
        return str(text)


class Variable(_Type):
    """``NAME=VALUE``."""

    name = "variable"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Raises :class:`click.BadParameter`."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not a variable: write NAME=VALUE", param, ctx)
        return name, text
