"""A reader of the quoting in a shell command: it finds the context of each value.

It goes once over the text and follows quotes, substitutions and here-documents as sh (dash, busybox), bash,
zsh, mksh and ksh93 do. Each value becomes an edit: its mark is replaced by a reference to a variable, in
quotes that fit the place. None of these shells splits the result of a reference in double quotes, matches it
against file names or reads it again.

If shells differ on where something ends, or this reader is not certain, it continues in ``doubt``: a value
after such a place is refused, because the quoting around it is unknown. A part that has no value in it or
after it is never refused.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NoReturn

from batchmill.template.parts import Expression
from batchmill.template.shell.flows import Flows
from batchmill.template.shell.words import MARK, Edit, HereDocument, ValuePlace, Word

BARE = '"${%}"'
QUOTED = "${%}"
IN_SINGLE_QUOTES = "'\"${%}\"'"

# A line that ends the here-documents we rewrite; a body that holds this line itself is refused.
_END_LINE = "BATCHMILL_END_OF_TEXT"

_ORDINARY = re.compile(r"[^ \t\n'\"\\$`\0;&|<>()]+")
_IN_SINGLE = re.compile(r"[^'\0]*")
_IN_DOUBLE = re.compile(r"[^\"\0\\$`]+")
_DOLLAR_QUOTED = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL)
_ESCAPED_IN_DOUBLE = '$`"\\'
BACKSLASH = (
    "a backslash stands right before a template; take it away, or write $${...} for the shell's own ${...}"
)


class QuoteReader(ABC):
    """Reads words; ``at`` is where it is, ``end`` where it must stop, ``seen`` how many values it met, and
    ``flows`` where they go."""

    def __init__(
        self, source: str, written: Sequence[Expression], fail: Callable[[str, int], NoReturn], flows: Flows
    ) -> None:
        """``written`` are the expressions in the text; ``fail(message, at)`` raises."""
        self.source = source
        self.flows = flows
        self.at = 0
        self.end = len(source)
        self.edits: list[Edit] = []
        self.seen = 0
        self._written = written
        self._fail = fail
        self._doubt = ""
        marks = (at for at, char in enumerate(source) if char == MARK)
        self._expressions = {at: number for number, at in enumerate(marks)}

    @abstractmethod
    def commands(self, *, closed: bool) -> bool:
        """Read commands to the end of the text, or, when ``closed``, past the ``)`` that ends them.

        Returns whether that ``)`` was there.
        """

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Refuse the command because of the text at ``at``."""
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

    def value(self, word: Word, form: str, *, pasted: bool = True) -> None:
        """Replace the mark that comes next by a reference of the given form.

        One that asks for it is pasted, unless ``pasted`` is False.
        """
        at = self.at
        number = self._expressions[at]
        if self._written[number].raw and pasted:
            self.edits.append(Edit(at, at + 1, [ValuePlace(number, at, "", raw=True)]))
            word.dynamic = True
        else:
            if self._doubt:
                self.fail(self._doubt)
            slot = ValuePlace(number, at, form)
            self.edits.append(Edit(at, at + 1, [slot]))
            word.slots.append(slot)
            word.take(slot)
            self.seen += 1
        word.text += MARK
        self.at += 1

    def is_list(self, word: Word) -> bool:
        """Whether the word, which ends here, is one value outside of quotes that is written as a list."""
        alone = word.text == MARK and not word.quoted and self.at == word.start + 1 and len(word.slots) == 1
        return alone and self._written[word.slots[0].expression].several

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
            self.backquotes(word, quoted=False)
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
            self.fail(BACKSLASH, self.at + 1)
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
            self.fail(BACKSLASH, self.at + 1)
        if self.char(1) == "'":
            self.doubt(
                r"batchmill cannot judge a value in or after $'...' with \' in it: not every shell knows \'"
            )
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
                self.backquotes(word, quoted=True)
            else:
                self._take(_IN_DOUBLE, word)

    def _escape_in_double_quotes(self, word: Word) -> None:
        following = self.char(1)
        if following == MARK:
            self.fail(BACKSLASH, self.at + 1)
        if following in _ESCAPED_IN_DOUBLE:
            word.text += following
        elif following != "\n":
            word.text += "\\" + following
        self.at = min(self.at + 2, self.end)

    @abstractmethod
    def dollar(self, word: Word, *, quoted: bool) -> None:
        """Read what a ``$`` begins."""

    @abstractmethod
    def backquotes(self, word: Word, *, quoted: bool) -> None:
        """Read an old-style substitution."""

    def here_document(self, document: HereDocument) -> None:
        """Read the body of a here-document that starts here, up to and with the line that ends it."""
        start = self.at
        stop, after = self._body_end(document)
        if document.script and MARK in self.source[start:stop]:
            self.fail(
                "a value cannot stand in a program that is read from a here-document; pass it as an "
                "argument: sh -s ${...} <<'EOF', and \"$1\" in the script",
                self.source.index(MARK, start),
            )
        body = Word(start, stop)
        if not document.quoted:
            self._expanded_body(body)
        elif MARK in self.source[start:stop]:
            self._open_body(document, body, after)
        else:
            body.text = self.source[start:stop]
        self.flows.add(document.reads, body.flows, derived=True)
        if document.script:
            document.script(body.flows, body.text, start)
        self.at = after

    def _body_end(self, document: HereDocument) -> tuple[int, int]:
        """The offsets of the line that ends the document, and of the text after it."""
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
            self.doubt("batchmill cannot judge a value after a here-document whose last line ends in \\")
        return line, stop

    def _expanded_body(self, body: Word) -> None:
        end, self.end = self.end, body.end
        self._expanded_text(body, "")
        self.end = end

    def _open_body(self, document: HereDocument, body: Word, after: int) -> None:
        """Rewrite ``<<'EOF'``, which expands nothing, as ``<<EOF`` with everything escaped except values."""
        if _END_LINE in self.source:
            self.fail(f"{_END_LINE} cannot be used in a command with a here-document", body.start)
        self.edits.append(Edit(document.start, document.stop, [_END_LINE]))
        self.edits.append(Edit(body.end, after, [_END_LINE]))
        for place in range(body.start, body.end):
            char = self.source[place]
            if char == MARK:
                self.at = place
                self.value(body, QUOTED, pasted=False)  # pasted text would be expanded now
            elif char in "\\$`":
                self.edits.append(Edit(place, place + 1, ["\\" + char]))
