"""Reading what a shell expands: variables, substitutions, arithmetic."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from batchmill.template.parts import Expression
from batchmill.template.shell.flows import Flows
from batchmill.template.shell.quoting import QUOTED, QuoteReader
from batchmill.template.shell.words import (
    IDENTIFIER,
    MARK,
    Argument,
    Check,
    Edit,
    NamedVariables,
    ParsedCommand,
    PositionalParameters,
    ShellStream,
    ValueFlow,
    Word,
    identifiers,
)

MAX_NESTING = 40  # substitutions within each other; a level takes some ten Python frames

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_BACKQUOTED = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_HARMLESS_QUOTES = re.compile(r"\"[^\"'\\`}\0$]*\"")
_ZSH_INDEX = re.compile(r"\[([^\]\n]*)\]")
_ARITHMETIC_WITH_QUOTES = (
    "batchmill cannot judge a value after quotes, a backslash or a comment within (( )); "
    "write ( ( with a space where a command is meant, and keep calculations free of quotes"
)
# The shell's own ${...}: zsh's flags, what comes before the name, the name.
_EXPANSION = re.compile(
    r"(?P<flags>\([^)]*\))?(?P<before>[~^=+]*(?:[!#](?=[A-Za-z_0-9@*]))?)(?P<name>[A-Za-z_]\w*|[0-9]+|[@*#?$!-])"
)
_RUNNING_FLAGS = re.compile(r"[eP%]")
_WHOLE_ARRAY = frozenset({"@", "*"})
_OWN_NAME = "the shell would read a value as the name of a variable and its index"
_OWN_CODE = "the shell would run a value as code there"


class ExpansionReader(QuoteReader):
    """Reads words with all that is expanded in them."""

    def __init__(
        self, source: str, written: Sequence[Expression], fail: Callable[[str, int], NoReturn], flows: Flows
    ) -> None:
        super().__init__(source, written, fail, flows)
        self._depth = 0
        self._calculated_until = 0

    @abstractmethod
    def commands(self, *, closed: bool, writes: ShellStream | None = None) -> bool:
        """Read commands to the end of the text or, with ``closed``, past the ``)`` that ends them.

        Adds their output to ``writes``. Returns whether that ``)`` was there.
        """

    @abstractmethod
    def sources(self, name: str) -> list[str | Argument]:
        """The flows that the parameter ``name`` may hold here, such as ``x``, ``1`` or ``@``."""

    def value(self, word: Word, form: str, *, pasted: bool = True) -> None:
        calculated, known = self.at < self._calculated_until, len(word.flows)
        super().value(word, form, pasted=pasted)
        if calculated:
            self.flows.demand(word.flows[known:], Check.INTEGER)

    def forbid(self, flows: Iterable[ValueFlow], message: str, at: int, parts: Check | None = None) -> None:
        """Refuse the command if a value arrives in ``flows``; one that was derived from a value and passes
        ``parts`` is allowed."""
        self.flows.forbid(flows, message, lambda told: self._fail(told, at), parts)

    def dollar(self, word: Word, *, quoted: bool) -> None:
        """Read what a ``$`` begins."""
        following = self.char(1)
        if following == "(":
            self.at += 1
            word.splits = word.splits or not quoted
            self._parenthesis(word)
        elif following == "{":
            word.splits = word.splits or not quoted
            self._parameter(word, quoted=quoted)
        elif following == "'" and not quoted:
            self._dollar_single_quotes(word)
        else:
            self._plain(word, quoted=quoted)

    def _plain(self, word: Word, *, quoted: bool) -> None:
        """Read ``$name``, or a literal dollar sign."""
        if self.char(1) == "[":
            self.doubt("batchmill cannot judge a value after $[: some shells calculate there; write $(( ))")
            self._calculate(self.source[self.at + 2 : self.source.find("]", self.at)])
        found = _PARAMETER.match(self.source, self.at + 1, self.end)
        self.at = found.end() if found else self.at + 1
        if found:
            self._take_parameter(word, found.group())
            word.splits = word.splits or not quoted or found.group() == "@"
            self._zsh_index()
        word.text += "$"

    def _take_parameter(self, word: Word, name: str, *, derived: bool = False) -> None:
        word.dynamic = True
        for source in self.sources(name):
            word.take(source, derived=derived)

    def _zsh_index(self) -> None:
        """``$list[n]`` is an element to zsh, for which it calculates, and text to the others."""
        found = _ZSH_INDEX.match(self.source, self.at, self.end)
        if found:
            self._calculate(found[1])
            self._calculated_until = found.end()

    def _calculate(self, text: str, *, array: str = "") -> None:
        """The shell calculates with the variables that are named in ``text``."""
        flows = [ValueFlow(source) for name in identifiers(text) for source in self.sources(name)]
        flows += [
            ValueFlow(source) for name in re.findall(r"\$\{?([0-9@*])", text) for source in self.sources(name)
        ]
        self.flows.demand(flows, Check.INTEGER, array=array)

    def _parenthesis(self, word: Word) -> None:
        """Read a substitution; this is at its first ``(``."""
        word.dynamic = True
        if self.starts("(("):
            self.arithmetic(word)
        else:
            self.substitution(word)

    def substitution(self, word: Word) -> ShellStream:
        """Read commands in parentheses whose output becomes part of ``word``; returns that output."""
        opening = self.at
        if self._depth >= MAX_NESTING:
            self.fail(f"substitutions are nested more than {MAX_NESTING} deep")
        before = self.seen
        writes = ShellStream()
        self._depth += 1
        self.at += 1
        if not self.commands(closed=True, writes=writes):
            self.fail("a ( is never closed", opening)
        self._depth -= 1
        word.dynamic = True
        word.within += self.seen - before
        word.take(writes, derived=True)
        return writes

    def arithmetic(self, word: Word) -> None:
        """Read ``((...))``. A value in it must be a whole number: the shell would run what looks like
        ``a[$(command)]``. Where two parentheses begin a command after all, the end is the same."""
        opening = self.at
        self.at += 2
        depth = 2
        inner = Word(opening)
        while depth:
            char = self.char()
            if not char:
                self.fail("a (( is never closed", opening)
            if char == MARK:
                self.value(inner, QUOTED)
            elif char == "$":
                self.dollar(inner, quoted=True)
            elif found := IDENTIFIER.match(self.source, self.at, self.end):
                inner.flows += [ValueFlow(source) for source in self.sources(found.group())]
                self.at = found.end()
            else:
                depth += (char == "(") - (char == ")")
                self._look_in_arithmetic(inner, char, depth)
                self.at += 1
        if re.search(r"\bcase\b", self.source[opening : self.at]):
            self.doubt(_ARITHMETIC_WITH_QUOTES)
        self.flows.demand(inner.flows, Check.INTEGER)
        word.slots += inner.slots
        word.within += inner.within

    def _look_in_arithmetic(self, inner: Word, char: str, depth: int) -> None:
        comment = char == "#" and self.source[self.at - 1] in " \t\n;("
        command = char == ")" and depth == 1 and self.char(1) != ")"
        if char in "'\"\\`" or comment or command:
            self.doubt(_ARITHMETIC_WITH_QUOTES)
        if command:  # what was read as a calculation may be a command, which was not looked at
            self.forbid(list(inner.flows), _ARITHMETIC_WITH_QUOTES, self.at)

    def _parameter(self, word: Word, *, quoted: bool) -> None:
        """Read the shell's own ``${...}``; values are allowed only in substitutions inside it."""
        opening = self.at
        self.at += 2
        if self.char() in (" ", "\t", "\n", "|"):
            self.doubt("batchmill cannot judge a value after ${ with a command in it; write $( )")
        inner = Word(opening)
        while (char := self.char()) != "}":
            if not char:
                self.fail("a ${ of the shell is never closed", opening)
            self._in_parameter(inner, char, quoted=quoted)
        if inner.slots:
            self.fail(
                "a value cannot stand inside the shell's own ${...}; assign it to a variable first, "
                "such as prefix=${...}, and use that; where the shell calculates it must be a whole number",
                inner.slots[0].at,
            )
        word.dynamic = True
        word.within += inner.within
        self._expanded(word, inner, self.source[opening + 2 : self.at], opening)
        word.text += "$"
        self.at += 1

    def _expanded(self, word: Word, inner: Word, text: str, opening: int) -> None:
        """The result of the shell's own ``${...}`` with ``text`` in it, and the parts of it that the shell
        reads again."""
        found = _EXPANSION.match(text)
        if found is None:
            word.take_all(inner.flows)
            return
        name, before = found["name"], found["before"]
        here = [ValueFlow(source) for source in self.sources(name)]
        index, rest = _index(text[found.end() :])
        if index not in _WHOLE_ARRAY and index:
            self._calculate(index, array=name)
            self.flows.demand(inner.flows, Check.INTEGER, array=name)
        if "~" in before or _RUNNING_FLAGS.search(found["flags"] or "") or rest.startswith("@P"):
            self.forbid(here, _OWN_CODE, opening)
        if before.endswith("!"):
            if index not in _WHOLE_ARRAY and rest not in _WHOLE_ARRAY:
                self.forbid(here, _OWN_NAME, opening)
                for source in self.sources(name):
                    word.take(NamedVariables(source))
            return
        if before.endswith("#"):
            return
        cut = bool(rest) and (rest[0] in "#%/^,@" or (rest[0] == ":" and rest[1:2] not in tuple("-+=?")))
        if cut and rest[0] == ":":
            self._calculate(rest)
            self.flows.demand(inner.flows, Check.INTEGER)
        if rest.startswith(("=", ":=")):
            self.flows.add(name, inner.flows)
        word.splits = word.splits or index == "@" or name == "@"
        self._take_parameter(word, name, derived=cut or index in _WHOLE_ARRAY)
        word.take_all(inner.flows if not cut or rest[0] == "/" else [])

    def _in_parameter(self, inner: Word, char: str, *, quoted: bool) -> None:
        if char == "$":
            self.dollar(inner, quoted=quoted)
        elif char == "`":
            self.backquotes(inner, quoted=quoted)
        elif char == "\\":
            self._escape(inner)
        elif char == MARK:
            self.value(inner, QUOTED)
        elif char in "'\"" and quoted:
            self._quote_in_quoted_parameter()
        elif char == "'":
            self._single_quotes(inner)
        elif char == '"':
            self._double_quotes(inner)
        else:
            self.at += 1

    def _quote_in_quoted_parameter(self) -> None:
        """In ``"${a:-"b"}"`` the inner quotes are text to some shells and quotes to others."""
        found = _HARMLESS_QUOTES.match(self.source, self.at, self.end)
        if found is None:
            self.doubt(
                'batchmill cannot judge a value after quotes within "${...}": shells read them differently'
            )
        self.at = found.end() if found else self.at + 1

    def backquotes(self, word: Word, *, quoted: bool) -> None:
        """Read an old-style substitution; one with a value in it becomes a ``$( )``.

        Text in backquotes has its backslashes taken away before it is read as commands, so only text
        without any is the same in both forms. A ``#`` could hide the parenthesis that closes.
        """
        closing = self._closing_backquote()
        text = self.source[self.at + 1 : closing]
        word.dynamic = True
        word.splits = word.splits or not quoted
        if MARK not in text:
            if text.count("'") % 2 or text.count('"') % 2:
                self.doubt(
                    "batchmill cannot judge a value after backquotes with single quotes in them; write $( )"
                )
            inner = ParsedCommand(reads=self.input)
            self.look_into(_without_escapes(text, quoted=quoted), self.at, inner)
            word.take(inner.writes, derived=True)
            self.at = closing + 1
            return
        if any(found in text for found in ("\\", "#", "<<")) or (quoted and '"' in text):
            self.fail("batchmill cannot judge a value in these backquotes; write $( ) instead")
        self.edits.append(Edit(self.at, self.at + 1, ["$( "]))
        before, end, writes = self.seen, self.end, ShellStream()
        self.at, self.end = self.at + 1, closing
        self.commands(closed=False, writes=writes)
        self.at, self.end = closing + 1, end
        self.edits.append(Edit(closing, closing + 1, [" )"]))
        word.within += self.seen - before
        word.take(writes, derived=True)

    @property
    @abstractmethod
    def input(self) -> ShellStream:
        """The input of commands here that have no input of their own."""

    @abstractmethod
    def look_into(
        self, text: str, at: int, command: ParsedCommand, positions: PositionalParameters | None = None
    ) -> None:
        """Read a script without values: see :class:`batchmill.template.shell.reviewing.RuleReader`."""

    def _closing_backquote(self) -> int:
        found = _BACKQUOTED.match(self.source, self.at, self.end)
        if found is None:
            self.fail("a backquote is never closed")
        return found.end() - 1


def _index(text: str) -> tuple[str, str]:
    """The index at the beginning of ``text``, without its brackets, and the rest; ``""`` for no index."""
    if not text.startswith("["):
        return "", text
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if not depth:
            return text[1:place], text[place + 1 :]
    return text[1:], ""


def _without_escapes(text: str, *, quoted: bool) -> str:
    """``text`` between backquotes, as a shell reads it as commands."""
    return re.sub(r'\\([$`\\"])' if quoted else r"\\([$`\\])", r"\1", text)
