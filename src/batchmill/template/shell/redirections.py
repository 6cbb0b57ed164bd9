"""Reading redirections, here-documents' delimiters and arrays: the parts of a command that are not plain
words."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import replace

from batchmill.template.shell.expansions import ExpansionReader
from batchmill.template.shell.frames import Frames
from batchmill.template.shell.words import Check, HereDocument, ParsedCommand, Word

_OUTPUT = frozenset({">", ">>", ">|", "&>", "&>>"})
_REDIRECTION = re.compile(r"&>>?|<<<|<<-|<<|<&|<>|>>|>&|>\||[<>]")
_DESCRIPTOR = re.compile(r"[0-9]+|\{\w+\}")
PARENTHESIS = "batchmill cannot judge a value after ( within a command: shells differ there"


class State:
    """Where the reader is within one list of commands.

    ``blocks`` are the open parentheses and ``case`` commands, each ``case`` as ``case`` (its subject),
    ``pattern`` or ``body``.
    """

    def __init__(self) -> None:
        self.command = ParsedCommand()
        self.word: Word | None = None
        self.redirection = ""
        self.blocks: list[str] = []
        self.documents: list[HereDocument] = []
        self.after_pipe = False

    @property
    def block(self) -> str:
        return self.blocks[-1] if self.blocks else ""


class RedirectionReader(ExpansionReader):
    """Reads words and the redirections between them."""

    frames: Frames
    _waiting = 0  # here-documents whose bodies are still to come, in all lists around this place

    @abstractmethod
    def end_word(self, state: State) -> None:
        """The word that was being read ends here."""

    @abstractmethod
    def comment(self) -> None:
        """Skip to the end of the line."""

    def redirect(self, state: State) -> None:
        word = state.word
        if self.starts("<(") or self.starts(">("):
            self._process_substitution(state)
            return
        descriptor = ""
        if word is not None and not word.quoted and word.literal and _DESCRIPTOR.fullmatch(word.text):
            state.word, descriptor = None, word.text
        self.end_word(state)
        found = _REDIRECTION.match(self.source, self.at, self.end)
        sign = found.group() if found else self.char()
        self.at += len(sign)
        if sign in _OUTPUT and descriptor in ("", "1"):
            state.command.silent = True
        if sign in ("<<", "<<-"):
            self._delimiter(state, strip_tabs=sign == "<<-")
        else:
            state.redirection = sign

    def _process_substitution(self, state: State) -> None:
        state.word = state.word or Word(self.at)
        sign = self.char()
        self.at += 1
        if sign == "<":
            self.substitution(state.word)
        else:
            self._fed_substitution(state.word)
        state.word.text += f"{sign}("

    def _fed_substitution(self, word: Word) -> None:
        """``>(...)``: its commands read what the command writes that it belongs to."""
        fed = ParsedCommand()
        self.frames.open("(", fed)
        self.substitution(word)
        self.frames.close("(")
        word.feeds.append(fed.reads)

    def redirected(self, command: ParsedCommand, redirection: str, word: Word) -> None:
        command.feeds += word.feeds
        if self.is_list(word) and redirection != "<<<":
            self.fail("a list cannot be the file that is read or written here; name one element", word.place)
        if redirection == "<<<":
            command.here_strings.append(word)
            command.redirected = True
            self.flows.add(command.reads, word.flows, derived=True)
        elif redirection in ("<", "<>"):
            command.redirected = True
            if word.text.startswith("<("):
                self.flows.add(command.reads, word.flows)
        elif redirection in (">&", "<&"):  # bash expands a file name here twice
            self.flows.demand(word.flows, Check.INTEGER)

    def _delimiter(self, state: State, *, strip_tabs: bool) -> None:
        """Read the word that will end a here-document, without expansions."""
        while self.char() and self.char() in " \t":
            self.at += 1
        start = self.at
        word = Word(start)
        while self.char() and self.char() not in " \t\n;&|<>()":
            if self.char() in "$`":
                self.doubt("batchmill cannot judge a value after a here-document that ends in $ or `")
                word.text += self.char()
                self.at += 1
            else:
                self.part_of_word(word)
        if word.slots:
            self.fail("a value cannot be the line that ends a here-document", word.slots[0].at)
        reads = state.command.reads
        state.command.redirected = True
        document = HereDocument(word.text, start, self.at, word.quoted, strip_tabs, reads)
        state.command.here_documents.append(document)
        state.documents.append(document)
        self._waiting += 1

    def array(self, word: Word) -> None:
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
                self.comment()
            else:
                self._element(word)
        self.at += 1

    def _element(self, word: Word) -> None:
        element = Word(self.at)
        offset = len(word.text)
        while (char := self.char()) and char not in " \t\n)":
            if char in ";&|<>(":
                self.doubt(PARENTHESIS)
                self.at += 1
            else:
                self.part_of_word(element)
        if self.is_list(element):
            element.take_list()
        if element.text.startswith("["):
            if element.slots:
                self.fail("a value cannot be the index of an array: the shell calculates it", element.place)
            name = word.text.partition("=")[0].rstrip("+")
            self.flows.demand(element.flows, Check.INTEGER, array=name)
        word.slots.extend(element.slots)
        word.flows += [replace(flow, offset=offset) for flow in element.flows]
        word.within += element.within
