"""A node's params with their templates read once, to be resolved for every item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from batchmill.nodes import Node, bind, bind_ahead
from batchmill.template import (
    CommandTemplate,
    Compiled,
    Path,
    Scope,
    UrlTemplate,
    compile_command,
    compile_url,
    compile_value,
)

RAW_PARAM = "allow_raw"  # a node that has it set to true lets ``| raw`` paste into a shell command

Readable = Compiled | CommandTemplate | UrlTemplate


@lru_cache(maxsize=1024)
def _treatment(node: type[Node]) -> tuple[Mapping[str, str], frozenset[str]]:
    """How the params of a node type are read, by name, and those of them that are addresses."""
    treatment: dict[str, str] = {param.name: param.templates for param in node.params}
    return treatment, frozenset(name for name, kind in treatment.items() if kind == "url")


class StepParams:
    """The compiled ``params`` of a node: values that are the same for every item, and templates. ``urls`` are
    the params that are addresses.

    Immutable once made: one object serves all copies of a step in a process.
    """

    def __init__(self, node: type[Node], params: Mapping[str, object]) -> None:
        self.constants: dict[str, object] = {}
        self.templates: list[tuple[str, Readable]] = []
        treatment, self.urls = _treatment(node)
        for name, written in params.items():
            kind = treatment.get(name, "value")
            if kind == "none":
                self.constants[name] = written
            elif kind == "shell" and isinstance(written, (str, list)):
                self._add(name, compile_command(written, allow_raw=params.get(RAW_PARAM) is True))
            elif kind == "url" and isinstance(written, str):
                self._add(name, compile_url(written))
            else:
                self._add(name, compile_value(written, kind == "branches", (name,), self.urls))
        self._ahead = bind_ahead(node, self.constants, [name for name, _ in self.templates])

    def _add(self, name: str, template: Readable) -> None:
        if template.references:
            self.templates.append((name, template))
            return
        value = template.resolve(Scope({}))
        if isinstance(value, (dict, list)):  # every item gets one of its own, whatever it does to it
            self.templates.append((name, template))
        else:
            self.constants[name] = value

    @property
    def references(self) -> Iterable[Path]:
        """Every reference in the templates."""
        return [path for _, template in self.templates for path in template.references]

    @property
    def whole(self) -> Iterable[Path]:
        """The references whose value the node gets unchanged, not as a part of a text."""
        return [
            path
            for _, template in self.templates
            if isinstance(template, Compiled)  # of the others text is made
            for expression in template.expressions
            if expression.alternatives and all(one.name == "raw" for one in expression.filters)
            for path in expression.references
        ]

    def reaching(self, name: str) -> dict[Any, list[Path]]:
        """The references in an object of the param ``name``, by its keys."""
        found: dict[Any, list[Path]] = {}
        for param, template in self.templates:
            if param == name and isinstance(template, Compiled):
                for keys, expression in template.located:
                    found.setdefault(keys[1] if len(keys) > 1 else None, []).extend(expression.references)
        return found

    def resolve(self, scope: Scope) -> dict[str, object]:
        """The params for one item; a fresh dictionary. Raises :class:`TemplateError`."""
        resolved = dict(self.constants)
        for name, template in self.templates:
            resolved[name] = template.resolve(scope)
        return resolved

    def bound(self, node: type[Node], scope: Scope) -> dict[str, object]:
        """The params for one item, resolved and bound to the declarations of ``node``; a new dictionary.
        Raises :class:`TemplateError` and :class:`~batchmill.errors.InvalidParams`."""
        ahead = self._ahead
        if ahead is None:
            return bind(node, self.resolve(scope))
        made, fits = ahead.bound.copy(), True
        for name, template in self.templates:
            value = made[name] = template.resolve(scope)
            accepted = ahead.accepted[name]
            fits = fits and (accepted is None or type(value) in accepted)
        if fits:
            return made
        return bind(node, self.constants | {name: made[name] for name, _ in self.templates})
