"""A JSON structure with templates in it, parsed once and resolved for every item.

Each string is parsed when the structure is compiled. Resolving copies the constant part of a dictionary or
list in one go and fills in the places that depend on the item. A part without a template costs only its copy.
"""

from __future__ import annotations

from typing import Any

from batchmill.errors import TemplateSyntaxError
from batchmill.template.parse import parse
from batchmill.template.parts import Expression, Path, Template
from batchmill.template.plans import (
    ContainerPlan,
    KeyedPlan,
    Keys,
    SamePlan,
    UrlPlan,
    ValuePlan,
    copied_constant,
    plan_of_string,
)
from batchmill.template.url import UrlTemplate

MAX_DEPTH = 200  # levels of dictionaries and lists; deeper ones would end in RecursionError anyway


class StructureSyntaxError(TemplateSyntaxError):
    """Raised when a string within a structure is no valid template; ``path`` is the way to that string.

    ``path`` holds keys and positions from the outside in: ``("inputs", "n")``.
    """

    def __init__(self, message: str, text: str = "", position: int = 0, path: Keys = ()) -> None:
        super().__init__(message, text, position)
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.text, self.position, self.path)

    def __str__(self) -> str:
        place = ".".join(map(str, self.path))
        return f"{place}: {super().__str__()}" if place else super().__str__()


class Compiled:
    """A structure whose templates have been parsed.

    ``located`` gives the place of each expression: ``(keys and positions from the outside in, expression)``.
    Immutable: a copy is the object itself, and it pickles as the structure it was made from.
    """

    __slots__ = ("_at", "_branches", "_urls", "located", "resolve", "source")

    def __init__(
        self,
        source: Any,
        plan: ValuePlan,
        located: tuple[tuple[Keys, Expression], ...],
        branches: bool,
        at: Keys = (),
        urls: frozenset[str] = frozenset(),
    ) -> None:
        self._urls = urls
        self.source = source
        self._at = at
        self.resolve = plan.resolve
        """``resolve(scope)``: the structure for one item. Its own dictionaries and lists are fresh; values
        that templates put in are those of the scope. Raises :class:`TemplateError`."""
        self.located = located
        self._branches = branches

    @property
    def constant(self) -> bool:
        """Whether there is no template in it, so that every item gets the same."""
        return not self.located

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every ``${...}`` in it, in document order."""
        return tuple(expression for _, expression in self.located)

    @property
    def references(self) -> tuple[Path, ...]:
        """Every path in it, in document order, those nested as an index included."""
        return tuple(path for _, expression in self.located for path in expression.references)

    def __copy__(self) -> Compiled:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return compile_value, (self.source, self._branches, self._at, self._urls)


def compile_value(
    value: Any, branches: bool = False, at: Keys = (), urls: frozenset[str] = frozenset()
) -> Compiled:
    """Parse every template in a JSON structure, including those in the keys of its dictionaries.

    With ``branches``, a string that is a single path becomes null if its root node has not run, or failed and
    does not count as present; a ``??`` in it overrides that. Resolving raises
    :class:`~batchmill.errors.KeyCollision` if two keys of one dictionary become the same; ``at`` is the place
    of the structure, for its message. Values under a key of ``urls`` are URLs: see
    :mod:`batchmill.template.url`.

    Raises :class:`StructureSyntaxError` for the first string that cannot be parsed.
    """
    reading = _Reading(branches, urls)
    plan = reading.plan(value, at)
    if reading.faults:
        raise reading.faults[0]
    source = copied_constant(value) if isinstance(value, (dict, list)) else value
    return Compiled(source, plan, tuple(reading.located), branches, at, urls)


def syntax_errors(value: Any) -> list[StructureSyntaxError]:
    """Every string in a JSON structure that is no valid template, in document order."""
    reading = _Reading()
    reading.plan(value, ())
    return reading.faults


class _Reading:
    """One pass over a structure: the plans, and the expressions it met."""

    def __init__(self, branches: bool = False, urls: frozenset[str] = frozenset()) -> None:
        self._branches = branches
        self._urls = urls
        self.located: list[tuple[Keys, Expression]] = []
        self.faults: list[StructureSyntaxError] = []

    def plan(self, value: Any, at: Keys) -> ValuePlan:
        if isinstance(value, str):
            return self._string(value, at)
        if not isinstance(value, (dict, list)):
            return SamePlan(value)
        if len(at) >= MAX_DEPTH:
            self.faults.append(StructureSyntaxError(f"more than {MAX_DEPTH} levels deep", path=at[:3]))
            return SamePlan(None)
        return self._container(value, at)

    def _string(self, value: str, at: Keys) -> ValuePlan:
        if "${" not in value:
            return SamePlan(value)
        try:
            template = parse(value)
        except TemplateSyntaxError as error:
            self.faults.append(StructureSyntaxError(error.message, error.text, error.position, at))
            return SamePlan(value)
        self.located.extend((at, expression) for expression in template.expressions)
        if len(at) > 1 and at[-1] in self._urls and template.expressions:
            return UrlPlan(UrlTemplate(value, template))
        return plan_of_string(template, self._branches)

    def _keyed(self, value: dict[str, Any], at: Keys) -> ValuePlan:
        members = [
            (key, self._key(key, (*at, key)), self.plan(one, (*at, key))) for key, one in value.items()
        ]
        return KeyedPlan(members, at)

    def _key(self, key: Any, at: Keys) -> Template | None:
        """The template in a key, None if there is none."""
        if not isinstance(key, str) or "${" not in key:
            return None
        try:
            template = parse(key)
        except TemplateSyntaxError as error:
            self.faults.append(StructureSyntaxError(error.message, error.text, error.position, at))
            return None
        self.located.extend((at, expression) for expression in template.expressions)
        return template

    def _container(self, value: dict[str, Any] | list[Any], at: Keys) -> ValuePlan:
        if isinstance(value, dict) and any(isinstance(key, str) and "${" in key for key in value):
            return self._keyed(value, at)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        plans = [(key, self.plan(one, (*at, key))) for key, one in pairs]
        values = [plan.value if isinstance(plan, SamePlan) else None for _, plan in plans]
        base: Any = dict(zip(value, values, strict=True)) if isinstance(value, dict) else values
        if all(plan.constant for _, plan in plans):
            return SamePlan(base)
        filled = [(key, plan) for key, plan in plans if not isinstance(plan, SamePlan) or plan.mutable]
        return ContainerPlan(base, filled)
