"""Checks of a value before a command gets it: see :class:`~batchmill.template.shell.words.Check`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping

from batchmill.errors import UnsafeValue
from batchmill.template.shell.programs import is_runner
from batchmill.template.shell.words import Check
from batchmill.values.redaction import shortened

_INTEGER = re.compile(r"[ \t\n]*[+-]?[0-9]+[ \t\n]*")
_NUMBER = re.compile(
    r"[ \t\n]*([+-]?(0[xX][0-9a-fA-F]+|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?))?[ \t\n]*"
)
_PLAIN_INTEGER = re.compile(r"[+-]?[0-9]+")
_INDEX = re.compile(r"[\[\]$`\\]")
_OPERATOR = re.compile(r"-[A-Za-z]{0,2}|[!()]")
_BLANK = re.compile(r"[ \t\n]")
_TARGET = re.compile(r"[A-Za-z0-9_./:+][A-Za-z0-9_./:+-]*")
_SHOWN_CHARACTERS = 60

_PASSES: Mapping[Check, Callable[[str], bool]] = {
    Check.INTEGER: lambda text: _INTEGER.fullmatch(text) is not None,
    Check.NUMBER: lambda text: _NUMBER.fullmatch(text) is not None,
    Check.NO_INDEX: lambda text: _INDEX.search(text) is None,
    Check.NO_OPTION: lambda text: not text.startswith("-"),
    Check.NO_OPERATOR: lambda text: _OPERATOR.fullmatch(text) is None,
    Check.NO_LIST: lambda text: not text.startswith("("),
    Check.ONE_WORD: lambda text: _BLANK.search(text) is None,
    Check.PROGRAM: lambda text: _PLAIN_INTEGER.fullmatch(text) is not None,
    Check.NO_RUNNER: lambda text: not is_runner(text),
    Check.TARGET: lambda text: _TARGET.fullmatch(text) is not None,
}


def check_value(text: str, expression: str, checks: Iterable[Check]) -> int:
    """The size in bytes of the value of ``expression``. Raises :class:`~batchmill.errors.UnsafeValue`."""
    for check in checks:
        if not _PASSES[check](text):
            shown = shortened(text, _SHOWN_CHARACTERS)
            raise UnsafeValue(f"the value of {expression} must be {check.value}, and is {shown!r}")
    return size_in_bytes(text, f"the value of {expression}")


def size_in_bytes(text: str, what: str) -> int:
    """The size of ``text`` in bytes. Raises :class:`~batchmill.errors.UnsafeValue` where no command can be
    given it."""
    if "\0" in text:
        raise UnsafeValue(f"{what} has a NUL in it, which no command can be given; pass it in a file")
    if text.isascii():
        return len(text)
    try:
        return len(os.fsencode(text))
    except UnicodeEncodeError as error:
        raise UnsafeValue(f"{what} has a character that cannot be written as bytes: {error}") from error
