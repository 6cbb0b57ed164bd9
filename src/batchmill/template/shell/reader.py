"""A reader of the commands in a shell text: where each begins and ends, and its words.

It is no full parser. It follows the grammar far enough to know where quotes, substitutions and here-documents
end, and which words belong together. So :mod:`batchmill.template.shell.rules` can look for commands that read
their arguments as code, and at the ways values take between them.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NoReturn

from batchmill.template.parts import Expression
from batchmill.template.shell import rules, streams
from batchmill.template.shell.conditions import review_test
from batchmill.template.shell.flows import Flows
from batchmill.template.shell.frames import CLOSING, OPENING, Frame, Frames
from batchmill.template.shell.redirections import PARENTHESIS, RedirectionReader, State
from batchmill.template.shell.words import (
    ANY,
    MARK,
    UNCOUNTED,
    Argument,
    Edit,
    ParsedCommand,
    PositionalParameters,
    ShellStream,
    ValueFlow,
    Word,
)

_BEFORE_COMMANDS = frozenset(
    {"if", "then", "else", "elif", "while", "until", "do", "{", "!", "time", "coproc"}
)
_AFTER_COMMANDS = frozenset({"fi", "done", "}"})
_SEPARATOR = re.compile(r";;&|;;|;&|;\||&&|\|\||\|&|[;&|]")
_CASE_ENDS = frozenset({";;", ";&", ";;&", ";|"})
_ARRAY = re.compile(r"[A-Za-z_]\w*\+?=")
_OPEN_INDEX = re.compile(r"[A-Za-z_]\w*\[[^\]]*")
_END_OF_TEST = re.compile(r"\]\](?=[ \t\n;&|<>()]|\Z)")
_EMPTY_PARENTHESES = re.compile(r"\([ \t]*\)")


class CommandReader(RedirectionReader):
    """Reads a whole command text, and applies the rules to every simple command.

    ``embedded`` says whether the text of a script within the command was rewritten.
    """

    def __init__(
        self,
        source: str,
        written: Sequence[Expression],
        fail: Callable[[str, int], NoReturn],
        *,
        flows: Flows,
        base: Frame,
        level: int = 0,
    ) -> None:
        """``base`` holds the input, the output and the source of positional parameters; ``level`` counts the
        scripts around this one."""
        super().__init__(source, written, fail, flows)
        self.embedded = False
        self.frames = Frames(base)
        self.level = level
        self._waiting = 0  # here-documents whose bodies are still to come, in all lists around this place

    @property
    @abstractmethod
    def as_argument(self) -> str:
        """How to hand a value over to a script as an argument."""

    @property
    @abstractmethod
    def in_script(self) -> str:
        """The remedy for a script with values in it."""

    @abstractmethod
    def embed(
        self,
        word: Word,
        command: ParsedCommand,
        by: Word | None = None,
        positions: PositionalParameters | None = None,
    ) -> bool:
        """Rewrite a word that is a script: see :class:`batchmill.template.shell.reviewing.RuleReader`."""

    def read(self) -> None:
        """Read the text to its end, collecting ``edits``."""
        self.commands(closed=False)

    @property
    def positions(self) -> PositionalParameters:
        """The positional parameters here."""
        return self.frames.inner.positions

    def sources(self, name: str) -> list[str | Argument]:
        if name in ("@", "*"):
            return [Argument(self.positions, ANY)]
        if not name.isdigit():
            return [name] if name.isidentifier() else []
        if self.positions.shifted or self.frames.in_loop:
            return [Argument(self.positions, ANY)]
        return [Argument(self.positions, int(name)), Argument(self.positions, UNCOUNTED)]

    def refuse_any(self, reason: str) -> None:
        """Refuse the command if any value is in it."""
        if not all(one.raw for one in self._written):
            self.fail(reason)

    def commands(self, *, closed: bool, writes: ShellStream | None = None) -> bool:
        depth = self.frames.enter(self.frames.inner.writes if writes is None else writes)
        state = State()
        done = False
        while self.at < self.end and not done:
            done = self._step(state, closed=closed)
        if not done:
            self._end_command(state)
            self._waiting -= len(state.documents)
        self.frames.leave(depth)
        return done

    def _step(self, state: State, *, closed: bool) -> bool:
        """Read on by one token or a part of one; True past the ``)`` that closes the list."""
        char = self.char()
        if char in " \t":
            self.end_word(state)
            self.at += 1
        elif char == "\n":
            self._newline(state)
        elif self.starts("\\\n"):
            self.at += 2
        elif char == "#" and state.word is None:
            self.comment()
        elif char in "<>" or self.starts("&>"):
            self.redirect(state)
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

    def comment(self) -> None:
        """Skip to the end of the line; templates in a comment are dropped."""
        stop = self.source.find("\n", self.at, self.end)
        stop = self.end if stop < 0 else stop
        marks = (at for at in range(self.at, stop) if self.source[at] == MARK)
        self.edits.extend(Edit(at, at + 1, []) for at in marks)
        self.at = stop

    def _newline(self, state: State) -> None:
        self.end_word(state)
        if state.block not in ("case", "pattern") and (state.command.words or not state.after_pipe):
            self._end_command(state)
        self.at += 1
        documents, state.documents = state.documents, []
        self._waiting -= len(documents)
        if self._waiting:
            self.doubt(
                "batchmill cannot judge a value after a line break within $( ) while a here-document waits"
            )
        for document in documents:
            self.here_document(document)
            self.at = min(self.at + 1, self.end)

    def _separator(self, state: State) -> None:
        self.end_word(state)
        found = _SEPARATOR.match(self.source, self.at, self.end)
        separator = found.group() if found else self.char()
        self.at += len(separator)
        if state.block == "pattern":
            state.command.words.clear()
            return
        self._end_command(state, piped=separator in ("|", "|&"))
        if separator in _CASE_ENDS and state.block == "body":
            state.blocks[-1] = "pattern"

    def _end_command(self, state: State, *, piped: bool = False) -> None:
        self.end_word(state)
        command = state.command
        words = rules.review(command, self)
        if words:
            self.frames.forget_name()
        next_one = ParsedCommand(piped=piped)
        streams.connect(command, words, self, next_one.reads if piped else self.frames.inner.writes)
        state.command = next_one
        state.after_pipe = piped

    def end_word(self, state: State) -> None:
        word, state.word = state.word, None
        if word is None:
            return
        word.end = self.at
        redirection, state.redirection = state.redirection, ""
        if redirection:
            self.redirected(state.command, redirection, word)
            return
        if not word.quoted and _OPEN_INDEX.fullmatch(word.text):
            self.doubt(
                "batchmill cannot judge a value after [: it may be an index with which the shell calculates"
            )
        if state.block not in ("case", "pattern") and self.is_list(word):
            word.take_list()
        state.command.words.append(word)
        self._keyword(state, word)

    def _keyword(self, state: State, word: Word) -> None:
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

    def _first_word(self, state: State, word: Word) -> None:
        keyword = word.keyword
        if keyword in OPENING:
            state.command.words.clear()
            state.command = self.frames.open(OPENING[keyword], state.command)
        if keyword in _BEFORE_COMMANDS:
            state.command.words.clear()
        elif keyword in ("for", "select", "case"):
            state.command.words.append(word)
            state.blocks += ["case"] if keyword == "case" else []
        elif keyword in _AFTER_COMMANDS:
            self._close_frame(state, CLOSING[keyword])
        elif keyword == "esac" and state.block == "body":
            self._end_block(state)
        elif keyword == "[[":
            self._double_brackets(state)

    def _end_block(self, state: State) -> None:
        state.blocks.pop()
        self._close_frame(state, "case")

    def _close_frame(self, state: State, kind: str) -> None:
        """End a compound command; words after it, such as a redirection, belong to it."""
        state.command.words.clear()
        frame = self.frames.close(kind)
        if frame is not None:
            state.command = frame.command
            self.flows.add(frame.reads, [ValueFlow(frame.command.reads)])

    def _function(self, state: State, name: Word) -> None:
        if name.slots:
            self.fail("a value cannot be the name of a function", name.slots[0].at)
        self.frames.name(self.flows.function(name.text))
        state.command.words.clear()

    def _open(self, state: State) -> None:
        """Read a ``(`` outside of quotes."""
        words, word = state.command.words, state.word
        empty = _EMPTY_PARENTHESES.match(self.source, self.at, self.end)
        if empty and self.frames.named and not (word or words):  # function f()
            self.at = empty.end()
        elif word is None and (not words or words[0].keyword in ("for", "function")):
            self._open_group(state)
        elif word is not None and word.parts == [] and _ARRAY.fullmatch(word.text):
            self.array(word)
        else:
            self.end_word(state)
            if empty and words:
                self._function(state, words[0])
                self.at = empty.end()
            else:
                self.doubt(PARENTHESIS)
                state.blocks.append("(")
                state.command = self.frames.open("(", state.command)
                self.at += 1

    def _open_group(self, state: State) -> None:
        if self.starts("((") and state.block != "pattern":
            self.arithmetic(Word(self.at))
            return
        if state.block != "pattern":  # where it may stand before a pattern
            state.blocks.append("(")
            state.command = self.frames.open("(", state.command)
        self.at += 1

    def _close(self, state: State, *, closed: bool) -> bool:
        """Read a ``)`` outside of quotes; True if it closes the list."""
        self.end_word(state)
        if state.block == "pattern":
            state.command.words.clear()
            state.blocks[-1] = "body"
            self.at += 1
            return False
        self._end_command(state)
        self.at += 1
        if state.block == "(":
            state.blocks.pop()
            self._close_frame(state, "(")
            return False
        if state.blocks or not closed:
            self.fail("a ) closes nothing", self.at - 1)
        self._leave(state)
        return True

    def _leave(self, state: State) -> None:
        if state.documents:
            self.doubt(
                "batchmill cannot judge a value after a here-document within $( ) without a line break"
            )
            self._waiting -= len(state.documents)

    def _double_brackets(self, state: State) -> None:
        """Read ``[[ ... ]]``, in which most characters are literal."""
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
        review_test(words, self, double=True)
        state.command.words.clear()

    def _operand(self) -> Word:
        if self.char() == "#":
            self.doubt("batchmill cannot judge a value after # within [[ ]]")
        word = Word(self.at)
        while self.char() and self.char() not in " \t\n":
            if self.char() in ";&|<>()":
                word.text += self.char()
                self.at += 1
            else:
                self.part_of_word(word)
        word.end = self.at
        return word
