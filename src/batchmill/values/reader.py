"""The only reader of JSON text. It is strict: it returns exactly what the text says, or refuses the text.

Besides invalid JSON it refuses ``NaN`` and ``Infinity``, a duplicate key in an object, a number that would
lose digits or is too large, and nesting beyond 200 levels. A byte-order mark at the start is dropped.
"""

from __future__ import annotations

import json
import json.scanner
from collections.abc import Callable, Iterator
from functools import cache
from typing import NoReturn

from batchmill.errors import BatchmillError
from batchmill.values.numbers import LostDigits, exact_float, long_integer
from batchmill.values.places import JsonPath, path_text
from batchmill.values.plain_data import MAX_DEPTH, MAX_DIGITS
from batchmill.values.scanning import LineIndex, Position, doubled_keys, walk_json, word_at

BOM = "\ufeff"
_CONSTANTS = ("NaN", "Infinity", "-Infinity")
_BLANK = " \t\r\n"
_UNSURE = object()


class NotJson(BatchmillError, ValueError):  # named as the errors of the tree are
    """Raised for a refused text; ``message`` says why, ``line`` and ``column`` (from 1) and ``path`` where,
    ``hint`` what may have caused it. Retrying is pointless."""

    retryable = False

    def __init__(
        self, message: str, line: int = 1, column: int = 1, path: JsonPath = (), hint: str = ""
    ) -> None:
        super().__init__(message, line, column, path, hint)
        self.message = message
        self.line = line
        self.column = column
        self.path = path
        self.hint = hint

    @property
    def place(self) -> str:
        """The column within a text of one line, and the path where there is one."""
        return f"column {self.column}" + (f" ({path_text(self.path)})" if self.path else "")

    def __str__(self) -> str:
        return f"{self.message} at line {self.line}, {self.place}"


def from_json(text: str, number: Callable[[str], float] = exact_float) -> object:
    """The value of a JSON text; ``number`` makes the numbers that are no integers, and raises
    :class:`~batchmill.values.LostDigits`. Raises :class:`NotJson`."""
    if text.count("{") <= 1 and text.count('":') == (keys := text.count(":")):
        value = _simple(text, keys, number)
        if value is not _UNSURE:
            return value
    if text.startswith(BOM):
        text = text[1:]
    try:
        value = _decoding(number)(text)
    except json.JSONDecodeError as fault:
        raise syntax_fault(fault) from None
    except (ValueError, RecursionError) as fault:
        raise _first(text, fault) from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise _first(text, RecursionError())
    return value


# Rows are objects without objects inside. To look for duplicate keys with a hook would cost as much as to
# read such a row, and nothing is doubled if the value has as many keys as the text has colons.
def _simple(text: str, keys: int, number: Callable[[str], float]) -> object:
    """The value of a text with at most one object and so many colons; ``_UNSURE`` if it needs a closer
    look."""
    try:
        value, end = _scanning(number)(text, 0)
    except (ValueError, RecursionError, StopIteration):
        return _UNSURE
    if end != len(text) or (len(value) if type(value) is dict else 0) != keys or text.count("[") > MAX_DEPTH:
        return _UNSURE
    return value


def container_in(text: str) -> object:
    """The object or list that ``text`` writes as JSON; None where it begins like neither.

    Raises :class:`NotJson` where it begins like one and is none.
    """
    start = text[:1]
    if start in ("{", "["):
        return from_json(text)
    if start and start in _BLANK + BOM and text.lstrip(_BLANK + BOM)[:1] in ("{", "["):
        return from_json(text)
    return None


def faults_in(text: str) -> Iterator[tuple[JsonPath, Position, str, bool]]:
    """The faults that :func:`from_json` finds in syntactically correct text, number by number and key by key:
    path, place, words, and whether a key is at fault. Nesting is not checked."""
    lines = LineIndex(text)
    for path, offset in doubled_keys(text):
        yield path, lines.position(offset), "stands twice in its object", True
    for path, _, offset in walk_json(text, lambda path: True):
        fault = _number_fault(word_at(text, offset))
        if fault:
            yield path, lines.position(offset), fault, False


def _number_fault(word: str) -> str:
    if word in _CONSTANTS:
        return f"{word} is not a finite number, as JSON needs"
    if not word or word[0] not in "-0123456789":
        return ""
    if not {".", "e", "E"}.isdisjoint(word):
        try:
            exact_float(word)
        except LostDigits as fault:
            return str(fault)
    return long_integer(word) if len(word) > MAX_DIGITS else ""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError  # which one and where is looked for then
    return made


def _constant(word: str) -> NoReturn:
    raise ValueError(word)


@cache
def _scanning(number: Callable[[str], float]) -> Callable[[str, int], tuple[object, int]]:
    """A reader without the checks for white space around a value that ``decode`` makes; raises StopIteration
    where there is no value. It is the interpreter's own in C, where it has one."""
    make = getattr(json.scanner, "c_make_scanner", None)
    decoder = json.JSONDecoder(parse_float=number, parse_constant=_constant)
    return decoder.raw_decode if make is None else make(decoder)


@cache
def _decoding(number: Callable[[str], float]) -> Callable[[str], object]:
    return json.JSONDecoder(object_pairs_hook=_object, parse_float=number, parse_constant=_constant).decode


def _first(text: str, fault: BaseException) -> NotJson:
    """The first fault in a text whose syntax is correct as far as it was read."""
    if isinstance(fault, RecursionError):
        return NotJson(f"is nested deeper than {MAX_DEPTH} levels")
    try:
        found = sorted(faults_in(text), key=lambda one: one[1])
    except (ValueError, IndexError, KeyError, TypeError):  # the syntax is wrong behind it
        found = []
    if not found:
        return NotJson(str(fault) or "a key stands twice in its object")
    path, (line, column), words, on_key = found[0]
    if on_key:
        words = f"the key {json.dumps(path[-1], ensure_ascii=False)} {words}"
    return NotJson(words, line, column, path)


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for one in level:
            if isinstance(one, (dict, list)):
                inner += one.values() if isinstance(one, dict) else one
        level = [one for one in inner if isinstance(one, (dict, list))]
        if not level:
            return False
    return True


_WORDS = {
    "Expecting property name enclosed in double quotes": (
        "a key in double quotes must come here",
        "is there a comma behind the last entry?",
    ),
    "Expecting value": ("a value must come here", "is there a comma too many, or a word without quotes?"),
    "Expecting ',' delimiter": ("a comma or a closing bracket must come here", ""),
    "Expecting ':' delimiter": ("a colon must come here", ""),
    "Extra data": ("something follows after the end of the document", ""),
    "Unterminated string starting at": ("this text has no closing quote", ""),
    "Illegal trailing comma before end of object": ("there is a comma behind the last entry", ""),
    "Illegal trailing comma before end of array": ("there is a comma behind the last entry", ""),
    "Invalid control character": ("a line break or control character inside text", "write it as \\n"),
}


def syntax_fault(fault: json.JSONDecodeError) -> NotJson:
    """The message for text that is no JSON, in our words."""
    # By how the message begins, as the pure Python reader names the character as well.
    known = [words for start, words in _WORDS.items() if fault.msg.startswith(start)]
    message, hint = known[0] if known else (fault.msg, "")
    return NotJson(message, fault.lineno, fault.colno, hint=hint)
