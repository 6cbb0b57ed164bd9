"""Plans: how to make each value of a structure with templates for an item.

A value without a template costs only its copy; the most frequent templates have a fast path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from batchmill.errors import KeyCollision
from batchmill.template.parts import Expression, Path, Template
from batchmill.template.resolve import resolve_expression, resolve_key, resolve_text
from batchmill.template.scope import Scope
from batchmill.template.url import UrlTemplate

Keys = tuple[str | int, ...]
"""Keys and positions, from the outside in."""


class ValuePlan(ABC):
    """How one value of a structure is made for an item."""

    __slots__ = ()
    constant = False

    @abstractmethod
    def resolve(self, scope: Scope) -> Any:
        """The value for one item."""


class SamePlan(ValuePlan):
    """A value that holds no template: a scalar, or a container that is copied for every item."""

    __slots__ = ("mutable", "value")
    constant = True

    def __init__(self, value: Any) -> None:
        self.value = value
        self.mutable = isinstance(value, (dict, list))

    def resolve(self, scope: Scope) -> Any:
        return copied_constant(self.value) if self.mutable else self.value


class NamePlan(ValuePlan):
    """``"${name}"``: by far the most frequent template."""

    __slots__ = ("_expression", "_name")

    def __init__(self, expression: Expression, name: str) -> None:
        self._expression = expression
        self._name = name

    def resolve(self, scope: Scope) -> Any:
        try:
            return scope[self._name]
        except KeyError:
            return resolve_expression(self._expression, scope)


class WholePlan(ValuePlan):
    """A string that is a single template: the value keeps its type."""

    __slots__ = ("_expression",)

    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def resolve(self, scope: Scope) -> Any:
        return resolve_expression(self._expression, scope)


class KeysPlan(ValuePlan):
    """``"${name.key}"``, a path of text keys only. Missing values, and values in anything but a dictionary,
    take the slow path, which knows every kind of value and has the messages."""

    __slots__ = ("_expression", "_keys", "_name")

    def __init__(self, expression: Expression, path: Path) -> None:
        self._expression = expression
        self._name = path.root
        self._keys = path.segments

    def resolve(self, scope: Scope) -> Any:
        try:
            value = scope[self._name]
            for key in self._keys:
                if type(value) is not dict:
                    return resolve_expression(self._expression, scope)
                value = value[key]
        except KeyError:
            return resolve_expression(self._expression, scope)
        return value


class BranchPlan(ValuePlan):
    """A string that is one path into a branch: null if that branch was not taken or failed."""

    __slots__ = ("_expression", "_key", "_root")

    def __init__(self, expression: Expression, path: Path) -> None:
        self._expression = expression
        self._root = path.root
        self._key = path.segments[0] if path.segments else None

    def resolve(self, scope: Scope) -> Any:
        if self._root not in scope or scope.passed_over(self._root, self._key):
            return None
        return resolve_expression(self._expression, scope)


class TextPlan(ValuePlan):
    """Text with templates in it."""

    __slots__ = ("_template",)

    def __init__(self, template: Template) -> None:
        self._template = template

    def resolve(self, scope: Scope) -> Any:
        return resolve_text(self._template, scope)


class UrlPlan(ValuePlan):
    """A URL with templates in it."""

    __slots__ = ("_template",)

    def __init__(self, template: UrlTemplate) -> None:
        self._template = template

    def resolve(self, scope: Scope) -> Any:
        return self._template.resolve(scope)


class KeyedPlan(ValuePlan):
    """A dictionary with templates in its keys. ``place`` is its name in messages."""

    __slots__ = ("_members", "_place")

    def __init__(self, members: list[tuple[Any, Template | None, ValuePlan]], at: Keys) -> None:
        self._members = members
        self._place = ".".join(map(str, at))

    def resolve(self, scope: Scope) -> Any:
        made: dict[Any, Any] = {}
        written: dict[Any, str] = {}
        for key, template, plan in self._members:
            name = key if template is None else resolve_key(template, scope, self._place)
            if name in made:
                raise KeyCollision(name, written[name], key, self._place)
            made[name] = plan.resolve(scope)
            written[name] = key
        return made


class ContainerPlan(ValuePlan):
    """A dictionary or list with templates in its values."""

    __slots__ = ("_base", "_filled")

    def __init__(self, base: dict[str, Any] | list[Any], filled: list[tuple[Any, ValuePlan]]) -> None:
        self._base = base
        self._filled = filled

    def resolve(self, scope: Scope) -> Any:
        made: Any = self._base.copy()
        for key, plan in self._filled:
            made[key] = plan.resolve(scope)
        return made


def copied_constant(value: Any) -> object:
    """A copy that shares no dictionary or list with ``value``."""
    if isinstance(value, dict):
        return {
            key: copied_constant(one) if isinstance(one, (dict, list)) else one for key, one in value.items()
        }
    return [copied_constant(one) if isinstance(one, (dict, list)) else one for one in value]


def plan_of_string(template: Template, branches: bool) -> ValuePlan:
    only = template.parts[0]
    if len(template.parts) > 1:
        return TextPlan(template)
    if isinstance(only, str):
        return SamePlan(only)
    first = only.alternatives[0] if only.alternatives else None
    if branches and isinstance(first, Path) and not only.optional:
        return BranchPlan(only, first)
    if isinstance(first, Path) and not (only.filters or only.optional):
        if not first.segments:
            return NamePlan(only, first.root)
        if all(isinstance(segment, str) for segment in first.segments):
            return KeysPlan(only, first)
    return WholePlan(only)
