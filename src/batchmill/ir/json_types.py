"""JSON Schema's type names, and whether a value is of one."""

from __future__ import annotations

from collections.abc import Mapping

from batchmill.lists import LazyList

ANY = "any"

_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def is_type(value: object, types: str) -> bool:
    """Whether ``value`` is of one of ``types``, names joined with ``|``; ``any`` takes everything."""
    return any(_is(value, name) for name in types.split("|"))


def _is(value: object, name: str) -> bool:
    if name == ANY:
        return True
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "number": (int, float),
        "array": (list, tuple, LazyList),
        "object": Mapping,
        "null": type(None),
    }
    return isinstance(value, kinds.get(name, ()))


def type_words(types: str) -> str:
    """``string|array`` as ``text or a list``."""
    return " or ".join(_WORDS.get(name, name) for name in types.split("|"))
