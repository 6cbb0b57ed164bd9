"""From a template and a scope to a value: walking paths, choosing alternatives, applying filters.

Paths lead through the keys of mappings and the positions of lists and tuples, never through attributes.
What is found is not looked at again: a ``${`` in a value is text.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from batchmill.errors import TemplateError, UnresolvedReference
from batchmill.lists import LazyList, Rows
from batchmill.template.conditions import evaluate
from batchmill.template.filters import apply_filter
from batchmill.template.parts import EVERY, Every, Expression, Literal, Operand, Path, Template
from batchmill.template.scope import Scope
from batchmill.template.text import LISTS, check_length, to_text, why_closed
from batchmill.values.words import kind_of

_SHELL_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_POSITION = re.compile(r"0|-?[1-9][0-9]{0,17}")
_SHOWN = 5


@dataclass(slots=True)
class Missing:
    """The end of a path that leads nowhere: ``segment`` is not in ``holder``, the value of ``reached``.

    Its message is made only on demand, because an alternative may follow.
    """

    path: Path
    reached: str
    segment: object
    holder: Any

    def error(self) -> UnresolvedReference:
        return UnresolvedReference(self.path.text, self._reason())

    def _reason(self) -> str:
        if isinstance(self.segment, Missing):
            return f"its index ${{{self.segment.path.text}}} is missing: {self.segment._reason()}"
        if isinstance(self.holder, Scope):
            return self._no_name(self.holder)
        if isinstance(self.segment, Every):
            what = why_closed(self.holder) if isinstance(self.holder, str) else kind_of(self.holder)
            return f"{self.reached!r} is {what}, and [*] needs a list"
        if isinstance(self.holder, Mapping):
            hint = _keys(str(self.segment), self.holder)
            return f"{self.reached!r} has no key {self.segment!r}; {hint}"
        if isinstance(self.holder, LISTS):
            return self._no_element(len(self.holder))
        what = why_closed(self.holder) if isinstance(self.holder, str) else kind_of(self.holder)
        return f"{self.reached!r} is {what}, so it has no {self.segment!r}"

    def _no_name(self, scope: Scope) -> str:
        name = self.path.root
        if why := scope.absent.get(name):
            return f"{why}; {_otherwise(self.path)}"
        if not _SHELL_NAME.fullmatch(name):
            return f"there is no {name!r}; {_keys(name, scope)}"
        return f"there is no {name!r}; if the shell's own variable is meant, write $${{{name}}}"

    def _no_element(self, length: int) -> str:
        if _position(self.segment) is not None:
            count = f"{length} element{'' if length == 1 else 's'}"
            return f"{self.reached!r} has {count}, so none at {self.segment}"
        return f"{self.reached!r} is a list and has no key {self.segment!r}; write [0] or [*] first"


class _OfFailed(Missing):
    """An output that a node which failed did not come to."""

    __slots__ = ()

    def _reason(self) -> str:
        there = ", ".join(map(str, self.holder)) or "nothing"
        told = f"the node {self.path.root!r} failed and has no {self.segment!r}, only {there}"
        return f"{told}; {_otherwise(self.path)}"


class _PassedOver(Missing):
    """An output of a failed node that does not count as present."""

    __slots__ = ()

    def _reason(self) -> str:
        return f"{self.path.root!r} failed, and nothing else in the ?? chain is there"


def _otherwise(path: Path) -> str:
    return f"give another value with ??: ${{{path.text} ?? ...}}"


def _keys(wanted: str, names: Iterable[object]) -> str:
    known = [str(name) for name in names]
    if not known:
        return "there is nothing in it"
    from difflib import get_close_matches  # needed on a mistake only

    near = get_close_matches(wanted, known, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = ", ..." if len(known) > _SHOWN else ""
    return f"there is {', '.join(known[:_SHOWN])}{more}"


def find(path: Path, scope: Scope) -> object:
    """The value of ``path``, or a :class:`Missing`."""
    try:
        value = scope[path.root]
    except KeyError:
        return Missing(path, path.root, path.root, scope)
    return _walk(path, 0, value, path.root, scope) if path.segments else value


def _walk(path: Path, start: int, value: object, reached: str, scope: Scope) -> object:
    """Follow the segments from ``start`` on; ``reached`` is how ``value`` is called in messages."""
    for place in range(start, len(path.segments)):
        segment: object = path.segments[place]
        if isinstance(segment, Path):
            segment = find(segment, scope)
            if isinstance(segment, Missing):
                return Missing(path, reached, segment, None)
        if isinstance(value, str):
            value = _opened(value, path.root, scope)
        if segment is EVERY:
            return _walk_every(path, place, value, reached, scope)
        found = _step(value, segment)
        if found is _ABSENT:
            of_failed = place == 0 and scope.passed_over(path.root, segment)
            return (_OfFailed if of_failed else Missing)(path, reached, segment, value)
        value = found
        reached = f"{reached}.{segment}" if isinstance(segment, str) else f"{reached}[{segment}]"
    return value


def _walk_every(path: Path, place: int, value: object, reached: str, scope: Scope) -> object:
    """Follow the rest of the path from every element; ``null`` elements, failed items, are passed over."""
    if not isinstance(value, LISTS):
        return Missing(path, reached, EVERY, value)
    if isinstance(value, LazyList) and scope.lazy:
        return _walk_every_lazily(path, place, value, reached, scope)
    collected = []
    for index, element in enumerate(value):
        if element is None:
            continue
        found = _walk(path, place + 1, element, f"{reached}[{index}]", scope)
        if isinstance(found, Missing):
            return found
        collected.append(found)
    return collected


def _walk_every_lazily(path: Path, place: int, value: LazyList, reached: str, scope: Scope) -> object:
    """The same, lazily: neither the elements nor the values found in them need to be in memory."""
    collected, first = Rows(), 0
    for elements in value.parts():
        together: list[object] = []
        for index, element in enumerate(elements, first):
            if element is None:
                continue
            found = _walk(path, place + 1, element, f"{reached}[{index}]", scope)
            if isinstance(found, Missing):
                return found
            together.append(found)
        collected.put_run(len(collected), together)
        first += len(elements)
    return collected.listed(len(collected))


_ABSENT = object()


def _opened(text: str, root: str, scope: Scope) -> object:
    """The JSON object or list that ``text`` holds, or ``text`` itself."""
    parsed = scope.parse(text, root)
    return text if parsed is None else parsed


def _step(holder: object, segment: object) -> object:
    """One key or position on from ``holder``."""
    if isinstance(holder, Mapping):
        return _value_at(holder, segment)
    if isinstance(holder, LISTS):
        position = _position(segment)
        if position is not None and -len(holder) <= position < len(holder):
            return holder[position]
    return _ABSENT


def _value_at(holder: Mapping[object, object], key: object) -> object:
    if isinstance(key, (str, int, float)) and key in holder:
        return holder[key]
    if isinstance(key, int) and str(key) in holder:  # JSON has text keys only
        return holder[str(key)]
    return _ABSENT


def _position(segment: object) -> int | None:
    """A position in a list, also from text, because a value from the command line is text. Text with leading
    zeros is an identifier that happens to consist of digits."""
    if isinstance(segment, int) and not isinstance(segment, bool):
        return segment
    if isinstance(segment, str) and _POSITION.fullmatch(segment):
        return int(segment)
    return None


def resolve_expression(expression: Expression, scope: Scope) -> object:
    """The value of an expression. Raises :class:`UnresolvedReference` or :class:`FilterError`.

    In a permissive scope, an expression that does not resolve becomes its own text and is noted in the scope.
    """
    try:
        condition = expression.condition
        if isinstance(condition, Operand):  # nearly all of them
            return _value_of(condition, scope)
        return evaluate(condition, partial(_value_of, scope=scope))
    except UnresolvedReference:
        if not scope.permissive:
            raise
        scope.unresolved.append(expression.text)
        return expression.text


def _value_of(operand: Operand, scope: Scope) -> object:
    value = _choose(operand.alternatives, scope)
    if isinstance(value, Missing):
        if not operand.has_default:
            raise value.error()
        value = None
    for one in operand.filters:
        value = apply_filter(one.name, one.argument, value)
    return value


def _choose(alternatives: tuple[Path | Literal, ...], scope: Scope) -> object:
    """The first alternative that is there; the first one's :class:`Missing` when none is."""
    missing: Missing | None = None
    for one in alternatives:
        if isinstance(one, Literal):
            return copy.deepcopy(one.value)
        found = find(one, scope)
        if not isinstance(found, Missing):
            first_key = one.segments[0] if one.segments else None
            if len(alternatives) == 1 or not scope.passed_over(one.root, first_key):
                return found
            found = _PassedOver(one, one.root, first_key, None)
        missing = missing or found
    return missing


def resolve_key(template: Template, scope: Scope, place: str) -> str:
    """The key of an object: text unchanged, a number or boolean as in text. Raises :class:`TemplateError`,
    also for a value that cannot be a key; ``place`` names the object in messages."""
    if len(template.parts) == 1 and isinstance(template.parts[0], Expression):
        value = resolve_expression(template.parts[0], scope)
        if value is None or isinstance(value, (Mapping, *LISTS)):
            path = place or "an object"
            raise UnresolvedReference(
                template.parts[0].text[2:-1], f"as a key of {path} it must be text, not {kind_of(value)}"
            )
        return to_text(value)
    return resolve_text(template, scope)


def resolve_text(template: Template, scope: Scope) -> str:
    """A template as text, whatever the types of its values. Raises :class:`TemplateError`, which names all
    references that cannot be resolved."""
    texts: list[str] = []
    length = 0
    for part in template.parts:
        try:
            text = part if isinstance(part, str) else to_text(resolve_expression(part, scope))
        except UnresolvedReference:
            raise all_missing(template.expressions, scope) from None
        length += len(text)
        check_length(length)
        texts.append(text)
    return "".join(texts)


def all_missing(expressions: Iterable[Expression], scope: Scope) -> UnresolvedReference:
    """The error for all of one text's expressions that lead nowhere; one of them at least does."""
    missing: list[UnresolvedReference] = []
    for expression in expressions:
        try:
            resolve_expression(expression, scope)
        except UnresolvedReference as error:
            missing.append(error)
        except TemplateError:  # told once everything is there
            continue
    return _together(missing)


def _together(missing: list[UnresolvedReference]) -> UnresolvedReference:
    """All that is missing in one text as one error."""
    first = missing[0]
    others = [text for text in dict.fromkeys(map(str, missing)) if text != str(first)]
    return UnresolvedReference(first.reference, "; ".join([first.reason, *others])) if others else first
