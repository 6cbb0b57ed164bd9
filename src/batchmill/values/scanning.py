"""A JSON text read token by token, for places: only once there is something to place."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from batchmill.values.places import JsonPath

Position = tuple[int, int]
"""Line and column, from 1."""

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_TOKEN = rf"[\s,:]*(?:(?P<string>{_STRING})|(?P<mark>[\[\]{{}}])|[^\s,:\[\]{{}}\"]+)"
_BRACKET = rf"{_STRING}|[\[\]{{}}]"
_WORD = r"[^\s,:\[\]{}\"]+"
_compiled = cache(re.compile)  # most runs have nothing to place


class LineIndex:
    """Lines and columns of offsets into a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] | None = None

    def position(self, offset: int) -> Position:
        """Line and column, from 1, of a 0-based offset."""
        if self._starts is None:
            self._starts = [0, *(match.end() for match in re.finditer("\n", self._text))]
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


@dataclass(slots=True)
class _Open:
    """A container that is being read: ``key`` is the name or index of the value to come."""

    path: JsonPath
    is_object: bool
    key: str | int | None
    key_offset: int = 0


def walk_json(text: str, enter: Callable[[JsonPath], bool]) -> Iterator[tuple[JsonPath, int, int]]:
    """Every value of a valid JSON text in text order: its path, the offset of its key and its own.

    Skips a container for which ``enter`` returns False. For values of lists, the offset of the key is their
    own.
    """
    stack: list[_Open] = []
    at = 0
    token = _compiled(_TOKEN, re.DOTALL)
    while match := token.match(text, at):
        at = match.end()
        begin = match.start("string") if match["string"] else match.start("mark") if match["mark"] else -1
        mark = match["mark"]
        if mark in ("]", "}"):
            stack.pop()
            continue
        top = stack[-1] if stack else None
        if top and top.is_object and top.key is None:
            top.key, top.key_offset = json.loads(match["string"]), begin
            continue
        begin = begin if begin >= 0 else at - len(match[0].lstrip(" \t\r\n,:"))
        path = _value_path(top)
        yield path, top.key_offset if top and top.is_object else begin, begin
        _advance(top)
        if mark and enter(path):
            stack.append(_Open(path, mark == "{", None if mark == "{" else 0))
        elif mark:
            at = _end_of_container(text, begin)


def word_at(text: str, offset: int) -> str:
    """The number or constant at ``offset``, empty if another kind of value begins there."""
    found = _compiled(_WORD).match(text, offset)
    return found.group() if found else ""


def doubled_keys(text: str) -> Iterator[tuple[JsonPath, int]]:
    """Every key that repeats an earlier one of its object, with its offset."""
    seen: set[JsonPath] = set()
    doubled: set[JsonPath] = set()
    for path, key, _ in walk_json(text, lambda path: True):
        if path in seen and not any(path[:length] in doubled for length in range(len(path))):
            doubled.add(path)
            yield path, key
        seen.add(path)


def _value_path(top: _Open | None) -> JsonPath:
    if top is None:
        return ()
    return (*top.path, top.key if top.key is not None else 0)


def _advance(top: _Open | None) -> None:
    if top is not None:
        top.key = top.key + 1 if isinstance(top.key, int) else None


def _end_of_container(text: str, begin: int) -> int:
    """The offset behind the bracket that closes the one at ``begin``."""
    depth = 0
    for match in _compiled(_BRACKET, re.DOTALL).finditer(text, begin):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
            if depth == 0:
                return match.end()
    return len(text)
