"""Scripts within a command: the argument of ``sh -c``, ``eval`` and ``trap``, and the input of a shell.

A script with values is rewritten like the command around it. A script without values is read for its use of
its arguments and of variables that values were assigned to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NoReturn

from batchmill.errors import BatchmillError
from batchmill.template.shell.flows import Flows
from batchmill.template.shell.frames import Frame
from batchmill.template.shell.reader import CommandReader
from batchmill.template.shell.words import (
    MARK,
    Check,
    Edit,
    ParsedCommand,
    PositionalParameters,
    ShellStream,
    ValueFlow,
    ValuePlace,
    Word,
    render,
)

_MAX_LEVELS = 3


class _Unreadable(BatchmillError):  # never leaves this module
    """Raised if a script cannot be parsed: a shell would not accept it either."""


class ScriptReader(CommandReader):
    """Reads a command text with the scripts in it."""

    @property
    def as_argument(self) -> str:
        return "pass it as an argument instead: sh -c 'echo \"$1\"' sh ${...}"

    @property
    def in_script(self) -> str:
        return f"put the whole script in one pair of single quotes, or {self.as_argument}"

    @property
    def input(self) -> ShellStream:
        return self.frames.inner.reads

    def embed(
        self,
        word: Word,
        command: ParsedCommand,
        by: Word | None = None,
        positions: PositionalParameters | None = None,
    ) -> bool:
        """Rewrite a word that is itself a script, if all of it stands in one pair of quotes.

        The script is read like a command of its own. It is run by the same shell, or by the one that the
        program ``by`` starts, for which the variables are exported. Returns whether that was possible.
        """
        text = self._verbatim(word)
        if text is None:
            return False
        first = self.source[: word.start].count(MARK)
        written = self._written[first : first + text.count(MARK)]
        start = word.parts[0][1]

        def fail(message: str, at: int) -> NoReturn:
            self._fail(message, start + at)

        base = self._base(command, positions)
        inner = type(self)(text, written, fail, flows=self.flows, base=base, level=self.level + 1)
        if inner.level > _MAX_LEVELS:
            self.fail("there are too many scripts within scripts", word.start)
        inner.read()
        self._replace(word, inner, first, exported=by is not None)
        if by is not None:
            self._export(word, by)
        return True

    def look_into(
        self, text: str, at: int, command: ParsedCommand, positions: PositionalParameters | None = None
    ) -> None:
        """Read ``text``, a script without values at ``at`` that ``command`` runs, for its use of variables
        and arguments."""
        refuse = partial(self._fail_at, at)
        look_into(text, self.flows, self._base(command, positions), refuse, self.as_argument, self.level + 1)

    def _fail_at(self, at: int, message: str) -> NoReturn:
        self._fail(message, at)

    def _base(self, command: ParsedCommand, positions: PositionalParameters | None) -> Frame:
        kind = "loop" if positions is None and self.frames.in_loop else ""
        return Frame(kind, command.reads, command.writes, positions or self.positions)

    def _verbatim(self, word: Word) -> str | None:
        """The text of a word that is one pair of quotes in which the shell changes nothing."""
        if len(word.parts) != 1:
            return None
        quote, start, stop = word.parts[0]
        text = self.source[start:stop]
        alone = word.start + 1 == start and word.end == stop + 1
        expanded = quote == '"' and any(char in text for char in "\\$`")
        return text if alone and not expanded else None

    def _replace(self, word: Word, inner: CommandReader, first: int, *, exported: bool) -> None:
        """Put the rewritten script in the word's place, in single quotes."""
        pieces = render(inner.source, inner.edits)
        word.slots = [piece for piece in pieces if isinstance(piece, ValuePlace) and not piece.raw]
        for slot in word.slots:
            # The question mark ends a shell that did not receive the variable, which would otherwise run on
            # without it.
            form = slot.form.replace("${%}", "${%?}") if exported else slot.form
            slot.form = form.replace("'", "'\\''")
        for slot in (piece for piece in pieces if isinstance(piece, ValuePlace)):
            slot.expression += first
        quoted = [piece if isinstance(piece, ValuePlace) else piece.replace("'", "'\\''") for piece in pieces]
        word.flows = [ValueFlow(slot) for slot in word.slots]
        self.edits = [edit for edit in self.edits if not word.start <= edit.start < word.end]
        self.edits.append(Edit(word.start, word.end, ["'", *quoted, "'"]))
        self.embedded = True

    def _export(self, word: Word, by: Word) -> None:
        """Export the variables of a script to the command that runs it, and only to it."""
        exports = {
            (slot.expression, slot.several): ValuePlace(
                slot.expression, slot.at, '%="${%}" ', several=slot.several
            )
            for slot in word.slots
        }
        self.edits.append(Edit(by.start, by.start, list(exports.values())))


class _Looking(ScriptReader):
    """Reads a script without values. If the script does something refused, the command is refused at its
    place."""

    refuse: Callable[[str], NoReturn]
    advice: str

    @property
    def as_argument(self) -> str:
        return self.advice

    @property
    def in_script(self) -> str:
        return self.advice

    def forbid(self, flows: Iterable[ValueFlow], message: str, at: int, parts: Check | None = None) -> None:
        self.flows.forbid(flows, message, self.refuse, parts)

    def _fail_at(self, at: int, message: str) -> NoReturn:
        self.refuse(message)


def look_into(
    text: str,
    flows: Flows,
    base: Frame,
    refuse: Callable[[str], NoReturn],
    as_argument: str,
    level: int = 1,
) -> None:
    """Read ``text``, a script without values, and add to ``flows`` what it does with its arguments in
    ``base``; ``refuse(message)`` raises where it does with them what it must not."""
    if level > _MAX_LEVELS:
        return

    def fail(message: str, _: int) -> NoReturn:
        raise _Unreadable(message)

    inner = _Looking(text.replace(MARK, "$"), (), fail, flows=flows, base=base, level=level)
    inner.refuse, inner.advice = refuse, as_argument
    try:
        inner.read()
    except _Unreadable:
        return
