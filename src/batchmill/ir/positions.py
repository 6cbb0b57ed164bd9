"""The place in the text of a path of the document, computed only once there is a problem to place.

Both kinds of text give the same: an index from a path to the place of its value and of its key. Places are
0-based offsets into the text for JSON, found by a small scanner that enters only the necessary containers.
For YAML they are the parser's lines and columns.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from batchmill.ir.faults import DocumentPath
from batchmill.values.scanning import LineIndex, Position, walk_json

NOWHERE: Position = (0, 0)


@dataclass(frozen=True, slots=True)
class TextPlace:
    """Where a value begins, and its key (the value again where it has none); line and column from 1."""

    value: Position
    key: Position


class PlaceFinder(Protocol):
    """Finds places in one text."""

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, TextPlace]:
        """The places of those paths that are in the text."""


class NoPositions:
    """The positions of a document that is an object and has no text."""

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, TextPlace]:
        return {}


class KnownPositions:
    """Places that were noted while the text was read."""

    def __init__(self, places: dict[DocumentPath, TextPlace]) -> None:
        self._places = places

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, TextPlace]:
        return {path: self._places[path] for path in paths if path in self._places}


class JsonPositions:
    """Places in a JSON text, which must be valid JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = LineIndex(text)

    def find(self, paths: Collection[DocumentPath]) -> dict[DocumentPath, TextPlace]:
        if not paths:
            return {}
        wanted = set(paths)
        above = {path[:length] for path in wanted for length in range(len(path))}
        found = {}
        for path, key, value in walk_json(self._text, above.__contains__):
            if path in wanted:
                found[path] = TextPlace(self._lines.position(value), self._lines.position(key))
        return found
