"""Whether a loaded value is plain JSON that can be walked safely: types, numbers, text, depth, size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from batchmill.ir.faults import DocumentPath, Fault
from batchmill.values import MAX_DEPTH, MAX_DIGITS
from batchmill.values.words import kind_of

MAX_VALUES = 10_000_000
"""Values in one document; a YAML alias and a Python object used twice count each time."""


_SMALL = 2**63
_TOO_LARGE = 10**MAX_DIGITS


class Unwalkable(Exception):  # carries a fault, is one of no caller outside ir
    """Raised inside ``ir`` when a document must not be looked at further; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def screen(raw: object) -> list[Fault]:
    """Every value in ``raw`` that is not JSON. Raises :class:`Unwalkable` past the limits."""
    faults = list(_leaf_faults((), raw))
    stack: list[tuple[DocumentPath, object]] = [((), raw)]
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
    path: DocumentPath, container: dict[Any, Any] | list[Any], stack: list[tuple[DocumentPath, object]]
) -> Iterator[Fault]:
    """The faults of a container's own keys and leaves; inner containers go on the stack."""
    is_object = isinstance(container, dict)
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in pairs:
        if is_object and type(key) is not str and not isinstance(key, str):
            yield Fault(path, f"has a key that is not text: {ascii(key)[:40]}")
            continue
        kind = type(value)
        if kind is dict or kind is list:
            stack.append(((*path, key), value))
        elif kind is str or (kind is int and -_SMALL < value < _SMALL):
            continue  # what nearly all values are
        elif isinstance(value, (dict, list)):
            stack.append(((*path, key), value))
        else:
            yield from _leaf_faults((*path, key), value)


def _leaf_faults(path: DocumentPath, value: object) -> Iterator[Fault]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield Fault(path, "must be a finite number: JSON has no NaN or Infinity")
    elif isinstance(value, int):
        if not -_TOO_LARGE < value < _TOO_LARGE:
            yield Fault(path, f"is a number of more than {MAX_DIGITS:,} digits")
    elif not isinstance(value, (str, dict, list, type(None))):
        yield Fault(
            path, f"is {kind_of(value)}, which JSON does not have", "use text, numbers, lists and dicts"
        )
