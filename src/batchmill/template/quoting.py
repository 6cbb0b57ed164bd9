"""Reading the quoting of a shell command, to know what stands around each value in it.

The reader goes once over the text and follows quotes, substitutions and here-documents as sh (dash,
busybox), bash, zsh, mksh and ksh93 do. Each value found becomes an edit: the mark is replaced by a
reference to a variable, in quotes that fit the place. The result of a reference in double quotes is
never split, matched against file names or read again by any of these shells.

Where shells differ on where something ends, or this reader is not certain, it keeps going in ``doubt``:
a value after such a place is refused, as the quoting around it is not known. What has no value in it or
after it is never refused.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NoReturn

from batchmill.template.words import MARK, Check, Edit, HereDocument, Slot, Word

MAX_NESTING = 40  # substitutions within each other; a level takes some ten Python frames

BARE = '"${%}"'
QUOTED = "${%}"
IN_SINGLE_QUOTES = "'\"${%}\"'"

# A line that ends the here-documents we rewrite; a body that holds this line itself is refused.
_END_LINE = "BATCHMILL_END_OF_TEXT"

_ORDINARY = re.compile(r"[^ \t\n'\"\\$`\0;&|<>()]+")
_IN_SINGLE = re.compile(r"[^'\0]*")
_IN_DOUBLE = re.compile(r"[^\"\0\\$`]+")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_DOLLAR_QUOTED = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL)
_BACKQUOTED = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_HARMLESS_QUOTES = re.compile(r"\"[^\"'\\`}\0$]*\"")
_ESCAPED_IN_DOUBLE = '$`"\\'
_BACKSLASH = (
    "a backslash stands right before a template; take it away, or write $${...} for the shell's own ${...}"
)
_ARITHMETIC_WITH_QUOTES = (
    "a value after quotes, a backslash or a comment within (( )) cannot be placed with certainty; "
    "write ( ( with a space where a command is meant, and keep calculations free of quotes"
)


class QuoteReader(ABC):
    """Reads words; ``at`` is where it is, ``end`` where it must stop, ``seen`` how many values it met."""

    def __init__(self, source: str, raw: Sequence[bool], fail: Callable[[str, int], NoReturn]) -> None:
        """``raw`` tells of each expression whether it is pasted; ``fail(message, at)`` raises."""
        self.source = source
        self.at = 0
        self.end = len(source)
        self.edits: list[Edit] = []
        self.seen = 0
        self._raw = raw
        self._fail = fail
        self._doubt = ""
        self._depth = 0
        marks = (at for at, char in enumerate(source) if char == MARK)
        self._expressions = {at: number for number, at in enumerate(marks)}

    @abstractmethod
    def commands(self, *, closed: bool) -> bool:
        """Read commands to the end of the text, or, when ``closed``, past the ``)`` that ends them.

        Returns whether that ``)`` was there.
        """

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Refuse the command because of what is at ``at``."""
        self._fail(message, self.at if at is None else at)

    def doubt(self, reason: str) -> None:
        """Refuse values from here on: what the shell makes of the text is not certain any more."""
        self._doubt = self._doubt or reason

    def char(self, ahead: int = 0) -> str:
        """The character at ``ahead`` from here, ``""`` past the end."""
        place = self.at + ahead
        return self.source[place] if place < self.end else ""

    def starts(self, text: str) -> bool:
        """Whether ``text`` comes next."""
        return self.source.startswith(text, self.at, self.end)

    def value(self, word: Word, form: str, *checks: Check, pasted: bool = True) -> None:
        """Replace the mark that comes next by a reference of the given form.

        One that asks for it is pasted, unless ``pasted`` is False.
        """
        at = self.at
        number = self._expressions[at]
        if self._raw[number] and pasted:
            self.edits.append(Edit(at, at + 1, [Slot(number, at, "", raw=True)]))
            word.dynamic = True
        else:
            if self._doubt:
                self.fail(self._doubt)
            slot = Slot(number, at, form, checks=set(checks))
            self.edits.append(Edit(at, at + 1, [slot]))
            word.slots.append(slot)
            self.seen += 1
        word.text += MARK
        self.at += 1

    def part_of_word(self, word: Word) -> None:
        """Read on by one piece that belongs to a word outside of quotes."""
        char = self.char()
        if char == MARK:
            self.value(word, BARE)
        elif char == "'":
            self._single_quotes(word)
        elif char == '"':
            self._double_quotes(word)
        elif char == "\\":
            self._escape(word)
        elif char == "$":
            self.dollar(word, quoted=False)
        elif char == "`":
            self._backquotes(word, quoted=False)
        else:
            self._take(_ORDINARY, word)

    def _take(self, run: re.Pattern[str], word: Word) -> None:
        """Read on over ordinary characters, at least one."""
        found = run.match(self.source, self.at, self.end)
        stop = found.end() if found else self.at + 1
        word.text += self.source[self.at : stop]
        self.at = stop

    def _escape(self, word: Word) -> None:
        following = self.char(1)
        if following == MARK:
            self.fail(_BACKSLASH, self.at + 1)
        if following != "\n":
            word.text += following
            word.quoted = True
        self.at = min(self.at + 2, self.end)

    def _single_quotes(self, word: Word) -> None:
        opening = self.at
        self.at += 1
        while True:
            self._take_single(word)
            if self.at >= self.end:
                self.fail("a single quote is never closed", opening)
            if self.char() == "'":
                break
            self.value(word, IN_SINGLE_QUOTES)
        word.parts.append(("'", opening + 1, self.at))
        word.quoted = True
        self.at += 1

    def _take_single(self, word: Word) -> None:
        found = _IN_SINGLE.match(self.source, self.at, self.end)
        if found is not None:  # always: it matches nothing as well
            word.text += found.group()
            self.at = found.end()

    def _dollar_single_quotes(self, word: Word) -> None:
        r"""``$'a\n'``: shells that do not know it read ``$`` and a text in single quotes."""
        opening = self.at
        self.at += 2
        while (char := self.char()) != "'":
            if not char:
                self.fail("a single quote is never closed", opening)
            if char == MARK:
                rest = self.source[self.at + 1 : self._dollar_quote_end()]
                reopening = "$'" if "\\" in rest else "'"
                self.value(word, f"'{BARE}{reopening}")
            elif char == "\\":
                self._escape_in_dollar_quotes()
            else:
                self.at += 1
        word.quoted = word.dynamic = True
        self.at += 1

    def _escape_in_dollar_quotes(self) -> None:
        if self.char(1) == MARK:
            self.fail(_BACKSLASH, self.at + 1)
        if self.char(1) == "'":
            self.doubt(r"a value in or after $'...' with \' in it cannot be placed: not every shell knows \'")
        self.at += 2

    def _dollar_quote_end(self) -> int:
        found = _DOLLAR_QUOTED.match(self.source, self.at, self.end)
        return found.end() if found else self.end

    def _double_quotes(self, word: Word) -> None:
        opening = self.at
        self.at += 1
        self._expanded_text(word, '"')
        if self.at >= self.end:
            self.fail("a double quote is never closed", opening)
        word.parts.append(('"', opening + 1, self.at))
        word.quoted = True
        self.at += 1

    def _expanded_text(self, word: Word, closing: str) -> None:
        """Text in which the shell expands: in double quotes, or a here-document with no ``closing``."""
        while (char := self.char()) and char != closing:
            if char == MARK:
                self.value(word, QUOTED)
            elif char == "\\":
                self._escape_in_double_quotes(word)
            elif char == "$":
                self.dollar(word, quoted=True)
            elif char == "`":
                self._backquotes(word, quoted=True)
            else:
                self._take(_IN_DOUBLE, word)

    def _escape_in_double_quotes(self, word: Word) -> None:
        following = self.char(1)
        if following == MARK:
            self.fail(_BACKSLASH, self.at + 1)
        if following in _ESCAPED_IN_DOUBLE:
            word.text += following
        elif following != "\n":
            word.text += "\\" + following
        self.at = min(self.at + 2, self.end)

    def dollar(self, word: Word, *, quoted: bool) -> None:
        """Read what a ``$`` begins."""
        following = self.char(1)
        if following == "(":
            self.at += 1
            self._parenthesis(word)
        elif following == "{":
            self._parameter(word, quoted=quoted)
        elif following == "'" and not quoted:
            self._dollar_single_quotes(word)
        else:
            if following == "[":
                self.doubt("a value after $[ cannot be placed: some shells calculate there; write $(( ))")
            found = _PARAMETER.match(self.source, self.at + 1, self.end)
            word.dynamic = word.dynamic or found is not None
            word.text += "$"
            self.at = found.end() if found else self.at + 1

    def _parenthesis(self, word: Word) -> None:
        """Read a substitution; this is at its first ``(``."""
        word.dynamic = True
        if self.starts("(("):
            self.arithmetic(word)
        else:
            self.substitution(word)

    def substitution(self, word: Word) -> None:
        """Read commands in parentheses whose output becomes part of ``word``."""
        opening = self.at
        if self._depth >= MAX_NESTING:
            self.fail(f"substitutions are nested more than {MAX_NESTING} deep")
        before = self.seen
        self._depth += 1
        self.at += 1
        if not self.commands(closed=True):
            self.fail("a ( is never closed", opening)
        self._depth -= 1
        word.dynamic = True
        word.within += self.seen - before

    def arithmetic(self, word: Word) -> None:
        """Read ``((...))``. A value in it must be a whole number: the shell would run what looks like
        ``a[$(command)]``. Where two parentheses begin a command after all, the end is the same."""
        opening = self.at
        self.at += 2
        depth = 2
        while depth:
            char = self.char()
            if not char:
                self.fail("a (( is never closed", opening)
            if char == MARK:
                self.value(word, QUOTED, Check.INTEGER)
            elif char == "$":
                self.dollar(word, quoted=True)
            else:
                depth += (char == "(") - (char == ")")
                self._look_in_arithmetic(char, depth)
                self.at += 1
        if re.search(r"\bcase\b", self.source[opening : self.at]):
            self.doubt(_ARITHMETIC_WITH_QUOTES)

    def _look_in_arithmetic(self, char: str, depth: int) -> None:
        comment = char == "#" and self.source[self.at - 1] in " \t\n;("
        command = char == ")" and depth == 1 and self.char(1) != ")"
        if char in "'\"\\`" or comment or command:
            self.doubt(_ARITHMETIC_WITH_QUOTES)

    def _parameter(self, word: Word, *, quoted: bool) -> None:
        """Read the shell's own ``${...}``; values have no place in it, but in substitutions there."""
        opening = self.at
        self.at += 2
        if self.char() in (" ", "\t", "\n", "|"):
            self.doubt("a value after ${ with a command in it cannot be placed; write $( )")
        inner = Word(opening)
        while (char := self.char()) != "}":
            if not char:
                self.fail("a ${ of the shell is never closed", opening)
            self._in_parameter(inner, char, quoted=quoted)
        if inner.slots:
            self.fail(
                "a value cannot stand inside the shell's own ${...}; set a variable to it first, "
                "such as value=${...}, and use that",
                inner.slots[0].at,
            )
        word.dynamic = True
        word.within += inner.within
        self.at += 1

    def _in_parameter(self, inner: Word, char: str, *, quoted: bool) -> None:
        if char == "$":
            self.dollar(inner, quoted=quoted)
        elif char == "`":
            self._backquotes(inner, quoted=quoted)
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
            self.doubt('a value after quotes within "${...}" cannot be placed: shells read them differently')
        self.at = found.end() if found else self.at + 1

    def _backquotes(self, word: Word, *, quoted: bool) -> None:
        """Read an old-style substitution; one with a value in it becomes a ``$( )``.

        Text in backquotes has its backslashes taken away before it is read as commands, so only text
        without any is the same in both forms. A ``#`` could hide the parenthesis that closes.
        """
        closing = self._closing_backquote()
        text = self.source[self.at + 1 : closing]
        word.dynamic = True
        if MARK not in text:
            if text.count("'") % 2 or text.count('"') % 2:
                self.doubt("a value after backquotes with single quotes in them cannot be placed; write $( )")
            self.at = closing + 1
            return
        if any(found in text for found in ("\\", "#", "<<")) or (quoted and '"' in text):
            self.fail("a value cannot be placed in these backquotes; write $( ) in their place")
        self.edits.append(Edit(self.at, self.at + 1, ["$( "]))
        before, end = self.seen, self.end
        self.at, self.end = self.at + 1, closing
        self.commands(closed=False)
        self.at, self.end = closing + 1, end
        self.edits.append(Edit(closing, closing + 1, [" )"]))
        word.within += self.seen - before

    def _closing_backquote(self) -> int:
        found = _BACKQUOTED.match(self.source, self.at, self.end)
        if found is None:
            self.fail("a backquote is never closed")
        return found.end() - 1

    def here_document(self, document: HereDocument) -> None:
        """Read the body of a here-document that starts here, up to and with the line that ends it."""
        start = self.at
        stop, after = self._body_end(document)
        if MARK in self.source[start:stop]:
            if document.script:
                self.fail(
                    "a value cannot stand in a script that a shell reads from a here-document; "
                    "hand it over as an argument: sh -s ${...} <<'EOF', and \"$1\" in the script",
                    self.source.index(MARK, start),
                )
            if document.quoted:
                self._open_body(document, start, stop, after)
            else:
                self._expanded_body(stop)
        self.at = after

    def _body_end(self, document: HereDocument) -> tuple[int, int]:
        """Where the line that ends the document starts, and where the text goes on."""
        line, joined = self.at, False
        while True:
            if line >= self.end:
                self.fail(f"a here-document does not end with a line {document.end_line!r}", document.start)
            stop = self.source.find("\n", line, self.end)
            stop = self.end if stop < 0 else stop
            text = self.source[line:stop]
            if (text.lstrip("\t") if document.strip_tabs else text) == document.end_line:
                break
            joined = (len(text) - len(text.rstrip("\\"))) % 2 == 1
            line = stop + 1
        if joined and not document.quoted:
            self.doubt("a value after a here-document whose last line ends in \\ cannot be placed")
        return line, stop

    def _expanded_body(self, stop: int) -> None:
        end, self.end = self.end, stop
        self._expanded_text(Word(self.at), "")
        self.end = end

    def _open_body(self, document: HereDocument, start: int, stop: int, after: int) -> None:
        """Rewrite ``<<'EOF'``, in which nothing is expanded, as ``<<EOF`` with all but values escaped."""
        if _END_LINE in self.source:
            self.fail(f"{_END_LINE} cannot be used in a command with a here-document", start)
        self.edits.append(Edit(document.start, document.stop, [_END_LINE]))
        self.edits.append(Edit(stop, after, [_END_LINE]))
        word = Word(start)
        for place in range(start, stop):
            char = self.source[place]
            if char == MARK:
                self.at = place
                self.value(word, QUOTED, pasted=False)  # pasted text would be expanded now
            elif char in "\\$`":
                self.edits.append(Edit(place, place + 1, ["\\" + char]))
