"""The script of a shell command, rewritten so that its values are in variables, and the line that sets them.

:mod:`batchmill.template.shell` says why it is done in this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from batchmill.errors import TemplateSyntaxError, UnresolvedReference, UnsafeValue
from batchmill.template.parts import Expression, Template
from batchmill.template.resolve import all_missing, resolve_expression
from batchmill.template.scope import Scope
from batchmill.template.shell.checks import check_value, size_in_bytes
from batchmill.template.shell.direct import Words, direct_words
from batchmill.template.shell.flows import Flows
from batchmill.template.shell.frames import Frame
from batchmill.template.shell.scripts import ScriptReader, look_into
from batchmill.template.shell.words import MARK, Check, Positions, ValuePlace, render
from batchmill.template.text import check_length, to_text

# Linux takes arguments and environment strings of at most 32 pages (MAX_ARG_STRLEN), the end included.
MAX_STRING_BYTES = 131_071
# All of them together fit into a quarter of the stack on Linux (2 MiB) and into 1 MiB on macOS.
MAX_TOTAL_BYTES = 512 * 1024
_PASSED_BY_FILE = 4096  # below this a value is never worth a file
_NAME_BYTES = 40  # more than a variable's name, "=" and the end take


@dataclass(frozen=True, slots=True)
class _Variable:
    """A value the script refers to by ``name``."""

    name: str
    expression: Expression
    checks: tuple[Check, ...]

    @property
    def handed_over(self) -> str:
        """The name it has in the environment."""
        return f"{self.name}_VALUE"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A script with its values: see :class:`batchmill.template.shell.ShellCommand`."""

    argv: tuple[str, ...]
    script: str
    env: dict[str, str]
    large: dict[str, str]
    calculated: tuple[str, ...] = ()


class ScriptPlan:
    """How the script of a command and its variables are made.

    ``pieces`` is the rewritten script, an expression where its value is pasted. ``direct`` has the words
    of a command that needs no shell, each a list of texts and places in ``variables``. ``calculated`` names
    the shell's variables with which it calculates.
    """

    __slots__ = ("_direct", "_fixed", "_pieces", "_variables", "calculated")

    def __init__(
        self,
        pieces: tuple[str | Expression, ...],
        variables: tuple[_Variable, ...],
        direct: Words | None,
        calculated: frozenset[str],
    ) -> None:
        self._pieces = pieces
        self.calculated = calculated
        self._variables = variables
        self._direct = direct
        texts = [one for one in pieces if isinstance(one, str)]
        pasted = len(texts) < len(pieces)
        self._fixed = None if pasted else _prelude(variables, frozenset()) + "".join(texts)

    def resolve(self, scope: Scope) -> Resolved:
        """Raises :class:`~batchmill.errors.TemplateError`."""
        env: dict[str, str] = {}
        sizes: dict[str, int] = {}
        texts = []
        for variable in self._variables:
            try:
                text = to_text(resolve_expression(variable.expression, scope))
            except UnresolvedReference:
                raise all_missing([one.expression for one in self._variables], scope) from None
            sizes[variable.handed_over] = check_value(text, variable.expression.text, variable.checks)
            env[variable.handed_over] = text
            texts.append(text)
        large = _too_large_for_environment(sizes)
        script = self._script(scope, large)
        return Resolved(
            () if large else self._words(texts),
            script,
            {name: text for name, text in env.items() if name not in large} if large else env,
            {name: env[name] for name in large},
            tuple(sorted(self.calculated)),
        )

    def _words(self, texts: list[str]) -> tuple[str, ...]:
        if self._direct is None:
            return ()
        return tuple(
            "".join([texts[one] if isinstance(one, int) else one for one in word]) for word in self._direct
        )

    def _script(self, scope: Scope, large: frozenset[str]) -> str:
        if self._fixed is not None and not large:
            script = self._fixed
        else:
            texts = [one if isinstance(one, str) else _pasted(one, scope) for one in self._pieces]
            script = _prelude(self._variables, large) + "".join(texts)
            check_length(len(script))
        if size_in_bytes(script, "the command") > MAX_STRING_BYTES:
            raise too_large("the command's text")
        return script


def _pasted(expression: Expression, scope: Scope) -> str:
    return to_text(resolve_expression(expression, scope))


def _prelude(variables: tuple[_Variable, ...], large: frozenset[str]) -> str:
    """The line that takes the values out of the environment.

    The first ``unset`` is for a variable of that name which came in with the environment: assigning to
    it would export it. A command substitution drops the newlines at the end of what it reads, so a dot
    is put behind them and taken off again.
    """
    if not variables:
        return ""
    taken = [f"unset {' '.join(variable.name for variable in variables)}"]
    for variable in variables:
        name, given = variable.name, variable.handed_over
        if given in large:
            taken.append(f'{name}="$(cat "${given}" && printf .)" || exit 125; {name}="${{{name}%.}}"')
        else:
            taken.append(f'{name}="${given}"')
    taken.append(f"unset {' '.join(variable.handed_over for variable in variables)}")
    return "; ".join(taken) + "; "


def too_large(what: str) -> UnsafeValue:
    return UnsafeValue(
        f"{what} is larger than the {MAX_STRING_BYTES:,} bytes that a program can be given as one argument; "
        "pass it through `stdin`"
    )


def _too_large_for_environment(sizes: dict[str, int]) -> frozenset[str]:
    """The variables that must go through files, so that each of the others and all together fit."""
    total = sum(sizes.values())
    if total + _NAME_BYTES <= MAX_STRING_BYTES:
        return frozenset()
    large = []
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        single = sizes[name] + _NAME_BYTES > MAX_STRING_BYTES
        if not single and (total <= MAX_TOTAL_BYTES or sizes[name] <= _PASSED_BY_FILE):
            break
        large.append(name)
        total -= sizes[name]
    return frozenset(large)


def plan_script(template: Template) -> ScriptPlan:
    expressions, refusal = template.expressions, _Refusal(template)
    if MARK in template.text:
        raise TemplateSyntaxError("a command cannot hold NUL", template.text, template.text.index(MARK))
    source = "".join(part if isinstance(part, str) else MARK for part in template.parts)
    flows, positions = Flows(), Positions()
    base = Frame("", positions.reads, positions.writes, positions)
    if not expressions:
        look_into(source, flows, base, lambda message: refusal(message, 0), "")
        flows.settle()
        return ScriptPlan((source,), (), direct_words(template, {}), flows.calculated)
    reader = ScriptReader(source, [one.raw for one in expressions], refusal, flows=flows, base=base)
    reader.read()
    flows.settle()
    pieces = render(source, reader.edits)
    slots = [piece for piece in pieces if isinstance(piece, ValuePlace)]
    variables = _variables(template, [slot for slot in slots if not slot.raw])
    names = {variable.expression.text: place for place, variable in enumerate(variables)}
    written = tuple(_written(piece, expressions, variables, names) for piece in pieces)
    shortcut = not (reader.embedded or any(variable.checks for variable in variables))
    direct = direct_words(template, names) if shortcut else None
    return ScriptPlan(written, variables, direct, flows.calculated)


class _Refusal:
    """Raises the error for a place in the text that the reader saw, as a place in the template."""

    __slots__ = ("_template",)

    def __init__(self, template: Template) -> None:
        self._template = template

    def __call__(self, message: str, at: int) -> NoReturn:
        raise TemplateSyntaxError(message, self._template.text, self._position(at))

    def _position(self, at: int) -> int:
        """Where ``at`` is in the template; next to an escaped ``$${`` it may be off by a character."""
        read = position = 0
        for part in self._template.parts:
            length = len(part) if isinstance(part, str) else 1
            if at < read + length:
                return part.position if isinstance(part, Expression) else position + at - read
            read += length
            position = (
                part.position + len(part.text)
                if isinstance(part, Expression)
                else position + length + part.count("${")
            )
        return len(self._template.text)


def _variables(template: Template, slots: list[ValuePlace]) -> tuple[_Variable, ...]:
    """One variable for each expression that is written differently from those before it."""
    prefix = "BATCHMILL_V"
    while prefix in template.text:
        prefix += "_"
    checks: dict[str, set[Check]] = {}
    first: dict[str, Expression] = {}
    for slot in slots:
        expression = template.expressions[slot.expression]
        first.setdefault(expression.text, expression)
        checks.setdefault(expression.text, set()).update(slot.checks)
    return tuple(
        _Variable(f"{prefix}{number}", first[text], tuple(sorted(checks[text], key=lambda one: one.name)))
        for number, text in enumerate(first, 1)
    )


def _written(
    piece: str | ValuePlace,
    expressions: tuple[Expression, ...],
    variables: tuple[_Variable, ...],
    names: dict[str, int],
) -> str | Expression:
    if isinstance(piece, str):
        return piece
    expression = expressions[piece.expression]
    if piece.raw:
        return expression
    return piece.form.replace("%", variables[names[expression.text]].name)
