"""The script of a shell command, rewritten with its values in variables, and the line that sets them.

:mod:`batchmill.template.shell` explains why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from batchmill.template.shell.lists import other_counts, take_checks, texts_of
from batchmill.template.shell.scripts import ScriptReader, look_into
from batchmill.template.shell.words import MARK, Check, PositionalParameters, ValuePlace, render
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
    several: bool

    def texts(self, scope: Scope) -> list[str]:
        """The values it holds: one text, or one for each element of a list."""
        value = resolve_expression(self.expression, scope)
        return texts_of(value) if self.several else [to_text(value)]

    def names(self, count: int) -> list[str]:
        """The names of the shell's variables for ``count`` texts."""
        return [f"{self.name}_{number}" for number in range(1, count + 1)] if self.several else [self.name]


@dataclass(frozen=True, slots=True)
class _Several:
    """``form`` repeated for each element of the list that is the variable at ``place``."""

    place: int
    form: str


Piece = str | Expression | _Several


def _handed_over(name: str) -> str:
    """The name that the variable ``name`` has in the environment."""
    return f"{name}_VALUE"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A script with its values: see :class:`batchmill.template.shell.ShellCommand`."""

    argv: tuple[str, ...]
    script: str
    env: dict[str, str]
    large: dict[str, str]
    calculated: tuple[str, ...] = ()


class ScriptPlan:
    """How to make the script of a command and its variables.

    ``pieces`` is the rewritten script, with an expression where its value is pasted and a form where a list
    stands. ``direct`` has the words of a command that needs no shell, each a list of texts and places in
    ``variables``. ``calculated`` names the shell's variables with which it calculates.
    """

    __slots__ = ("_direct", "_fixed", "_pieces", "_variables", "calculated")

    def __init__(
        self,
        pieces: tuple[Piece, ...],
        variables: tuple[_Variable, ...],
        direct: Words | None,
        calculated: frozenset[str],
    ) -> None:
        self._pieces = pieces
        self.calculated = calculated
        self._variables = variables
        self._direct = direct
        texts = [one for one in pieces if isinstance(one, str)]
        fixed = len(texts) == len(pieces) and not any(one.several for one in variables)
        names = [one.name for one in variables]
        self._fixed = _prelude(names, frozenset()) + "".join(texts) if fixed else None

    def resolve(self, scope: Scope) -> Resolved:
        """Raises :class:`~batchmill.errors.TemplateError`."""
        env: dict[str, str] = {}
        sizes: dict[str, int] = {}
        texts: list[list[str]] = []
        for variable in self._variables:
            try:
                texts.append(variable.texts(scope))
            except UnresolvedReference:
                raise all_missing([one.expression for one in self._variables], scope) from None
            for name, text in zip(variable.names(len(texts[-1])), texts[-1], strict=True):
                given = _handed_over(name)
                sizes[given] = check_value(text, variable.expression.text, variable.checks)
                env[given] = text
        large = _too_large_for_environment(sizes)
        long_list = self._long_list(sizes)
        words = self._words(texts) if long_list or not large else ()
        return Resolved(
            words,
            self._script(scope, large, texts, spare=long_list and bool(words)),
            {name: text for name, text in env.items() if name not in large} if large else env,
            {name: env[name] for name in large},
            tuple(sorted(self.calculated)),
        )

    def _long_list(self, sizes: dict[str, int]) -> bool:
        """Whether there are lists, and each of their elements is short enough for an argument."""
        listed = any(one.several for one in self._variables)
        return listed and all(size < MAX_STRING_BYTES for size in sizes.values())

    def _words(self, texts: list[list[str]]) -> tuple[str, ...]:
        if self._direct is None:
            return ()
        words: list[str] = []
        for word in self._direct:
            if isinstance(word, int):
                words += texts[word]
            else:
                words.append("".join([texts[one][0] if isinstance(one, int) else one for one in word]))
        return tuple(words)

    def _script(self, scope: Scope, large: frozenset[str], texts: list[list[str]], *, spare: bool) -> str:
        """The script; empty if it is too long and, being ``spare``, not needed."""
        if self._fixed is not None and not large:
            script = self._fixed
        else:
            named = [one.names(len(held)) for one, held in zip(self._variables, texts, strict=True)]
            pieces = [self._piece(one, scope, named) for one in self._pieces]
            script = _prelude([name for names in named for name in names], large) + "".join(pieces)
            check_length(len(script))
        if size_in_bytes(script, "the command") > MAX_STRING_BYTES:
            if spare:
                return ""
            raise too_large("the command's text", listed=any(one.several for one in self._variables))
        return script

    def _piece(self, piece: Piece, scope: Scope, named: list[list[str]]) -> str:
        if isinstance(piece, _Several):
            return " ".join([piece.form.replace("%", name) for name in named[piece.place]])
        return piece if isinstance(piece, str) else to_text(resolve_expression(piece, scope))


def _prelude(names: Sequence[str], large: frozenset[str]) -> str:
    """The line that takes the values out of the environment.

    The first ``unset`` is for a variable of that name that came in with the environment: assigning to it
    would export it. A command substitution drops trailing newlines, so a dot is appended and then removed.
    """
    if not names:
        return ""
    taken = [f"unset {' '.join(names)}"]
    for name in names:
        given = _handed_over(name)
        if given in large:
            taken.append(f'{name}="$(cat "${given}" && printf .)" || exit 125; {name}="${{{name}%.}}"')
        else:
            taken.append(f'{name}="${given}"')
    taken.append(f"unset {' '.join(map(_handed_over, names))}")
    return "; ".join(taken) + "; "


def too_large(what: str, *, listed: bool = False) -> UnsafeValue:
    instead = "pass it through `stdin`"
    if listed:
        instead = "run the program without a shell, its command a list, or give it the names through `stdin`"
    return UnsafeValue(
        f"{what} is larger than the {MAX_STRING_BYTES:,} bytes that a program can be given as one argument; "
        f"{instead}"
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
    flows, positions = Flows(), PositionalParameters()
    base = Frame("", positions.reads, positions.writes, positions)
    if not expressions:
        look_into(source, flows, base, lambda message: refusal(message, 0), "")
        flows.settle()
        return ScriptPlan((source,), (), direct_words(template, {}), flows.calculated)
    reader = ScriptReader(source, expressions, refusal, flows=flows, base=base)
    reader.read()
    flows.settle()
    pieces = render(source, reader.edits)
    slots = [piece for piece in pieces if isinstance(piece, ValuePlace)]
    for counts in other_counts(sorted({slot.expression for slot in slots if slot.several})):
        _look_again(source, expressions, slots, counts, refusal)
    variables = _variables(template, [slot for slot in slots if not slot.raw])
    names = {(one.expression.text, one.several): place for place, one in enumerate(variables)}
    written = tuple(_written(piece, expressions, variables, names) for piece in pieces)
    shortcut = not (reader.embedded or any(variable.checks for variable in variables))
    direct = direct_words(template, names) if shortcut else None
    return ScriptPlan(written, variables, direct, flows.calculated)


def _look_again(
    source: str,
    expressions: Sequence[Expression],
    slots: list[ValuePlace],
    counts: Mapping[int, int],
    refusal: _Refusal,
) -> None:
    """Read ``source`` with other numbers of elements in lists, ``counts``, for the checks of ``slots``."""
    texts = source.split(MARK)
    places = [place for place in range(len(expressions)) for _ in range(counts.get(place, 1))]
    read = texts[0] + "".join(
        " ".join([MARK] * counts.get(place, 1)) + text for place, text in enumerate(texts[1:])
    )
    place_of_list = len(MARK.join(texts[: min(counts) + 1]))
    flows, positions = Flows(), PositionalParameters()
    base = Frame("", positions.reads, positions.writes, positions)

    def fail(message: str, at: int) -> NoReturn:
        refusal(f"{message} (the list before it may have any number of elements)", place_of_list)

    written = [expressions[place] for place in places]
    reader = ScriptReader(read, written, fail, flows=flows, base=base)
    reader.read()
    flows.settle()
    others = [piece for piece in render(read, reader.edits) if isinstance(piece, ValuePlace)]
    take_checks(slots, others, places)


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
    """One variable for each expression that is written or used differently from those before it."""
    prefix = "BATCHMILL_V"
    while prefix in template.text:
        prefix += "_"
    checks: dict[tuple[str, bool], set[Check]] = {}
    first: dict[tuple[str, bool], Expression] = {}
    for slot in slots:
        expression = template.expressions[slot.expression]
        known = (expression.text, slot.several)
        first.setdefault(known, expression)
        checks.setdefault(known, set()).update(slot.checks)
    return tuple(
        _Variable(
            f"{prefix}{number}",
            expression,
            tuple(sorted(checks[known], key=lambda one: one.name)),
            several=known[1],
        )
        for number, (known, expression) in enumerate(first.items(), 1)
    )


def _written(
    piece: str | ValuePlace,
    expressions: tuple[Expression, ...],
    variables: tuple[_Variable, ...],
    names: dict[tuple[str, bool], int],
) -> Piece:
    if isinstance(piece, str):
        return piece
    expression = expressions[piece.expression]
    if piece.raw:
        return expression
    place = names[expression.text, piece.several]
    if piece.several:
        return _Several(place, piece.form)
    return piece.form.replace("%", variables[place].name)
