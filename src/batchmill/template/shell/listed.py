"""Commands that are a list: each element is one argument, and no shell reads them.

The program itself may be a shell, or start one, so the same rules as for a command text apply to its words.
There is no text to rewrite, so a value that a text form would make safe is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NoReturn

from batchmill.errors import TemplateSyntaxError
from batchmill.template.compiled import Compiled, StructureSyntaxError, compile_value
from batchmill.template.parse import parse
from batchmill.template.parts import Expression, Template
from batchmill.template.resolve import resolve_expression, resolve_text
from batchmill.template.scope import Scope
from batchmill.template.shell.checks import check_value, size_in_bytes
from batchmill.template.shell.flows import Flows
from batchmill.template.shell.frames import Frame
from batchmill.template.shell.lists import other_counts, review_lists, take_checks, texts_of
from batchmill.template.shell.programs import review_program
from batchmill.template.shell.script import MAX_STRING_BYTES, Resolved, too_large
from batchmill.template.shell.scripts import look_into
from batchmill.template.shell.words import (
    MARK,
    Check,
    ParsedCommand,
    PositionalParameters,
    ValueFlow,
    ValuePlace,
    Word,
)
from batchmill.template.text import to_text

Element = Template | Compiled | str


class ListPlan:
    """How the arguments of a command that is a list are made."""

    __slots__ = ("_checks", "_elements", "expressions")

    def __init__(
        self, elements: Sequence[Element], checks: dict[int, list[tuple[Expression, set[Check]]]]
    ) -> None:
        self._elements = elements
        self._checks = checks
        templates = (one for one in elements if not isinstance(one, str))
        self.expressions = tuple(expression for one in templates for expression in one.expressions)

    def resolve(self, scope: Scope) -> Resolved:
        """Raises :class:`~batchmill.errors.TemplateError`."""
        for checked in self._checks.values():
            for expression, checks in checked:
                value = resolve_expression(expression, scope)
                for text in texts_of(value) if expression.several else [to_text(value)]:
                    check_value(text, expression.text, checks)
        argv = [text for one in self._elements for text in _texts(one, scope)]
        for place, argument in enumerate(argv):
            if size_in_bytes(argument, f"element {place} of the command") > MAX_STRING_BYTES:
                raise too_large(f"element {place} of the command")
        return Resolved(tuple(argv), "", {}, {})


def _texts(element: Element, scope: Scope) -> list[str]:
    if isinstance(element, Template) and _is_list(element):
        return texts_of(resolve_expression(element.expressions[0], scope))
    return [_text(element, scope)]


def _is_list(element: Element) -> bool:
    """Whether the element is as many arguments as the list has elements that it refers to."""
    return isinstance(element, Template) and len(element.parts) == 1 and element.expressions[0].several


def _text(element: Element, scope: Scope) -> str:
    if isinstance(element, str):
        return element
    return resolve_text(element, scope) if isinstance(element, Template) else to_text(element.resolve(scope))


def plan_list(command: Sequence[object], *, allow_raw: bool, as_argument: str = "") -> ListPlan:
    """Plan a command that is a list. ``as_argument`` says how to pass a value as an argument, if the user did
    not write a list.

    Raises :class:`~batchmill.template.compiled.StructureSyntaxError`.
    """
    elements = [_element(one, place) for place, one in enumerate(command)]
    reader = _ListReader(elements, allow_raw, as_argument)
    _review(reader)
    for counts in other_counts([word.start for word in reader.words if word.several]):
        places = [place for place in range(len(elements)) for _ in range(counts.get(place, 1))]
        again = _ListReader([elements[place] for place in places], allow_raw, as_argument)
        try:
            _review(again)
        except StructureSyntaxError as error:
            message = f"{error.message} (a list before it may have any number of elements)"
            where = places[int(error.path[0])] if error.path else 0
            raise StructureSyntaxError(message, error.text, error.position, (where,)) from None
        for word in again.words:
            take_checks(reader.words[places[word.start]].slots, word.slots, range(len(elements)))
    return ListPlan(elements, reader.checks())


def _review(reader: _ListReader) -> None:
    if any(word.slots for word in reader.words):
        review_program(reader.words, ParsedCommand(words=reader.words), reader)
        review_lists(reader.words, reader)
        reader.flows.settle()


def _element(one: object, place: int) -> Element:
    if not isinstance(one, str):
        made = compile_value(one)
        return made if made.expressions else to_text(one)
    try:
        template = parse(one)
    except TemplateSyntaxError as error:
        raise StructureSyntaxError(error.message, error.text, error.position, (place,)) from error
    return template if template.expressions else "".join(map(str, template.parts))


class _ListReader:
    """The words of a list as the rules see them; a word's place is its number."""

    def __init__(self, elements: Sequence[Element], allow_raw: bool, as_argument: str) -> None:
        self._elements = elements
        self._allow_raw = allow_raw
        self._as_argument = as_argument
        self.flows = Flows()
        self.positions = PositionalParameters()
        self.words = [self._word(one, place) for place, one in enumerate(elements)]

    def _word(self, element: Element, place: int) -> Word:
        word = Word(place, place + 1)
        if isinstance(element, Compiled):
            word.text, word.dynamic = "{", True  # an object or a list: JSON text
            return word
        number = 0
        for part in [element] if isinstance(element, str) else element.parts:
            if isinstance(part, str):
                word.text += part
                continue
            if part.raw and self._allow_raw:
                word.dynamic = True
            else:
                slot = ValuePlace(number, place, "")
                word.take(slot)
                word.slots.append(slot)
            word.text += MARK
            number += 1
        if word.slots and _is_list(element):
            word.take_list()
        return word

    def checks(self) -> dict[int, list[tuple[Expression, set[Check]]]]:
        """The checks for the values in each element that has any."""
        found: dict[int, list[tuple[Expression, set[Check]]]] = {}
        for place, word in enumerate(self.words):
            element = self._elements[place]
            for slot in word.slots:
                if slot.checks and not isinstance(element, str):
                    found.setdefault(place, []).append((element.expressions[slot.expression], slot.checks))
        return found

    @property
    def as_argument(self) -> str:
        if self._as_argument:
            return self._as_argument
        value = next(word for word in self.words if word.slots)
        element = self._elements[value.start]
        text = "" if isinstance(element, str) else element.expressions[value.slots[0].expression].text
        form = json.dumps(["sh", "-c", 'echo "$1"', "sh", text], ensure_ascii=False)
        return (
            f"pass it as an argument instead: {form}; if the value is a script, write "
            '${... | raw}, with "allow_raw": true'
        )

    @property
    def in_script(self) -> str:
        return self.as_argument

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        place = at or 0
        element = self._elements[place]
        text = element.text if isinstance(element, Template) else str(element)
        position = element.expressions[0].position if isinstance(element, Template) else 0
        raise StructureSyntaxError(message, text, position, (place,))

    def forbid(self, flows: Iterable[ValueFlow], message: str, at: int, parts: Check | None = None) -> None:
        self.flows.forbid(flows, message, lambda told: self.fail(told, at), parts)

    def refuse_any(self, reason: str) -> None:
        """Only declarations of a shell ask this, which a list has none of."""

    def embed(
        self,
        word: Word,
        command: ParsedCommand,
        by: Word | None = None,
        positions: PositionalParameters | None = None,
    ) -> bool:
        return False

    def look_into(
        self, text: str, at: int, command: ParsedCommand, positions: PositionalParameters | None = None
    ) -> None:
        base = Frame("", command.reads, command.writes, positions or self.positions)
        look_into(text, self.flows, base, lambda message: self.fail(message, at), self.as_argument)
