"""Find the part of a value that makes an operation fail, to name it in an error."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MAX_DEPTH = 8
MAX_PARTS = 200


def blame(value: object, attempt: Callable[[Any], None], *, root: str = "value") -> str:
    """The path of the smallest part of ``value`` for which ``attempt`` raises, with its type.

    Looks into attributes, mappings, sequences, sets and values that functions use, ``MAX_DEPTH`` levels deep.
    """
    path, culprit = _descend(value, attempt, root, 0, set())
    return f"{path} ({type(culprit).__module__}.{type(culprit).__qualname__})"


def _descend(
    value: object, attempt: Callable[[Any], None], path: str, depth: int, seen: set[int]
) -> tuple[str, object]:
    seen.add(id(value))
    if depth < MAX_DEPTH:
        for name, part in _parts_to_look_at(value):
            if id(part) not in seen and _fails(part, attempt):
                return _descend(part, attempt, path + name, depth + 1, seen)
    return path, value


def _fails(value: object, attempt: Callable[[Any], None]) -> bool:
    try:
        attempt(value)
    except BaseException:  # noqa: BLE001  # that it fails is the answer
        return True
    return False


def _parts_to_look_at(value: object) -> list[tuple[str, object]]:
    try:
        return list(_parts(value))
    except Exception:  # noqa: BLE001  # the value's own code does not let us look: it is named whole
        return []


def _parts(value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in list(value.items())[:MAX_PARTS])
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{place}]", part) for place, part in enumerate(list(value)[:MAX_PARTS]))
    else:
        yield from _attributes(value)


def _attributes(value: object) -> list[tuple[str, object]]:
    found = [(f".{name}", part) for name, part in getattr(value, "__dict__", {}).items()]
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        found += [(f".{name}", getattr(value, name)) for name in names if hasattr(value, name)]
    if isinstance(value, types.FunctionType):
        code, known = value.__code__, value.__globals__
        cells = zip(code.co_freevars, value.__closure__ or (), strict=False)
        found += [(f" uses {name}", cell.cell_contents) for name, cell in cells if _filled(cell)]
        found += [(f" uses {name}", known[name]) for name in code.co_names if name in known]
    if (owner := getattr(value, "__self__", None)) is not None:
        found.append((".__self__", owner))
    if callable(part := getattr(value, "func", None)):
        found.append((".func", part))
        found.append((".args", getattr(value, "args", ())))
    return found[:MAX_PARTS]


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # raises when the cell is empty
    except ValueError:
        return False
    return True
