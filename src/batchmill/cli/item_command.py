"""``-- COMMAND ...``: the words of a command with placeholders for the item, as a node runs them.

==============  ============================================================
written         stands for
==============  ============================================================
``{}``          the item; of several sources all their values
``{.}``         it without its last suffix
``{/}``         the last part of its path, ``{//}`` what is before that
``{/.}``        the last part without its suffix
``{#}``         its number, from 1
``{%}``         the number of its slot among those at work at once, from 1
``{1}``         the value of the first source; ``{1.}``, ``{1/}``, ... as above
``{key}``       a part of a row, as is ``{item.key}``
``{{``          a brace
==============  ============================================================

With several items for each command (``-n``) a word with a placeholder in it stands once for each of them.

Several words run without a shell, each as it is. One word is a line for the shell: the item is passed
beside the text there, so whatever it holds is one word of the command and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import click

from batchmill.cli.grouped_line import positional
from batchmill.cli.item_source import literal
from batchmill.errors import TemplateSyntaxError
from batchmill.nodes.command import NUMBER, SLOT
from batchmill.nodes.placeholders import PARTS, Placeholder
from batchmill.template import review_words

ITEM = "item"  # what templates call it
AS_IT_IS = " | raw"  # nothing is pasted where there is no shell, and text that is JSON stays the text it is
_AS_ARGUMENT = "pass it as an argument: -- sh -c 'echo \"$1\"' sh {}; or give the command as one word"

# A word in braces has no blanks, quotes and signs of a shell's or awk's own text in it; the key of a row may
# have blanks inside. ``${x}`` is the shell's own, wherever it stands, and ``{{`` is a brace.
_WORD = r"[^{}\s\"'$`\\;,|&<>()]+"
_ITEM_PATH = r"item[.\[][^{}\"'$`\\;|&<>()\n]*"
_IN_TEXT = re.compile(rf"\$\{{|\{{\{{|\{{({_ITEM_PATH}|{_WORD}|)\}}")
_IN_ROWS = re.compile(rf"\$\{{|\{{\{{|\{{({_ITEM_PATH}|{_WORD}(?: +{_WORD})*|)\}}")
_NUMBERED = re.compile(r"([1-9][0-9]*)(/\.|//|/|\.|)")
_KEYS = re.compile(r"\.?([^.\[\]]+)|\[(-?[0-9]+)\]")
_TEXTS = {"{{": "{", "${": "${"}
_KNOWN = "{} {.} {/} {//} {/.} {#} {%}"
_MEANT = {
    "stem": "{/.}", "basename": "{/}", "base": "{/}", "filename": "{/}", "dirname": "{//}", "dir": "{//}",
    "parent": "{//}", "index": "{#}", "n": "{#}", "i": "{#}", "number": "{#}", "seq": "{#}", "slot": "{%}",
    "file": "{}", "path": "{}", "line": "{}", "name": "{/}", "x": "{}", "0": "{1} or {#}", "+": "{}",
}  # fmt: skip
"""Placeholders of other tools, and ours for them."""


@dataclass(frozen=True, slots=True)
class ItemCommand:
    """``command`` as the param of a node, with its ``placeholders``. In a command for several items,
    ``members`` has the places of words that stand for one item, each with the position of that item."""

    command: str | list[str]
    placeholders: tuple[Placeholder, ...]
    members: tuple[tuple[int, int], ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the command depends on the position of the item."""
        return any(one.written == NUMBER for one in self.placeholders)

    @property
    def keys(self) -> tuple[Placeholder, ...]:
        """The placeholders that need a row."""
        return tuple(one for one in self.placeholders if one.keys)


@dataclass(frozen=True, slots=True)
class ItemShape:
    """The known form of the items: ``sources`` values each (0: any number, the columns of a line), rows or
    not. ``grouped`` says that a command gets up to so many items."""

    sources: int = 1
    rows: bool = False
    grouped: bool = False

    @property
    def several(self) -> bool:
        return self.sources != 1


def command_of(
    words: Sequence[str],
    shape: ItemShape = ItemShape(),
    *,
    append: bool = True,
    mark: str | None = None,
    interpreter: str = "sh",
) -> ItemCommand:
    """Parse the words of a command. Without a placeholder the item comes last, unless ``append`` is False.
    ``mark`` replaces ``{}``, and braces then mean nothing. ``interpreter`` is the shell that reads a line
    with several items.

    Raises :class:`click.UsageError` for an unknown word in braces, and for a shell that would read the item
    as part of its program.
    """
    if mark == "":
        raise click.UsageError("-I needs the text that stands for the item, such as -I @@")
    if len(words) == 1 and not words[0].strip():
        raise click.UsageError("the command is empty")
    reader = _Reader(shape, mark)
    parts: list[list[str | Placeholder]] = [list(reader.parts(word)) for word in words]
    found = [one for word in parts for one in word if isinstance(one, Placeholder)]
    if not found and append:
        whole = Placeholder(mark or "{}")
        parts = [[*parts[0], " ", whole]] if len(parts) == 1 else [*parts, [whole]]
        found = [whole]
    if len(parts) == 1 and shape.grouped:
        script = "".join(positional(parts[0]))
        all_items: list[list[str | Placeholder]] = [[one] for one in found[:1]]
        parts = [[interpreter], ["-c"], [script], [interpreter], *all_items]
    used = tuple(dict.fromkeys(one for whole in found for one in (whole, *_each(whole, shape))))
    if len(parts) == 1:
        return ItemCommand("".join(_line(parts[0], shape)), used, ())
    return _of_words(parts, used, shape)


def _of_words(
    parts: list[list[str | Placeholder]], used: tuple[Placeholder, ...], shape: ItemShape
) -> ItemCommand:
    """The command of several words, which no shell reads."""
    filled = list(_grouped(parts, shape) if shape.grouped else ((one, None) for one in _words(parts, shape)))
    command = ["".join(_templates(word, AS_IT_IS)) for word, _ in filled]
    try:
        review_words(command, _AS_ARGUMENT)
    except TemplateSyntaxError as error:
        raise click.UsageError(error.message) from None
    members = tuple((place, number) for place, (_, number) in enumerate(filled) if number is not None)
    return ItemCommand(command, used, members)


class _Reader:
    """Splits words into texts and placeholders."""

    def __init__(self, shape: ItemShape, mark: str | None) -> None:
        self._shape = shape
        self._mark = mark

    def parts(self, word: str) -> Iterator[str | Placeholder]:
        if self._mark is not None:
            yield from self._marked(word, self._mark)
            return
        end = 0
        for found in (_IN_ROWS if self._shape.rows else _IN_TEXT).finditer(word):
            yield word[end : found.start()]
            yield _TEXTS.get(found[0]) or self._placeholder(found[0], found[1])
            end = found.end()
        yield word[end:]

    def _marked(self, word: str, mark: str) -> Iterator[str | Placeholder]:
        before, *rest = word.split(mark)
        yield before
        for text in rest:
            yield Placeholder(mark)
            yield text

    def _placeholder(self, written: str, inside: str) -> Placeholder:
        if inside in PARTS or inside == ITEM:
            return Placeholder(written, "" if inside == ITEM else inside)
        if written in (NUMBER, SLOT):
            return Placeholder(written)
        if (numbered := _NUMBERED.fullmatch(inside)) and not (self._shape.rows and not self._shape.several):
            return self._of_source(written, int(numbered[1]), numbered[2])
        if inside.startswith((f"{ITEM}.", f"{ITEM}[")):
            return self._of_row(written, inside[len(ITEM) :].removeprefix("."))
        if self._shape.rows:
            return self._of_row(written, inside)
        raise self._unknown(written, inside)

    def _of_source(self, written: str, number: int, part: str) -> Placeholder:
        if self._shape.sources and number > self._shape.sources:
            there = f"there {'is one source' if self._shape.sources == 1 else f'are {self._shape.sources}'}"
            raise click.UsageError(
                f"{written} is the value of source {number}, and {there}{_literally(written)}"
            )
        return Placeholder(written, part, number - 1 if self._shape.several else None)

    def _of_row(self, written: str, path: str) -> Placeholder:
        keys: list[str | int] = []
        place = 0
        while place < len(path):
            found = _KEYS.match(path, place)
            if found is None:
                raise click.UsageError(
                    f"{written} does not name a key of a row: write {{item.key}} or {{item[0]}}"
                )
            keys.append(found[1] if found[1] is not None else int(found[2]))
            place = found.end()
        if not keys:
            raise click.UsageError(f"{written} names no key: write {{item.key}} or {{item[0]}}")
        return Placeholder(written, keys=tuple(keys), word=path)

    def _unknown(self, written: str, inside: str) -> click.UsageError:
        meant = _MEANT.get(inside.lower())
        if meant is None and (near := get_close_matches(inside.lower(), _MEANT, 1, 0.8)):
            meant = _MEANT[near[0]]
        hint = f": did you mean {meant}?" if meant else ""
        several = " {1} {2}" if self._shape.several else ""
        return click.UsageError(
            f"{written} in the command is not a placeholder{hint}; there are {_KNOWN}{several}, and {{key}} "
            f"where items are rows{_literally(written)}"
        )


def _literally(written: str) -> str:
    return f"; for the text itself write {{{written}, or choose another placeholder with -I"


def _each(whole: Placeholder, shape: ItemShape) -> Iterator[Placeholder]:
    """A placeholder that means all of several sources, as one for each."""
    if not _means_all(whole, shape):
        return
    for number in range(shape.sources):
        written = f"{whole.written}[{number + 1}]" if whole.keys else f"{{{number + 1}{whole.part}}}"
        yield replace(whole, written=written, source=number)


def _means_all(one: Placeholder, shape: ItemShape) -> bool:
    if shape.sources <= 1 or one.source is not None or one.written in (NUMBER, SLOT):
        return False
    return shape.grouped or not one.keys


def _words(parts: Sequence[list[str | Placeholder]], shape: ItemShape) -> Iterator[list[str | Placeholder]]:
    """Each word; a word that is only a placeholder for all sources becomes one word for each source."""
    for word in parts:
        filled = [one for one in word if one]
        alone = filled[0] if len(filled) == 1 else None
        each = list(_each(alone, shape)) if isinstance(alone, Placeholder) else []
        if not each:
            yield word
        for one in each:
            yield [one]


def _grouped(
    parts: Sequence[list[str | Placeholder]], shape: ItemShape
) -> Iterator[tuple[list[str | Placeholder], int | None]]:
    """Each word, those with a placeholder for all items of a group once for each, with its position there."""
    for word in parts:
        if not any(isinstance(one, Placeholder) and _means_all(one, shape) for one in word):
            yield word, None
            continue
        each = [list(_each(one, shape)) if isinstance(one, Placeholder) else [] for one in word]
        for number in range(shape.sources):
            yield [made[number] if made else one for one, made in zip(word, each, strict=True)], number


def _line(parts: Sequence[str | Placeholder], shape: ItemShape) -> Iterator[str]:
    """A line for the shell: what means all of several sources becomes as many words."""
    for one in parts:
        each = list(_each(one, shape)) if isinstance(one, Placeholder) else []
        if each:
            yield " ".join(text for single in each for text in _templates([single], ""))
        else:
            yield from _templates([one], "")


def _templates(parts: Sequence[str | Placeholder], filters: str) -> Iterator[str]:
    for one in parts:
        if isinstance(one, str):
            yield literal(one)
        else:
            yield f"${{{ITEM}[{json.dumps(one.written)}]{filters}}}"
