"""Where in the text a path of the document stands. Worked out only once there is a problem to place.

Both kinds of text give the same: an index from a path to the place of its value and of its key.
Places are 0-based offsets into the text for JSON, read here by a small scanner that enters only
the containers it must, and lines and columns as the YAML parser tells them for YAML.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from batchmill.ir.faults import DocumentPath

Position = tuple[int, int]
NOWHERE: Position = (0, 0)

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_TOKEN = re.compile(rf"[\s,:]*(?:(?P<string>{_STRING})|(?P<mark>[\[\]{{}}])|[^\s,:\[\]{{}}\"]+)", re.DOTALL)
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value begins, and its key (the value again where it has none); line and column from 1."""

    value: Position
    key: Position


class Positions(Protocol):
    """Finds places in one text."""

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, Place]:
        """The places of those paths that are in the text."""


class NoPositions:
    """Of a document that was given as an object."""

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, Place]:
        return {}


class KnownPositions:
    """Places that were noted while the text was read."""

    def __init__(self, places: dict[DocumentPath, Place]) -> None:
        self._places = places

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, Place]:
        return {path: self._places[path] for path in paths if path in self._places}


class JsonPositions:
    """Places in a JSON text, which must be valid JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_starts: list[int] | None = None

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, Place]:
        if not paths:
            return {}
        wanted = set(paths)
        above = {path[:length] for path in wanted for length in range(len(path))}
        found = {}
        for path, key, value in walk_json(self._text, above.__contains__):
            if path in wanted:
                found[path] = Place(self.position(value), self.position(key))
        return found

    def duplicates(self) -> Iterator[tuple[DocumentPath, Position]]:
        """Every key that stands a second time in its object, with the place of the later one."""
        seen: set[DocumentPath] = set()
        doubled: set[DocumentPath] = set()
        for path, key, _ in walk_json(self._text, lambda path: True):
            if path in seen and not any(path[:length] in doubled for length in range(len(path))):
                doubled.add(path)
                yield path, self.position(key)
            seen.add(path)

    def position(self, offset: int) -> Position:
        """Line and column, from 1, of a 0-based offset."""
        if self._line_starts is None:
            self._line_starts = [0, *(match.end() for match in re.finditer("\n", self._text))]
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1


@dataclass(slots=True)
class _Open:
    """A container that is being read: ``key`` is the name or index of the value to come."""

    path: DocumentPath
    is_object: bool
    key: str | int | None
    key_offset: int = 0


def walk_json(text: str, enter: Callable[[DocumentPath], bool]) -> Iterator[tuple[DocumentPath, int, int]]:
    """Every value of a valid JSON text in text order: its path, the offset of its key and its own.

    A container for which ``enter`` says no is passed over. Values of lists have their own offset
    for a key.
    """
    stack: list[_Open] = []
    at = 0
    while match := _TOKEN.match(text, at):
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


def _value_path(top: _Open | None) -> DocumentPath:
    if top is None:
        return ()
    return (*top.path, top.key if top.key is not None else 0)


def _advance(top: _Open | None) -> None:
    if top is not None:
        top.key = top.key + 1 if isinstance(top.key, int) else None


def _end_of_container(text: str, begin: int) -> int:
    """The offset behind the bracket that closes the one at ``begin``."""
    depth = 0
    for match in _BRACKET.finditer(text, begin):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
            if depth == 0:
                return match.end()
    return len(text)
