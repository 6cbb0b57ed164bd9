"""An item together with the place it was read from, where templates ask for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batchmill.bad_row import BadRow

PATH, LINE = "path", "line"
PLACE_KEYS = (PATH, LINE)
"""The keys of the place of a row: its file, and the line it begins on, from 1."""


class Sourced:
    """``item`` was read from ``place``, an object of :data:`PLACE_KEYS`. For a group both are lists, aligned.

    Code that handles items recognises it by its type. Results, errors and the journal contain only the item.
    """

    __slots__ = ("item", "place")

    def __init__(self, item: object, place: object) -> None:
        self.item = item
        self.place = place


def at_line(path: str, line: int, row: object) -> object:
    """A row as an item with its place; a bad row has it already."""
    return row if type(row) is BadRow else Sourced(row, {PATH: path, LINE: line})


def bare(item: object) -> object:
    """The item alone."""
    return item.item if type(item) is Sourced else item


def all_bare(items: Sequence[object]) -> Sequence[object]:
    """The items alone; ``items`` itself if none has a place."""
    return [bare(item) for item in items] if Sourced in set(map(type, items)) else items


def grouped(items: list[Any]) -> object:
    """Items as one group."""
    if Sourced not in set(map(type, items)):
        return items
    return Sourced([bare(one) for one in items], [one.place for one in items])


def names_of(item: object, names: Sequence[str], source_name: str) -> Mapping[str, object]:
    """The names of an item in templates: the item by each of ``names``, its place by ``source_name``."""
    if type(item) is not Sourced:
        return dict.fromkeys(names, item)
    return {**dict.fromkeys(names, item.item), source_name: item.place}
