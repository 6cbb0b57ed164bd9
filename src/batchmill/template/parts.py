"""What a template is made of once it is read: text, expressions, the paths in them and their filters.

All of it is immutable and shared freely between copies of a step, threads and items: copying a
template gives the template itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Every(Enum):
    """The segment ``[*]``: every element of a list."""

    EVERY = "*"


EVERY = Every.EVERY


class _Shared:
    """Copies of an immutable object are the object."""

    __slots__ = ()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self


@dataclass(frozen=True, slots=True)
class Path(_Shared):
    """A reference such as ``fetch.rows[0].name``.

    ``root`` is the name it starts from, ``segments`` what follows: a key (``str``), a position
    (``int``), :data:`EVERY`, or a nested path whose value is the key or position. ``text`` is the path
    as written.
    """

    root: str
    segments: tuple[str | int | Every | Path, ...]
    text: str

    def walk(self) -> Iterator[Path]:
        """This path and the paths nested in it as an index."""
        yield self
        for segment in self.segments:
            if isinstance(segment, Path):
                yield from segment.walk()


@dataclass(frozen=True, slots=True)
class Literal(_Shared):
    """A JSON value written in a template, such as the ``0`` of ``${a ?? 0}``."""

    value: Any


@dataclass(frozen=True, slots=True)
class Filter(_Shared):
    """A filter by name, with the text or value after its colon (``None`` where there is none)."""

    name: str
    argument: Any = None


@dataclass(frozen=True, slots=True)
class Expression(_Shared):
    """One ``${...}``: alternatives joined by ``??``, then filters.

    ``text`` is the whole of it as written, with ``${`` and ``}``; ``position`` the 0-based offset of
    its ``${`` in the template.
    """

    alternatives: tuple[Path | Literal, ...]
    filters: tuple[Filter, ...]
    text: str
    position: int

    @property
    def references(self) -> tuple[Path, ...]:
        """Every path in it, nested ones included, as written from left to right."""
        paths = (one for one in self.alternatives if isinstance(one, Path))
        return tuple(found for path in paths for found in path.walk())

    @property
    def optional(self) -> bool:
        """Whether there is something to fall back on when the first alternative is missing."""
        return len(self.alternatives) > 1

    @property
    def raw(self) -> bool:
        """Whether it asks to be pasted into a shell command as it is."""
        return any(one.name == "raw" for one in self.filters)


@dataclass(frozen=True, slots=True)
class Template(_Shared):
    """A text with expressions in it; ``parts`` has no empty text and no two texts in a row."""

    text: str
    parts: tuple[str | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions, from left to right."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    @property
    def references(self) -> tuple[Path, ...]:
        """Every path in it, nested ones included, from left to right."""
        return tuple(path for expression in self.expressions for path in expression.references)
