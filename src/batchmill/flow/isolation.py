"""Copies of a graph of nodes, so runs at the same time do not see each other's state.

A copy of a node has its own attributes, and its own lists, dictionaries, sets and dataclass objects in them,
to any depth. Everything else is shared with the original: a lock, a semaphore, a client or a cache on a node
exists to be shared. Many of them cannot be copied, and a copied semaphore would no longer limit anything.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from types import SimpleNamespace
from typing import Any, TypeVar

T = TypeVar("T")

_PLAIN = (str, int, float, bool, complex, bytes, type(None))


def isolated(start: T) -> T:
    """A copy of the graph that begins at ``start``, nested flows included; links lead to copies."""
    return _copied(start, {})


def alone(node: T) -> T:
    """A copy of one node with its own state and without successors."""
    twin: T = detached(node)
    _complete([twin], {id(node): twin})
    return twin


def detached(node: Any) -> Any:
    """A shallow copy of one node, without successors."""
    twin = copy.copy(node)
    twin.successors = {}
    return twin


def _copied(value: T, memo: dict[int, object]) -> T:
    """``value`` or its copy; ``memo`` maps the id of a copied object to the copy."""
    waiting: list[object] = []
    result: T = _copy(value, memo, waiting)
    _complete(waiting, memo)
    return result


def _complete(waiting: list[object], memo: dict[int, object]) -> None:
    """Give shallow copies of nodes a state of their own.

    Graphs are as deep as flows are long, so nodes are put on a list of work instead of recursing.
    """
    while waiting:
        twin = waiting.pop()
        for name, attribute in list(twin.__dict__.items()):
            twin.__dict__[name] = _copy(attribute, memo, waiting)


def _copy(value: object, memo: dict[int, object], waiting: list[object]) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if _is_node(value):
        twin = memo[id(value)] = copy.copy(value)
        waiting.append(twin)
        return twin
    return _copy_state(value, memo, waiting)


def _copy_state(value: Any, memo: dict[int, object], waiting: list[object]) -> Any:
    if isinstance(value, tuple):
        return _copy_tuple(value, memo, waiting)
    if not _is_state(value):
        return value
    twin = memo[id(value)] = copy.copy(value)
    if isinstance(twin, dict):
        for key, entry in value.items():
            twin[key] = _copy(entry, memo, waiting)
    elif isinstance(twin, (list, deque)):
        for place, entry in enumerate(value):
            twin[place] = _copy(entry, memo, waiting)
    elif not isinstance(twin, (set, bytearray)):  # what a set holds can be hashed, so it does not change
        for name, entry in vars(value).items():
            object.__setattr__(twin, name, _copy(entry, memo, waiting))
    return twin


def _is_node(value: object) -> bool:
    """Decide by its shape: the node classes are above this module, and make tasks that copy with it."""
    return isinstance(getattr(value, "successors", None), dict) and not isinstance(value, type)


def _is_state(value: object) -> bool:
    if isinstance(value, (dict, list, set, deque, bytearray, SimpleNamespace)):
        return True
    return dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, "__dict__")


def _copy_tuple(value: tuple[object, ...], memo: dict[int, object], waiting: list[object]) -> Any:
    entries = [_copy(entry, memo, waiting) for entry in value]
    if all(new is old for new, old in zip(entries, value, strict=True)):
        return value
    return value._make(entries) if hasattr(value, "_make") else tuple(entries)
