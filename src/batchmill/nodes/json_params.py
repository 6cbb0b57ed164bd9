"""Convert values of params to JSON and back, with errors that name the param."""

from __future__ import annotations

from typing import Any

from batchmill.errors import InvalidParams
from batchmill.values import NotJson, NotPlain, container_in, plain, to_json


def plain_param(value: object, node: str, name: str) -> Any:
    """``value`` as plain data. Raises :class:`~batchmill.errors.InvalidParams`."""
    try:
        return plain(value, f"`{name}`")
    except NotPlain as error:
        raise InvalidParams(f"{node}: {error}") from error


def json_param(value: object, node: str, name: str, *, indent: int | None = None) -> str:
    """``value`` as JSON text. Raises :class:`~batchmill.errors.InvalidParams`."""
    try:
        return to_json(value, f"`{name}`", indent=indent)
    except NotPlain as error:
        raise InvalidParams(f"{node}: {error}") from error


_KINDS: dict[type, str] = {list: "array", dict: "object"}
CONTAINERS = frozenset({"array", "object"})
"""Names of the types that text is read for."""


def container_param(value: object, types: Any, name: str) -> object:
    """``value``; text becomes the list or object that it writes as JSON, if ``types`` (a name of JSON
    Schema's, or a list of them) are only lists and objects. Other text is left for the type check.

    Raises :class:`~batchmill.errors.InvalidParams` for text that begins like one but is invalid JSON.
    """
    names = {types} if isinstance(types, str) else set(types or ())
    if not isinstance(value, str) or not names or not names <= {*CONTAINERS, "null"} or names == {"null"}:
        return value
    try:
        read = container_in(value)
    except NotJson as error:
        wanted = " or ".join(sorted(names - {"null"}))
        message = f"{name} must be {wanted}, and the text is not JSON: {error}"
        raise InvalidParams(message) from error
    return value if _KINDS.get(type(read)) not in names else read
