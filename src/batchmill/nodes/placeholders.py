"""The placeholders of ``batchmill map``: ``{}`` is the item, ``{.}`` the item without its suffix, ``{#}`` its
number, ``{key}`` a part of a row.

The parts of a path are those of dirname(1) and basename(1). A JSON value reads as in JSON: ``true``,
``null``, objects and lists as JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batchmill.errors import UnresolvedReference
from batchmill.template import to_json, to_text
from batchmill.values import exact_float, from_json

_SUFFIX = re.compile(r"(?<=[^/])\.[^/.]+$")  # not that of a name that begins with its only dot
_SHOWN_KEYS = 8


@dataclass(frozen=True, slots=True)
class Placeholder:
    """``written`` as in the command; ``part`` is a key of :data:`PARTS`. ``source`` is the position of its
    source among several, None for all of them, or the only one. ``keys`` lead into a row; ``word`` is the
    whole of them as one key."""

    written: str
    part: str = ""
    source: int | None = None
    keys: tuple[str | int, ...] = ()
    word: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data, which :meth:`of` reads."""
        return {
            "written": self.written,
            "part": self.part,
            "source": self.source,
            "keys": list(self.keys),
            "word": self.word,
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Placeholder:
        """The placeholder from the data of :meth:`as_json`."""
        return cls(told["written"], told["part"], told["source"], tuple(told["keys"]), told["word"])

    def text(self, item: Any, several: bool) -> str:
        """Its text; ``several`` says that ``item`` has a value of each of several sources.

        Raises :class:`~batchmill.errors.UnresolvedReference` for a missing key.
        """
        if self.keys or self.word:
            return text_of(self._member(item, several))
        make = PARTS[self.part]
        if not several:
            return make(text_of(item))
        if self.source is not None:
            return make(text_of(self._of_source(item, self.source)))
        return " ".join(make(text_of(one)) for one in item)

    def _member(self, item: Any, several: bool) -> object:
        """The part of the row that is meant; of several rows the first that has it."""
        rows = item if several else [item]
        if self.source is not None:
            rows = [self._of_source(item, self.source)]
        fault: UnresolvedReference | None = None
        for row in rows:
            try:
                return self._in(row)
            except UnresolvedReference as missing:
                fault = fault or missing
        raise fault or UnresolvedReference(self.written, "there is no row")

    def _of_source(self, values: Sequence[Any], source: int) -> Any:
        """The value at a position: a line in columns may have fewer than another."""
        if source < len(values):
            return values[source]
        columns = "1 column" if len(values) == 1 else f"{len(values)} columns"
        raise MissingValue(self.written, f"the line has {columns}")

    def _in(self, row: object) -> object:
        if self.word and isinstance(row, Mapping) and self.word in row:
            return row[self.word]
        value = row
        for key in self.keys:
            if isinstance(value, Mapping) and str(key) in value:
                value = value[str(key)]
            elif isinstance(key, int) and isinstance(value, list) and -len(value) <= key < len(value):
                value = value[key]
            else:
                raise MissingValue(self.written, _why_not(value, key))
        return value


class MissingValue(UnresolvedReference):
    """A placeholder for a part that the item does not have."""

    def __str__(self) -> str:
        return f"{self.reference} stands for nothing: {self.reason}"


def _why_not(value: object, key: str | int) -> str:
    if not isinstance(value, Mapping):
        kind = f"a list of {len(value)}" if isinstance(value, list) else f"the value {text_of(value)[:40]!r}"
        return f"{kind} has no {key!r}"
    from difflib import get_close_matches  # needed on a mistake only

    near = get_close_matches(str(key), map(str, value), 1)
    if near:
        return f"there is no {key!r} in the row; did you mean {near[0]!r}?"
    keys = [str(one) for one in value]
    shown = ", ".join(keys[:_SHOWN_KEYS]) + (", ..." if len(keys) > _SHOWN_KEYS else "")
    return f"there is no {key!r} in the row; it has {shown or 'no keys'}"


class Written(float):
    """A number that keeps its spelling: ``1e5`` stays ``1e5``, and ``1.10`` stays ``1.10``."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Written:
        made = super().__new__(cls, exact_float(text))
        made.text = text
        return made

    text: str

    def __reduce__(self) -> tuple[object, ...]:
        return Written, (self.text,)


def as_written(text: str) -> Any:
    """The value of a JSON text, with its numbers as :class:`Written`. Raises
    :class:`~batchmill.values.NotJson`."""
    return from_json(text, Written)


def text_of(value: object) -> str:
    """A value as it reads in a command: text unchanged, everything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Written):
        return value.text
    if value is None or isinstance(value, (bool, dict, list, tuple)):
        return to_json(value)
    return to_text(value)


def without_suffix(text: str) -> str:
    """``a/b.tar.gz`` to ``a/b.tar``; a dot that begins a name begins no suffix."""
    return _SUFFIX.sub("", text)


def name_of(text: str) -> str:
    """The last part of a path, as basename(1) gives it."""
    stripped = text.rstrip("/")
    return stripped.rpartition("/")[2] if stripped else text[:1]


def folder_of(text: str) -> str:
    """The folder part of a path, as dirname(1) prints it."""
    stripped = text.rstrip("/")
    if not stripped:
        return text[:1] or "."
    before, slash, _ = stripped.rpartition("/")
    return before.rstrip("/") or slash or "."


PARTS: Mapping[str, Callable[[str], str]] = {
    "": str,
    ".": without_suffix,
    "/": name_of,
    "//": folder_of,
    "/.": lambda text: without_suffix(name_of(text)),
}
"""The part of an item for each placeholder, by the text between the braces."""


def view_of(placeholders: Sequence[Placeholder], item: object, several: bool, own: Mapping[str, str]) -> Any:
    """The view of the item for templates: the texts of placeholders by their notation. ``own`` has those that
    depend on more than the item."""
    texts = {one.written: one.text(item, several) for one in placeholders if one.written not in own}
    return {**texts, **own}
