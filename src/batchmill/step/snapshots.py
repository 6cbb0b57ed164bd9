"""The outputs of other nodes that a step carries: only those that its templates can reach."""

from __future__ import annotations

from collections.abc import Iterable

from batchmill.lists import LazyList, materialize
from batchmill.template import Path

_BULKY = ("results", "succeeded", "errors")  # what grows with the items in the outputs of a batch node


def reached_part(value: object, keys: set[object]) -> object:
    """``value`` without the item lists of a batch node that are not among ``keys``. A key that is not text
    (the node's outputs as a whole, a nested path) may be any of them."""
    if not isinstance(value, dict) or "batch_metadata" not in value:
        return value
    if not all(isinstance(key, str) for key in keys):
        return value
    return {key: member for key, member in value.items() if key not in _BULKY or key in keys}


def hold_lists(values: dict[str, object], whole: Iterable[Path]) -> None:
    """Put real lists in place of lazy ones where ``whole`` leads to all of such a list, or of its node."""
    for path in whole:
        outputs = values.get(path.root)
        if not isinstance(outputs, dict) or len(path.segments) > 1:
            continue
        keys = path.segments or tuple(outputs)
        lists = {key: materialize(outputs[key]) for key in keys if isinstance(outputs.get(key), LazyList)}
        values[path.root] = {**outputs, **lists} if lists else outputs
