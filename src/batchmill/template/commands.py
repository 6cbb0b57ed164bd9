"""Reading the commands of a shell text: where each begins and ends, and what its words are.

This is no full parser: it follows as much of the grammar as decides where quotes, substitutions and
here-documents end, and which words belong together, so that :mod:`batchmill.template.rules` can look
for commands that read their arguments as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from batchmill.template import rules
from batchmill.template.quoting import QuoteReader
from batchmill.template.words import MARK, Check, Command, Edit, HereDocument, Slot, Word, render

_BEFORE_COMMANDS = frozenset(
    {"if", "then", "else", "elif", "while", "until", "do", "{", "!", "time", "coproc"}
)
_AFTER_COMMANDS = frozenset({"fi", "done", "}"})
_SEPARATOR = re.compile(r";;&|;;|;&|;\||&&|\|\||\|&|[;&|]")
_REDIRECTION = re.compile(r"&>>?|<<<|<<-|<<|<&|<>|>>|>&|>\||[<>]")
_CASE_ENDS = frozenset({";;", ";&", ";;&", ";|"})
_DESCRIPTOR = re.compile(r"[0-9]+|\{\w+\}")
_ARRAY = re.compile(r"[A-Za-z_]\w*\+?=")
_OPEN_INDEX = re.compile(r"[A-Za-z_]\w*\[[^\]]*")
_EMPTY_PARENTHESES = re.compile(r"\([ \t]*\)")
_END_OF_TEST = re.compile(r"\]\](?=[ \t\n;&|<>()]|\Z)")
_PARENTHESIS = "a value after ( within a command cannot be placed: shells read that differently"


class _Commands:
    """Where the reader is within one list of commands.

    ``blocks`` are the open parentheses and ``case`` commands, each ``case`` as ``case`` (its subject),
    ``pattern`` or ``body``.
    """

    def __init__(self, seen: int) -> None:
        self.command = Command()
        self.word: Word | None = None
        self.redirection = ""
        self.blocks: list[str] = []
        self.documents: list[HereDocument] = []
        self.after_pipe = False
        self.after_block = False
        self.seen = seen

    @property
    def block(self) -> str:
        return self.blocks[-1] if self.blocks else ""


class CommandReader(QuoteReader):
    """Reads a whole command text, and has every simple command looked at by the rules.

    ``embedded`` tells whether the text of a script within the command was rewritten.
    """

    def __init__(
        self, source: str, raw: Sequence[bool], fail: Callable[[str, int], NoReturn], level: int = 0
    ) -> None:
        super().__init__(source, raw, fail)
        self.embedded = False
        self._level = level
        self._waiting = 0  # here-documents whose bodies are still to come, in all lists around this place

    def read(self) -> None:
        """Read the text to its end, collecting ``edits``."""
        self.commands(closed=False)

    def refuse_any(self, reason: str) -> None:
        """Refuse the command if any value is in it."""
        if not all(self._raw):
            self.fail(reason)

    def commands(self, *, closed: bool) -> bool:
        state = _Commands(self.seen)
        while self.at < self.end:
            if self._step(state, closed=closed):
                return True
        self._end_command(state)
        self._waiting -= len(state.documents)
        return False

    def _step(self, state: _Commands, *, closed: bool) -> bool:
        """Read on by one token or a part of one; True past the ``)`` that closes the list."""
        char = self.char()
        if char in " \t":
            self._end_word(state)
            self.at += 1
        elif char == "\n":
            self._newline(state)
        elif self.starts("\\\n"):
            self.at += 2
        elif char == "#" and state.word is None:
            self._comment()
        elif char in "<>" or self.starts("&>"):
            self._redirect(state)
        elif char in ";&|":
            self._separator(state)
        elif char == "(":
            self._open(state)
        elif char == ")":
            return self._close(state, closed=closed)
        else:
            state.word = state.word or Word(self.at)
            self.part_of_word(state.word)
        return False

    def _comment(self) -> None:
        """Skip to the end of the line; templates in a comment are dropped."""
        stop = self.source.find("\n", self.at, self.end)
        stop = self.end if stop < 0 else stop
        marks = (at for at in range(self.at, stop) if self.source[at] == MARK)
        self.edits.extend(Edit(at, at + 1, []) for at in marks)
        self.at = stop

    def _newline(self, state: _Commands) -> None:
        self._end_word(state)
        if state.block not in ("case", "pattern") and (state.command.words or not state.after_pipe):
            self._end_command(state)
        self.at += 1
        documents, state.documents = state.documents, []
        self._waiting -= len(documents)
        if self._waiting:
            self.doubt("a value after a line break within $( ) cannot be placed while a here-document waits")
        for document in documents:
            self.here_document(document)
            self.at = min(self.at + 1, self.end)

    def _separator(self, state: _Commands) -> None:
        self._end_word(state)
        found = _SEPARATOR.match(self.source, self.at, self.end)
        separator = found.group() if found else self.char()
        self.at += len(separator)
        if state.block == "pattern":
            state.command.words.clear()
            return
        self._end_command(state, piped=separator in ("|", "|&"))
        if separator in _CASE_ENDS and state.block == "body":
            state.blocks[-1] = "pattern"

    def _end_command(self, state: _Commands, *, piped: bool = False) -> None:
        self._end_word(state)
        rules.review(state.command, self)
        values = self.seen > (0 if state.after_block else state.seen)
        fed = piped and (state.command.fed or values)
        state.command = Command(fed=fed)
        state.after_pipe = piped
        state.after_block = False
        state.seen = self.seen

    def _end_word(self, state: _Commands) -> None:
        word, state.word = state.word, None
        if word is None:
            return
        word.end = self.at
        redirection, state.redirection = state.redirection, ""
        if redirection:
            self._redirected(state.command, redirection, word)
            return
        if not word.quoted and _OPEN_INDEX.fullmatch(word.text):
            self.doubt("a value after [ cannot be placed: it may be an index with which the shell calculates")
        state.command.words.append(word)
        self._keyword(state, word)

    def _keyword(self, state: _Commands, word: Word) -> None:
        """Follow the grammar as far as it decides where a command begins."""
        words = state.command.words
        if state.block == "case":
            if len(words) == 3 and word.keyword == "in":
                words.clear()
                state.blocks[-1] = "pattern"
        elif state.block == "pattern":
            if len(words) == 1 and word.keyword == "esac":
                self._end_block(state)
        elif len(words) == 1:
            self._first_word(state, word)
        elif words[0].keyword in ("for", "select") and len(words) == 3 and word.keyword == "do":
            words.clear()
        elif words[0].keyword == "function" and len(words) == 2:
            self._function(state, word)

    def _first_word(self, state: _Commands, word: Word) -> None:
        keyword = word.keyword
        if keyword in _BEFORE_COMMANDS:
            state.command.words.clear()
        elif keyword in _AFTER_COMMANDS:
            state.command.words.clear()
            state.after_block = True
        elif keyword == "case":
            state.blocks.append("case")
        elif keyword == "esac" and state.block == "body":
            self._end_block(state)
        elif keyword == "[[":
            self._double_brackets(state)

    def _end_block(self, state: _Commands) -> None:
        state.blocks.pop()
        state.command.words.clear()
        state.after_block = True

    def _function(self, state: _Commands, name: Word) -> None:
        if name.slots:
            self.fail("a value cannot be the name of a function", name.slots[0].at)
        state.command.words.clear()

    def _redirect(self, state: _Commands) -> None:
        word = state.word
        if self.starts("<(") or self.starts(">("):
            self._process_substitution(state)
            return
        if word is not None and not word.quoted and word.literal and _DESCRIPTOR.fullmatch(word.text):
            state.word = None
        self._end_word(state)
        found = _REDIRECTION.match(self.source, self.at, self.end)
        sign = found.group() if found else self.char()
        self.at += len(sign)
        if sign in ("<<", "<<-"):
            self._delimiter(state, strip_tabs=sign == "<<-")
        else:
            state.redirection = sign

    def _process_substitution(self, state: _Commands) -> None:
        state.word = state.word or Word(self.at)
        state.word.text += self.char() + "("
        self.at += 1
        self.substitution(state.word)

    def _redirected(self, command: Command, redirection: str, word: Word) -> None:
        if redirection == "<<<":
            command.here_strings.append(word)
        elif redirection in (">&", "<&"):
            for slot in word.slots:  # bash expands a file name here twice
                slot.checks.add(Check.INTEGER)

    def _delimiter(self, state: _Commands, *, strip_tabs: bool) -> None:
        """Read the word that will end a here-document; nothing is expanded in it."""
        while self.char() and self.char() in " \t":
            self.at += 1
        start = self.at
        word = Word(start)
        while self.char() and self.char() not in " \t\n;&|<>()":
            if self.char() in "$`":
                self.doubt("a value after a here-document that ends in $ or ` cannot be placed")
                word.text += self.char()
                self.at += 1
            else:
                self.part_of_word(word)
        if word.slots:
            self.fail("a value cannot be the line that ends a here-document", word.slots[0].at)
        document = HereDocument(word.text, start, self.at, word.quoted, strip_tabs)
        state.command.here_documents.append(document)
        state.documents.append(document)
        self._waiting += 1

    def _open(self, state: _Commands) -> None:
        """Read a ``(`` outside of quotes."""
        words, word = state.command.words, state.word
        if word is None and (not words or words[0].keyword in ("for", "function")):
            self._open_group(state)
        elif word is not None and word.parts == [] and _ARRAY.fullmatch(word.text):
            self._array(word)
        else:
            self._end_word(state)
            found = _EMPTY_PARENTHESES.match(self.source, self.at, self.end)
            if found and words:
                self._function(state, words[0])
                self.at = found.end()
            else:
                self.doubt(_PARENTHESIS)
                state.blocks.append("(")
                self.at += 1

    def _open_group(self, state: _Commands) -> None:
        if self.starts("((") and state.block != "pattern":
            self.arithmetic(Word(self.at))
            state.after_block = True
            return
        if state.block != "pattern":  # where it may stand before a pattern
            state.blocks.append("(")
        self.at += 1

    def _array(self, word: Word) -> None:
        """Read the elements of ``name=(...)``, which become part of ``word``."""
        opening = self.at
        self.at += 1
        word.text += "("
        while (char := self.char()) != ")":
            if not char:
                self.fail("a ( is never closed", opening)
            if char in " \t\n":
                self.at += 1
            elif char == "#":
                self._comment()
            else:
                self._element(word)
        self.at += 1

    def _element(self, word: Word) -> None:
        element = Word(self.at)
        while (char := self.char()) and char not in " \t\n)":
            if char in ";&|<>(":
                self.doubt(_PARENTHESIS)
                self.at += 1
            else:
                self.part_of_word(element)
        if element.slots and element.text.startswith("["):
            self.fail("a value cannot be the index of an array: the shell calculates it", element.slots[0].at)
        word.slots.extend(element.slots)
        word.within += element.within

    def _close(self, state: _Commands, *, closed: bool) -> bool:
        """Read a ``)`` outside of quotes; True where it closes the list."""
        self._end_word(state)
        if state.block == "pattern":
            state.command.words.clear()
            state.blocks[-1] = "body"
            self.at += 1
            return False
        self._end_command(state)
        self.at += 1
        if state.block == "(":
            state.blocks.pop()
            state.after_block = True
            return False
        if state.blocks or not closed:
            self.fail("a ) closes nothing", self.at - 1)
        self._leave(state)
        return True

    def _leave(self, state: _Commands) -> None:
        if state.documents:
            self.doubt("a value after a here-document within $( ) without a line break cannot be placed")
            self._waiting -= len(state.documents)

    def _double_brackets(self, state: _Commands) -> None:
        """Read ``[[ ... ]]``, in which most characters stand for themselves."""
        opening = self.at
        words: list[Word] = []
        while not (found := _END_OF_TEST.match(self.source, self.at, self.end)):
            if self.at >= self.end:
                self.fail("a [[ is never closed", opening)
            if self.char() in " \t\n":
                self.at += 1
            else:
                words.append(self._operand())
        self.at = found.end()
        rules.review_test(words, self, double=True)
        state.command.words.clear()
        state.after_block = True

    def _operand(self) -> Word:
        if self.char() == "#":
            self.doubt("a value after # within [[ ]] cannot be placed")
        word = Word(self.at)
        while self.char() and self.char() not in " \t\n":
            if self.char() in ";&|<>()":
                word.text += self.char()
                self.at += 1
            else:
                self.part_of_word(word)
        word.end = self.at
        return word

    def embed(self, word: Word, command: Word | None = None) -> bool:
        """Rewrite a word that is itself a script, if all of it stands in one pair of quotes.

        The script is read like a command of its own. It is run by the same shell, or by the one that
        ``command`` starts, for which the variables are exported. Returns whether it could be done.
        """
        text = self._verbatim(word)
        if text is None:
            return False
        first = self.source[: word.start].count(MARK)
        raw = self._raw[first : first + text.count(MARK)]
        start = word.parts[0][1]
        inner = CommandReader(text, raw, lambda message, at: self._fail(message, start + at), self._level + 1)
        if inner._level > 3:
            self.fail("scripts within scripts are nested too deep", word.start)
        inner.read()
        self._replace(word, inner, first, exported=command is not None)
        if command is not None:
            self._export(word, command)
        return True

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
        word.slots = [piece for piece in pieces if isinstance(piece, Slot) and not piece.raw]
        for slot in word.slots:
            # The question mark ends a shell that was not handed the variable, instead of running on without.
            form = slot.form.replace("${%}", "${%?}") if exported else slot.form
            slot.form = form.replace("'", "'\\''")
        for slot in (piece for piece in pieces if isinstance(piece, Slot)):
            slot.expression += first
        quoted = [piece if isinstance(piece, Slot) else piece.replace("'", "'\\''") for piece in pieces]
        self.edits = [edit for edit in self.edits if not word.start <= edit.start < word.end]
        self.edits.append(Edit(word.start, word.end, ["'", *quoted, "'"]))
        self.embedded = True

    def _export(self, word: Word, command: Word) -> None:
        """Export the variables of a script to the command that runs it, and to nothing else."""
        exports = {slot.expression: Slot(slot.expression, slot.at, '%="${%}" ') for slot in word.slots}
        self.edits.append(Edit(command.start, command.start, list(exports.values())))
