"""Values as text, and text as values: the form of a value inside other text.

Inside text, ``None`` and ``""`` become nothing, booleans ``True`` and ``False``, objects and lists JSON with
its usual separators, numbers the text that Python writes. Every other value becomes its JSON
(:mod:`batchmill.values.plain_data`), without quotes if that is a string. NaN and infinities are null there,
so they become nothing too.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from batchmill.errors import TemplateError
from batchmill.lists import LazyList, holds_lazy
from batchmill.values import NotJson, NotPlain, container_in, plain
from batchmill.values import to_json as written

MAX_TEXT = 64 * 1024 * 1024  # characters; twenty templates that each repeat the one before reach any size
LISTS = (list, tuple, LazyList)
"""Types that a path indexes by position, and that filters take for a list."""

_CONTAINERS = (dict, list, tuple)
_NUMBERS = (int, float)


def to_text(value: Any) -> str:
    """``value`` in its form inside text. Raises :class:`TemplateError` if JSON cannot hold it."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]  # it is one
    if value is None or (kind is float and not isfinite(value)):
        return ""
    if kind is bool or kind in _NUMBERS:
        try:
            return str(value)
        except ValueError as error:  # an integer of more than 4300 digits
            raise TemplateError(f"a value cannot be written as text: {error}") from error
    if isinstance(value, (*_CONTAINERS, LazyList, Mapping)):
        return to_json(value)
    try:
        simple = plain(value)
    except NotPlain as error:
        raise TemplateError(f"a value cannot be written as text: {error}") from error
    return to_json(simple) if isinstance(simple, _CONTAINERS) else to_text(simple)


def to_json(value: object) -> str:
    """``value`` as JSON text, with characters beyond ASCII unescaped; at most :data:`MAX_TEXT` long."""
    try:
        if isinstance(value, _CONTAINERS):
            _weigh(value)
        if isinstance(value, (*_CONTAINERS, LazyList)) and holds_lazy(value):
            value = _taken(value)
        text = written(value)
    except NotPlain as error:
        raise TemplateError(f"a value cannot be written as JSON: {error}") from error
    except RecursionError as error:
        raise TemplateError("a value cannot be written as JSON: it is nested too deep") from error
    check_length(len(text))
    return text


def opened(text: str) -> object:
    """The object or list that ``text`` holds as JSON, or ``None`` where it holds anything else."""
    try:
        return container_in(text)
    except NotJson:
        return None


def why_closed(text: str) -> str:
    """Why :func:`opened` finds nothing in ``text``."""
    try:
        container_in(text)
    except NotJson as fault:
        return f"text that is not JSON ({fault})"
    return "text that is not a JSON object or list"


def check_length(length: int) -> None:
    """Raises :class:`TemplateError` when a text of ``length`` characters would be too long."""
    if length > MAX_TEXT:
        raise TemplateError(
            f"a template expands to more than {MAX_TEXT:,} characters; "
            "write large values to a file, or pass them on as values instead of inside text"
        )


def _taken(value: object) -> object:
    """``value`` with real lists in place of lazy ones."""
    if isinstance(value, LazyList):
        return _weighed(value)
    if isinstance(value, dict):
        return {key: _taken(one) for key, one in value.items()}
    return [_taken(one) for one in value] if isinstance(value, (list, tuple)) else value


def _weighed(elements: LazyList) -> list[object]:
    """The elements, once it is known of those before that their text is not too long."""
    taken, length = [], 2
    for one in elements:
        length += _weigh(one) if isinstance(one, _CONTAINERS) else _weight(one, {})
        check_length(length)
        taken.append(one)
    return taken


def _weigh(value: object) -> int:
    """The least length of a container's JSON text; a text that would be too long is refused before it is
    made.

    A container that is part of another many times over is weighed once, so the time is in proportion to the
    data in memory, not to the text. A container that holds itself is left for the writer to report.
    """
    weights: dict[int, int] = {}
    pending: list[tuple[Any, bool]] = [(value, False)]
    while pending:
        container, opened = pending.pop()
        if opened:
            weights[id(container)] = sum([_weight(one, weights) for one in _elements(container)], 2)
            check_length(weights[id(container)])
        elif id(container) not in weights:
            weights[id(container)] = 2
            pending.append((container, True))
            pending.extend([(one, False) for one in _elements(container) if isinstance(one, _CONTAINERS)])
    return weights[id(value)]


def _elements(container: object) -> Any:
    return container.values() if isinstance(container, dict) else container


def _weight(value: object, weights: dict[int, int]) -> int:
    if isinstance(value, str):
        return len(value) + 2
    return weights[id(value)] if isinstance(value, _CONTAINERS) else 1
