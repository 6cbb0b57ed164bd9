"""Shell commands with templates, made so that a value never becomes part of the command's text.

A command that is a list runs without a shell: each element becomes one argument.

In a string each ``${...}`` is rewritten, after reading the quoting around it, to a reference to a variable of
the shell that holds the value: ``echo "Hello, ${name}!"`` becomes ``echo "Hello, ${BATCHMILL_V1}!"``. The way
the value gets into that variable works in dash, bash, zsh, mksh, ksh93 and busybox alike:

- It travels in the environment, where other users cannot read it, as they can a process's arguments.
- A line put before the script copies it into a plain variable and unsets the one from the environment.
  So the commands of the script do not inherit it, and it does not count against the limits on theirs.
- ``$1``, ``$@``, ``shift`` and ``set --`` stay the script's own. They would not if values were positional
  parameters, which also mean something else inside a function.
- That line has no newline, so line numbers in messages of the shell are right.

A value that is too large for one environment string goes through a file that the line reads. The shell can
use it like any other value, but the system will not start a program with it as an argument.

Values follow the rules of templates: an empty value that stands alone is an empty argument, objects and lists
are JSON text. :class:`~batchmill.errors.UnsafeValue` refuses values that no argument can hold (NUL), and
values that a shell would interpret (see :mod:`batchmill.template.shell.rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchmill.errors import TemplateSyntaxError
from batchmill.template.parse import parse
from batchmill.template.parts import Expression, Path, Template
from batchmill.template.scope import Scope
from batchmill.values.words import kind_of

if TYPE_CHECKING:  # 22 modules, 1 MB: imported for the first command
    from batchmill.template.shell.listed import ListPlan
    from batchmill.template.shell.script import ScriptPlan


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command with its values filled in.

    ``argv`` is the command to run without a shell; empty if a shell is needed. ``script`` is the text to run
    with one, as ``[shell, "-c", script, "sh"]`` with ``environment()`` added to the environment; empty for a
    command that was written as a list. If both are set they do the same, and ``argv`` is cheaper; if it
    cannot be started (it is not found, not executable, or has no ``#!`` line), run the script, which then
    fails with the shell's own message. ``calculated`` are the variables that the script calculates with and
    that may come with the environment: see :meth:`check_variables`.
    """

    argv: tuple[str, ...] = ()
    script: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    large: Mapping[str, str] = field(default_factory=dict)
    calculated: tuple[str, ...] = ()

    def arguments(self, shell: str = "sh") -> list[str]:
        """The argument list to run, with ``shell`` where one is needed."""
        return list(self.argv) or [shell, "-c", self.script, "sh"]

    def check_variables(self, given: Mapping[str, str]) -> None:
        """Look at the variables that are added to the environment. Raises
        :class:`~batchmill.errors.UnsafeValue` for one with which a shell would calculate and run code."""
        from batchmill.template.shell.checks import check_value  # as above
        from batchmill.template.shell.words import Check

        for name in self.calculated:
            if name in given:
                check_value(given[name], f"{name} in `env`", (Check.NO_INDEX,))

    def environment(self, store: Callable[[str], str]) -> dict[str, str]:
        """The variables that the script needs in its environment.

        ``store(text)`` is called for each value that is too large for it. It writes the text to a file (UTF-8
        with ``surrogateescape``, as :func:`os.fsencode` does, no newlines translated) that only this user can
        read, and returns the file's absolute path. The script reads the file first, so the file can be
        removed when the command has ended.
        """
        return {**self.env, **{name: store(text) for name, text in self.large.items()}}


class CommandTemplate:
    """A command with templates in it, read once. Immutable; copies are the object itself."""

    __slots__ = ("_allow_raw", "_plan", "expressions", "source")

    def __init__(
        self,
        source: object,
        allow_raw: bool,
        expressions: tuple[Expression, ...],
        plan: ListPlan | ScriptPlan,
    ) -> None:
        self.source = source
        self._allow_raw = allow_raw
        self.expressions = expressions
        self._plan = plan

    @property
    def constant(self) -> bool:
        """Whether there is no template in it."""
        return not self.expressions

    @property
    def references(self) -> tuple[Path, ...]:
        """Every path in it, those nested as an index included, as written."""
        return tuple(path for expression in self.expressions for path in expression.references)

    def resolve(self, scope: Scope) -> ShellCommand:
        """The command for one item.

        Raises :class:`~batchmill.errors.TemplateError`: :class:`~batchmill.errors.UnsafeValue` for a value
        that cannot be passed to the command unchanged.
        """
        made = self._plan.resolve(scope)
        return ShellCommand(made.argv, made.script, made.env, made.large, made.calculated)

    def __copy__(self) -> CommandTemplate:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> CommandTemplate:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _compile, (self.source, self._allow_raw)


def compile_command(command: object, *, allow_raw: bool) -> CommandTemplate:
    """Read a command: a string for a shell, or a list that runs without one.

    Raises :class:`~batchmill.errors.TemplateSyntaxError` where a template cannot be read, where one
    asks for ``raw`` and ``allow_raw`` is False, and where a value would be read as code. For a list it
    carries the position in ``path``.
    """
    return _compile(command, allow_raw)


def _compile(command: object, allow_raw: bool) -> CommandTemplate:
    if isinstance(command, str):
        from batchmill.template.shell.script import plan_script  # as above

        template = parse(command)
        _check_raw(template, allow_raw)
        return CommandTemplate(command, allow_raw, template.expressions, plan_script(template))
    if isinstance(command, (list, tuple)):
        from batchmill.template.shell.listed import plan_list  # as above

        plan = plan_list(command, allow_raw=allow_raw)
        return CommandTemplate(list(command), allow_raw, plan.expressions, plan)
    raise TemplateSyntaxError(f"a command is a string or a list, not {kind_of(command)}")


def _check_raw(template: Template, allow_raw: bool) -> None:
    for expression in template.expressions:
        if expression.raw and not allow_raw:
            raise TemplateSyntaxError(
                '| raw pastes a value into the command as code; the node must say "allow_raw": true for that',
                template.text,
                expression.position,
            )


def review_words(words: Sequence[str], as_argument: str) -> None:
    """Check a command that was written as a list of words with templates and will run without a shell.

    Raises :class:`~batchmill.errors.TemplateSyntaxError` if a program among them would run a value as code.
    ``as_argument`` says how to pass the value instead, in the form in which the words were written.
    """
    from batchmill.template.shell.listed import plan_list  # as above

    plan_list(words, allow_raw=False, as_argument=as_argument)
