"""The parts of a parsed template: text, expressions, their paths and filters.

All parts are immutable and shared freely between copies of a step, threads and items: a copy of a template is
the template itself.
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
DEFAULT = "default"
"""The filter that also takes what is missing, where it is the first."""
_OF_LISTS = frozenset({"json", "join", "count", "sum", "min", "max", "mean", "first", "last", "group", "raw"})
"""The filters that make of a list something that is none."""


class _Shared:
    """Copies of an immutable object are the object."""

    __slots__ = ()

    def __copy__(self) -> object:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> object:
        return self


@dataclass(frozen=True, slots=True)
class Path(_Shared):
    """A reference such as ``fetch.rows[0].name``.

    ``root`` is the first name, ``segments`` the rest: a key (``str``), a position (``int``), :data:`EVERY`,
    or a nested path whose value is the key or position. ``text`` is the path as written.
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
    """A filter by name, with the text or value after its colon (``None`` if there is none)."""

    name: str
    argument: object = None


@dataclass(frozen=True, slots=True)
class Operand(_Shared):
    """A value: alternatives joined by ``??``, then filters."""

    alternatives: tuple[Path | Literal, ...]
    filters: tuple[Filter, ...]

    @property
    def has_default(self) -> bool:
        """Whether a filter gives a value where all alternatives are missing."""
        return bool(self.filters) and self.filters[0].name == DEFAULT

    @property
    def optional(self) -> bool:
        """Whether there is something to fall back on when the first alternative is missing."""
        return len(self.alternatives) > 1 or self.has_default

    def operands(self) -> Iterator[Operand]:
        """This operand."""
        yield self


@dataclass(frozen=True, slots=True)
class Comparison(_Shared):
    """``left`` and ``right`` with one of ``== != < <= > >=``, ``in`` or ``not in`` between them."""

    operator: str
    left: Condition
    right: Condition

    def operands(self) -> Iterator[Operand]:
        """The operands of the comparison."""
        yield from self.left.operands()
        yield from self.right.operands()


@dataclass(frozen=True, slots=True)
class Junction(_Shared):
    """Conditions joined by one ``word``, ``and`` or ``or``."""

    word: str
    parts: tuple[Condition, ...]

    def operands(self) -> Iterator[Operand]:
        """The operands of its parts."""
        for part in self.parts:
            yield from part.operands()


@dataclass(frozen=True, slots=True)
class Negation(_Shared):
    """``not`` before a condition."""

    of: Condition

    def operands(self) -> Iterator[Operand]:
        """The operands of the negated condition."""
        yield from self.of.operands()


Condition = Operand | Comparison | Junction | Negation


@dataclass(frozen=True, slots=True)
class Expression(_Shared):
    """One ``${...}``: a ``condition``, which in most is a lone operand.

    ``text`` is the whole of it as written, with ``${`` and ``}``; ``position`` the 0-based offset of
    its ``${`` in the template.
    """

    condition: Condition
    text: str
    position: int

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The operands, from left to right."""
        return tuple(self.condition.operands())

    @property
    def alternatives(self) -> tuple[Path | Literal, ...]:
        """The alternatives of a lone operand, none if something is compared."""
        return self.condition.alternatives if isinstance(self.condition, Operand) else ()

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The filters of a lone operand, none if something is compared."""
        return self.condition.filters if isinstance(self.condition, Operand) else ()

    @property
    def references(self) -> tuple[Path, ...]:
        """Every path in it, nested ones included, as written from left to right."""
        paths = (one for operand in self.operands for one in operand.alternatives if isinstance(one, Path))
        return tuple(found for path in paths for found in path.walk())

    @property
    def optional(self) -> bool:
        """Whether there is something to fall back on wherever a first alternative is missing."""
        return all(operand.optional for operand in self.operands)

    @property
    def raw(self) -> bool:
        """Whether it ends in the filter that pastes its value into a shell command unquoted."""
        return any(one.name == "raw" for one in self.filters)

    @property
    def several(self) -> bool:
        """Whether it is written as a list, with a ``[*]`` and no filter that makes one value of it: as a
        whole word of a command it is several arguments."""
        paths = (one for one in self.alternatives if isinstance(one, Path))
        written = any(EVERY in path.segments for path in paths)
        return written and not any(one.name in _OF_LISTS for one in self.filters)


@dataclass(frozen=True, slots=True)
class Template(_Shared):
    """A text with expressions in it; ``parts`` has neither empty texts nor two texts in a row."""

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
