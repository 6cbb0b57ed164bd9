"""The interface for rules: the reader of a command as they see it, and ways to refuse or check values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, Protocol

from batchmill.template.shell.flows import Flows
from batchmill.template.shell.words import Check, ParsedCommand, PositionalParameters, ValueFlow, Word


class RuleReader(Protocol):
    """The reader of a command, as far as the rules need it.

    ``positions`` are the positional parameters at the current place. ``as_argument`` says how to pass a value
    to a script as an argument, in the form in which the command was written; ``in_script`` is the other
    remedy for a script with values in it.
    """

    @property
    def flows(self) -> Flows: ...

    @property
    def positions(self) -> PositionalParameters: ...

    @property
    def as_argument(self) -> str: ...

    @property
    def in_script(self) -> str: ...

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Refuse the command because of the text at ``at``."""

    def forbid(self, flows: Iterable[ValueFlow], message: str, at: int, parts: Check | None = None) -> None:
        """Refuse the command if a value arrives in ``flows``; one that was derived from a value and passes
        ``parts`` is allowed."""

    def refuse_any(self, reason: str) -> None:
        """Refuse the command if any value is in it."""

    def embed(
        self,
        word: Word,
        command: ParsedCommand,
        by: Word | None = None,
        positions: PositionalParameters | None = None,
    ) -> bool:
        """Rewrite a word that is itself a script, which ``command`` runs, if that can be done. ``by`` is the
        first word of the program that runs it, None if it is this shell itself."""

    def look_into(
        self, text: str, at: int, command: ParsedCommand, positions: PositionalParameters | None = None
    ) -> None:
        """Read ``text``, a script without values at ``at`` that ``command`` runs, for its use of variables
        and arguments."""


def refuse(words: Iterable[Word], reader: RuleReader, message: str) -> None:
    """Refuse the command if a value is in one of ``words``, or comes into it through a variable."""
    for word in words:
        if word.holds_value:
            reader.fail(message, word.place)
        reader.forbid(word.flows, message, word.place)


def refuse_input(command: ParsedCommand, reader: RuleReader, message: str, at: int) -> None:
    """Refuse the command if its input holds a value."""
    refuse(command.here_strings, reader, message)
    reader.forbid([ValueFlow(command.reads)], message, at)


def demand(words: Iterable[Word], reader: RuleReader, check: Check) -> None:
    """Require ``check`` of the values in ``words``, and of values that reach them through variables."""
    for word in words:
        reader.flows.demand(word.flows, check)
