"""Undeclared secrets, found by their names and by the typical forms of secrets."""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

from batchmill.lists import LazyList, MappedList
from batchmill.values.masking import is_ordinary

TELLING = re.compile(
    r"(?:api|access|private|secret)[-_]?key|(?<![a-z])token(?![a-z])|secret|passw|credential|authorization",
    re.IGNORECASE,
)
_NAMES_VARIABLE = re.compile(r"_env$", re.IGNORECASE)  # its value is the name of a variable
_SECRET_FORMS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b[a-z][a-z0-9+.-]*://[^/?#\s:@]*:[^/?#\s@]+@"  # a password in a URL
    r"|\b(?:Bearer|Basic) [A-Za-z0-9+/_.~-]{16,}",
    re.IGNORECASE,
)


def tells(name: str) -> bool:
    """Whether a name indicates that its value is a secret, such as ``db_password``."""
    return TELLING.search(name) is not None and not _NAMES_VARIABLE.search(name)


def told_secret(value: Any) -> str | None:
    """The place of a secret in ``value``, as a path such as ``headers.Authorization`` or ``[2].password``; ""
    if it is ``value`` itself, None if there is none.

    Searches text and bytes in mappings, sequences, sets, attributes of objects, and values captured by
    functions. Texts that are too ordinary to be secrets (:func:`~batchmill.values.masking.is_ordinary`) do
    not count.
    """
    seen: dict[int, Any] = {}  # with the objects, so that none is freed and its number used again
    todo = deque([("", value, False)])
    while todo:
        path, one, told = todo.popleft()
        if isinstance(one, (bytes, bytearray)):
            one = one.decode("utf-8", "replace")
        if isinstance(one, str):
            if (told and not is_ordinary(one)) or _SECRET_FORMS.search(one):
                return path
        elif id(one) not in seen:
            seen[id(one)] = one
            for name, part, telling in _parts(one):
                todo.append((_joined(path, name), part, told or telling))
    return None


def _parts(value: Any) -> Iterator[tuple[str, Any, bool]]:
    """The parts of ``value``: the name or position of each, the part, and whether the name indicates a
    secret."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            name = key if isinstance(key, str) else repr(key)
            yield name, part, tells(name)
    elif isinstance(value, (list, tuple, set, frozenset, deque, LazyList, MappedList)):
        names = getattr(value, "_fields", ())
        for place, part in enumerate(value):
            name = names[place] if place < len(names) else f"[{place}]"
            yield name, part, tells(name)
    elif isinstance(value, functools.partial):
        yield from _parts({"function": value.func, "arguments": value.args, **value.keywords})
    elif isinstance(value, MethodType):
        yield from _parts(value.__self__)
    elif isinstance(value, FunctionType):
        yield from _parts(_carried(value))
    elif not isinstance(value, (type, ModuleType)):
        yield from _parts(getattr(value, "__dict__", None) or {})


def _carried(function: FunctionType) -> dict[str, Any]:
    """The variables around a function, its defaults, and the globals of the main program that it names."""
    found = dict(function.__kwdefaults__ or {})
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    defaults = function.__defaults__ or ()
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    found.update(zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True))
    if function.__module__ == "__main__":
        named = function.__code__.co_names
        found.update({name: function.__globals__[name] for name in named if name in function.__globals__})
    return found


def _joined(path: str, name: str) -> str:
    return name if not path else f"{path}{name}" if name.startswith("[") else f"{path}.{name}"
