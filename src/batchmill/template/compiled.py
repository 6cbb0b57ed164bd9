"""A JSON structure with templates in it, read once and resolved for every item.

Each string is parsed when the structure is compiled. Resolving copies the constant part of a dictionary
or list in one go and fills in the places that depend on the item; what has no template in it costs no
more than its copy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from batchmill.errors import KeyCollision, TemplateSyntaxError
from batchmill.template.parse import parse
from batchmill.template.parts import Expression, Path, Template
from batchmill.template.resolve import resolve_expression, resolve_key, resolve_text
from batchmill.template.scope import Scope
from batchmill.template.url import UrlTemplate

MAX_DEPTH = 200  # levels of dictionaries and lists; deeper ones would end in RecursionError anyway

Keys = tuple[str | int, ...]


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


class _Plan(ABC):
    """How one value of a structure is made for an item."""

    __slots__ = ()
    constant = False

    @abstractmethod
    def resolve(self, scope: Scope) -> Any:
        """The value for one item."""


class _Same(_Plan):
    """A value that holds no template: a scalar, or a container that is copied for every item."""

    __slots__ = ("mutable", "value")
    constant = True

    def __init__(self, value: Any) -> None:
        self.value = value
        self.mutable = isinstance(value, (dict, list))

    def resolve(self, scope: Scope) -> Any:
        return _copied(self.value) if self.mutable else self.value


class _Name(_Plan):
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


class _Whole(_Plan):
    """A string that is one template and nothing else: the value keeps its type."""

    __slots__ = ("_expression",)

    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def resolve(self, scope: Scope) -> Any:
        return resolve_expression(self._expression, scope)


class _Keys(_Plan):
    """``"${name.key}"``, a path through keys of text alone. What is not there, or in no dictionary, goes the
    long way, which knows every kind of value and the words for what is missing."""

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


class _Branch(_Plan):
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


class _Text(_Plan):
    """Text with templates in it."""

    __slots__ = ("_template",)

    def __init__(self, template: Template) -> None:
        self._template = template

    def resolve(self, scope: Scope) -> Any:
        return resolve_text(self._template, scope)


class _Url(_Plan):
    """A URL with templates in it."""

    __slots__ = ("_template",)

    def __init__(self, template: UrlTemplate) -> None:
        self._template = template

    def resolve(self, scope: Scope) -> Any:
        return self._template.resolve(scope)


class _Keyed(_Plan):
    """A dictionary some of whose keys hold templates. ``place`` is what messages call it."""

    __slots__ = ("_members", "_place")

    def __init__(self, members: list[tuple[Any, Template | None, _Plan]], at: Keys) -> None:
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


class _Container(_Plan):
    """A dictionary or list some of whose values hold templates."""

    __slots__ = ("_base", "_filled")

    def __init__(self, base: dict[str, Any] | list[Any], filled: list[tuple[Any, _Plan]]) -> None:
        self._base = base
        self._filled = filled

    def resolve(self, scope: Scope) -> Any:
        made: Any = self._base.copy()
        for key, plan in self._filled:
            made[key] = plan.resolve(scope)
        return made


def _copied(value: Any) -> Any:
    """A copy that shares no dictionary or list with ``value``."""
    if isinstance(value, dict):
        return {key: _copied(one) if isinstance(one, (dict, list)) else one for key, one in value.items()}
    return [_copied(one) if isinstance(one, (dict, list)) else one for one in value]


class Compiled:
    """A structure whose templates have been read.

    ``located`` says where each expression stands: ``(keys and positions from the outside in,
    expression)``. Immutable; copies are the object itself, and it pickles as the structure it was
    made from.
    """

    __slots__ = ("_at", "_branches", "_urls", "located", "resolve", "source")

    def __init__(
        self,
        source: Any,
        plan: _Plan,
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
    """Read every template in a JSON structure, those in the keys of its dictionaries included.

    With ``branches`` a string that is one path and nothing else is null if the node it starts from has
    not run, or failed and does not count as present; a ``??`` in it says otherwise. Resolving raises
    :class:`~batchmill.errors.KeyCollision` where two keys of one dictionary become the same; ``at`` is where
    the structure stands, for its message. What stands under a key of ``urls`` is a URL: see
    :mod:`batchmill.template.url`.

    Raises :class:`StructureSyntaxError` for the first string that cannot be read.
    """
    reading = _Reading(branches, urls)
    plan = reading.plan(value, at)
    if reading.faults:
        raise reading.faults[0]
    source = _copied(value) if isinstance(value, (dict, list)) else value
    return Compiled(source, plan, tuple(reading.located), branches, at, urls)


def syntax_errors(value: Any) -> list[StructureSyntaxError]:
    """Every string in a JSON structure that is no valid template, in document order."""
    reading = _Reading()
    reading.plan(value, ())
    return reading.faults


class _Reading:
    """One pass over a structure: the plans, and what was met on the way."""

    def __init__(self, branches: bool = False, urls: frozenset[str] = frozenset()) -> None:
        self._branches = branches
        self._urls = urls
        self.located: list[tuple[Keys, Expression]] = []
        self.faults: list[StructureSyntaxError] = []

    def plan(self, value: Any, at: Keys) -> _Plan:
        if isinstance(value, str):
            return self._string(value, at)
        if not isinstance(value, (dict, list)):
            return _Same(value)
        if len(at) >= MAX_DEPTH:
            self.faults.append(StructureSyntaxError(f"more than {MAX_DEPTH} levels deep", path=at[:3]))
            return _Same(None)
        return self._container(value, at)

    def _string(self, value: str, at: Keys) -> _Plan:
        if "${" not in value:
            return _Same(value)
        try:
            template = parse(value)
        except TemplateSyntaxError as error:
            self.faults.append(StructureSyntaxError(error.message, error.text, error.position, at))
            return _Same(value)
        self.located.extend((at, expression) for expression in template.expressions)
        if len(at) > 1 and at[-1] in self._urls and template.expressions:
            return _Url(UrlTemplate(value, template))
        return _plan_string(template, self._branches)

    def _keyed(self, value: dict[str, Any], at: Keys) -> _Plan:
        members = [
            (key, self._key(key, (*at, key)), self.plan(one, (*at, key))) for key, one in value.items()
        ]
        return _Keyed(members, at)

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

    def _container(self, value: dict[str, Any] | list[Any], at: Keys) -> _Plan:
        if isinstance(value, dict) and any(isinstance(key, str) and "${" in key for key in value):
            return self._keyed(value, at)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        plans = [(key, self.plan(one, (*at, key))) for key, one in pairs]
        values = [plan.value if isinstance(plan, _Same) else None for _, plan in plans]
        base: Any = dict(zip(value, values, strict=True)) if isinstance(value, dict) else values
        if all(plan.constant for _, plan in plans):
            return _Same(base)
        filled = [(key, plan) for key, plan in plans if not isinstance(plan, _Same) or plan.mutable]
        return _Container(base, filled)


def _plan_string(template: Template, branches: bool) -> _Plan:
    only = template.parts[0]
    if len(template.parts) > 1:
        return _Text(template)
    if isinstance(only, str):
        return _Same(only)
    first = only.alternatives[0] if only.alternatives else None
    if branches and isinstance(first, Path) and not only.optional:
        return _Branch(only, first)
    if isinstance(first, Path) and not (only.filters or only.optional):
        if not first.segments:
            return _Name(only, first.root)
        if all(isinstance(segment, str) for segment in first.segments):
            return _Keys(only, first)
    return _Whole(only)
