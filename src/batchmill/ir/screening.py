"""Whether a loaded value is plain JSON that can be walked safely: types, numbers, text, depth, size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from batchmill.ir.faults import DocumentPath, Fault, kind_of

MAX_DEPTH = 128
"""Levels of lists and objects inside each other. Far above what people write, far below what makes
recursive readers (templates, models, JSON itself) fail."""

MAX_VALUES = 10_000_000
"""Values in one document; a YAML alias and a Python object used twice count each time."""


_SMALL = 2**63
_MAX_BITS = 13_280  # some 4,000 digits: Python turns no more than 4,300 into text


class Unwalkable(Exception):  # carries a fault, is one of no caller outside ir
    """Raised inside ``ir`` when a document must not be looked at further; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def screen(raw: Any) -> list[Fault]:
    """Every value in ``raw`` that is not JSON. Raises :class:`Unwalkable` past the limits."""
    faults = list(_leaf_faults((), raw))
    stack: list[tuple[DocumentPath, Any]] = [((), raw)]
    count = 1
    while stack:
        path, container = stack.pop()
        if not isinstance(container, (dict, list)):
            continue
        if len(path) >= MAX_DEPTH:
            raise Unwalkable(Fault(path, f"is nested deeper than {MAX_DEPTH} levels", "flatten the document"))
        count += len(container)
        if count > MAX_VALUES:
            raise Unwalkable(Fault((), f"holds more than {MAX_VALUES:,} values", "read items from a file"))
        faults.extend(_faults_within(path, container, stack))
    return faults


def _faults_within(
    path: DocumentPath, container: dict[Any, Any] | list[Any], stack: list[tuple[DocumentPath, Any]]
) -> Iterator[Fault]:
    """The faults of a container's own keys and leaves; containers in it go on the stack."""
    is_object = isinstance(container, dict)
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in pairs:
        if is_object and (not isinstance(key, str) or not _encodable(key)):
            yield Fault(path, f"has a key that is not Unicode text: {ascii(key)[:40]}")
            continue
        kind = type(value)
        if kind is dict or kind is list:
            stack.append(((*path, key), value))
        elif (kind is str and value.isascii()) or (kind is int and -_SMALL < value < _SMALL):
            continue  # what nearly all values are
        elif isinstance(value, (dict, list)):
            stack.append(((*path, key), value))
        else:
            yield from _leaf_faults((*path, key), value)


def _leaf_faults(path: DocumentPath, value: Any) -> Iterator[Fault]:
    if isinstance(value, str):
        if not _encodable(value):
            yield Fault(path, "holds half a surrogate pair, which is not Unicode text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Fault(
                path, "must be a finite number: JSON has no NaN or Infinity, and floats end at 1.8e308"
            )
    elif isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            yield Fault(path, "is a number of more than 4000 digits")
    elif not isinstance(value, (dict, list, type(None))):
        yield Fault(
            path, f"is {kind_of(value)}, which JSON does not have", "use text, numbers, lists and dicts"
        )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
