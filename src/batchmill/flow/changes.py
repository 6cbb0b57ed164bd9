"""The changes that a run made to its shared store, in a form that can travel and be applied elsewhere.

A worker process runs each entry of a batch flow on its own copy of the shared store. It returns the changes,
not the store, and the parent applies them in the order of the entries: new keys are added, lists that grew
are extended, sets gain and lose members. If two entries set the same key to different values, the later one
wins.

Lists, dictionaries and sets are compared to any depth. Any other object counts as changed if another object
replaced it; changes inside it stay in the worker.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Replaced:
    """A value that replaced another."""

    value: object

    def onto(self, old: object) -> object:
        return self.value


@dataclass(slots=True)
class Grown:
    """A list was continued by ``tail``."""

    tail: list[object]

    def onto(self, old: object) -> object:
        if not isinstance(old, list):
            return list(self.tail)
        old.extend(self.tail)
        return old


@dataclass(slots=True)
class Members:
    """A set gained ``added`` and lost ``removed``."""

    added: set[object]
    removed: set[object]

    def onto(self, old: object) -> object:
        if not isinstance(old, set):
            return set(self.added)
        old |= self.added
        old -= self.removed
        return old


@dataclass(slots=True)
class Entries:
    """A dictionary whose entries changed; ``removed`` are deleted keys."""

    changed: dict[object, Change] = field(default_factory=dict)
    removed: list[object] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)

    def onto(self, old: object) -> object:
        target = old if isinstance(old, MutableMapping) else {}
        for key, change in self.changed.items():
            target[key] = change.onto(target.get(key))
        for key in self.removed:
            target.pop(key, None)
        return target


Change = Replaced | Grown | Members | Entries


@dataclass(slots=True)
class Imprint:
    """The content of a container at one moment: ``kind`` is its type, ``held`` imprints of its entries or the
    entries."""

    kind: type[dict[object, object]] | type[list[object]] | type[set[object]]
    held: Any


def imprint(value: object) -> object:
    """The imprint of ``value`` for a later comparison: containers by their entries, other values by
    themselves."""
    if isinstance(value, dict):
        return Imprint(dict, {key: imprint(entry) for key, entry in value.items()})
    if isinstance(value, list):
        return Imprint(list, [imprint(entry) for entry in value])
    if isinstance(value, set):
        return Imprint(set, set(value))
    return value


def changes_since(before: object, now: object) -> Change | None:
    """The changes from the imprint ``before`` to ``now``; None if there are none."""
    if not isinstance(before, Imprint) or not isinstance(now, before.kind):
        return None if before is now else _whole(now)
    if isinstance(now, dict):
        return _entries_since(before.held, now) or None
    if isinstance(now, list):
        return _list_since(before.held, now)
    added, removed = now - before.held, before.held - now
    return Members(added, removed) if added or removed else None


def _entries_since(before: dict[object, object], now: dict[object, object]) -> Entries:
    entries = Entries(removed=[key for key in before if key not in now])
    for key, value in now.items():
        change = changes_since(before[key], value) if key in before else _whole(value)
        if change is not None:
            entries.changed[key] = change
    return entries


def _list_since(before: list[object], now: list[object]) -> Change | None:
    kept = len(before)
    pairs = zip(before, now, strict=False)
    if len(now) < kept or any(changes_since(old, new) is not None for old, new in pairs):
        return Replaced(now)
    return Grown(now[kept:]) if len(now) > kept else None


def _whole(value: object) -> Change:
    """A new value: containers as changes to an empty one, so those of two entries can be merged."""
    if type(value) is dict:
        return Entries({key: _whole(entry) for key, entry in value.items()})
    if type(value) is list:
        return Grown(list(value))
    if type(value) is set:
        return Members(set(value), set())
    return Replaced(value)
