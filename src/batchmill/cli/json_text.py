"""JSON text in pieces, so lists that are not in memory are written without being loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchmill.lists import LazyList, holds_lazy
from batchmill.values import to_json


def as_json(value: object, indent: int | None = None) -> str:
    """``value`` as JSON text."""
    return to_json(value, indent=indent)


def pieces(value: Any, indent: int | None = None, level: int = 0) -> Iterator[str]:
    """The text of :func:`as_json` for plain data with lazy lists in it, in pieces.

    ``level`` is the depth of the value in the whole text, for its indentation.
    """
    if isinstance(value, LazyList):
        yield from _list(value, indent, level)
    elif not holds_lazy(value):
        yield _placed(as_json(value, indent), indent, level)
    elif isinstance(value, dict):
        members = ((f"{as_json(key)}: ", pieces(one, indent, level + 1)) for key, one in value.items())
        yield from _enclosed("{}", members, indent, level)
    else:
        yield from _enclosed("[]", (("", pieces(one, indent, level + 1)) for one in value), indent, level)


def _list(value: LazyList, indent: int | None, level: int) -> Iterator[str]:
    """A part of the list to a piece."""
    if not len(value):
        yield "[]"
        return
    separator = "," + _break(indent, level + 1)
    before = "[" + _break(indent, level + 1, first=True)
    for elements in value.parts():
        yield before + separator.join(_placed(as_json(one, indent), indent, level + 1) for one in elements)
        before = separator
    yield _break(indent, level, first=True) + "]"


def _enclosed(
    brackets: str, members: Iterator[tuple[str, Iterator[str]]], indent: int | None, level: int
) -> Iterator[str]:
    before = brackets[0] + _break(indent, level + 1, first=True)
    for head, texts in members:
        yield before + head
        yield from texts
        before = "," + _break(indent, level + 1)
    yield _break(indent, level, first=True) + brackets[1]


def _break(indent: int | None, level: int, *, first: bool = False) -> str:
    """The text between two members, or (``first``) between a bracket and a member."""
    if indent is None:
        return "" if first else " "
    return "\n" + " " * (indent * level)


def _placed(text: str, indent: int | None, level: int) -> str:
    """Text that was made for the outermost level, indented to ``level``; line ends in JSON text are never
    part of a value."""
    return text if indent is None or not level else text.replace("\n", "\n" + " " * (indent * level))
