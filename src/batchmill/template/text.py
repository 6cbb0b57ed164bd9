"""Values as text, and text as values: what stands for a value inside other text.

Inside text ``None`` and ``""`` become nothing, booleans ``True`` and ``False``, objects and lists JSON
with its usual separators, everything else ``str()`` of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from batchmill.errors import TemplateError
from batchmill.lists import LazyList

MAX_TEXT = 64 * 1024 * 1024  # characters; twenty templates that each repeat the one before reach any size
LISTS = (list, tuple, LazyList)
"""What a path walks into by position, and what filters take for a list."""

_CONTAINERS = (dict, list, tuple)
_BLANK = " \t\r\n"


def to_text(value: Any) -> str:
    """``value`` as it reads inside text. Raises :class:`TemplateError` for what JSON cannot hold."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, (*_CONTAINERS, LazyList, Mapping)):
        return to_json(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    try:
        return str(value)
    except ValueError as error:  # an integer of more than 4300 digits
        raise TemplateError(f"a value cannot be written as text: {error}") from error


def to_json(value: Any) -> str:
    """``value`` as JSON text, characters beyond ASCII as they are; at most :data:`MAX_TEXT` long."""
    try:
        if isinstance(value, _CONTAINERS):
            _weigh(value)
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise TemplateError(f"a value cannot be written as JSON: {reason}") from error


def from_json(text: str) -> Any:
    """The object or list that ``text`` holds as JSON, or ``None`` where it holds anything else."""
    start = text[:1]
    if start not in ("{", "["):
        if start not in (" ", "\t", "\r", "\n"):
            return None
        start = text.lstrip(_BLANK)[:1]
        if start not in ("{", "["):
            return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def check_length(length: int) -> None:
    """Raises :class:`TemplateError` when a text of ``length`` characters would be too long."""
    if length > MAX_TEXT:
        raise TemplateError(
            f"a template expands to more than {MAX_TEXT:,} characters; "
            "write large values to a file, or pass them on as values instead of inside text"
        )


def _plain(value: Any) -> Any:
    """What ``json.dumps`` does not know: mappings as objects, the rest as it reads inside text."""
    if isinstance(value, LazyList):
        return _weighed(value)
    return dict(value) if isinstance(value, Mapping) else to_text(value)


def _weighed(elements: LazyList) -> list[Any]:
    """The elements, once it is known of those before that their text is not too long."""
    taken, length = [], 2
    for one in elements:
        length += _weigh(one) if isinstance(one, _CONTAINERS) else _weight(one, {})
        check_length(length)
        taken.append(one)
    return taken


def _weigh(value: Any) -> int:
    """The least length of a container's JSON text; one that would be too long is refused before it is made.

    A container that is part of another many times over is weighed once, so this takes time in
    proportion to what is in memory, not to the text it would give. One that holds itself is left for
    ``json.dumps`` to report.
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


def _elements(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container


def _weight(value: Any, weights: dict[int, int]) -> int:
    if isinstance(value, str):
        return len(value) + 2
    return weights[id(value)] if isinstance(value, _CONTAINERS) else 1
