"""What reading a shell command gives: words, the places of values in them, and edits to its text.

A command is read with every template in it replaced by the one character no command can hold, NUL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

MARK = "\0"


class Check(Enum):
    """What a value must be where a shell would read more into it than its bytes."""

    INTEGER = "a whole number there, as the shell takes it for one and would run code in anything else"
    NO_OPTION = "something that does not start with - there, as the command would take it for an option"
    NO_OPERATOR = "something else there, as the test could take it for an operator"


@dataclass(eq=False, slots=True)
class Slot:
    """A place where the value of an expression is referred to.

    ``expression`` counts from 0 in the order of the template; ``at`` is the offset of its mark. ``form``
    is what is written there, with ``%`` for the name of the variable that holds the value. A ``raw``
    slot has its value pasted instead.
    """

    expression: int
    at: int
    form: str
    raw: bool = False
    checks: set[Check] = field(default_factory=set)


Piece = str | Slot


@dataclass(slots=True)
class Edit:
    """The text from ``start`` to ``end`` is replaced by ``pieces``."""

    start: int
    end: int
    pieces: list[Piece]


@dataclass(eq=False, slots=True)
class Word:
    """One word of a command, from ``start`` to ``end`` of the command's text.

    ``text`` is what it reads as with its quotes taken away, a mark for each value; where ``dynamic`` is
    set the shell expands something in it, so the command gets something else. ``parts`` are its quoted
    and bare stretches: ``(quote, start, end)`` without the quotes themselves. ``within`` counts values
    in substitutions inside the word.
    """

    start: int
    end: int = 0
    text: str = ""
    slots: list[Slot] = field(default_factory=list)
    parts: list[tuple[str, int, int]] = field(default_factory=list)
    dynamic: bool = False
    quoted: bool = False
    within: int = 0

    @property
    def literal(self) -> bool:
        """Whether ``text`` is what the command gets."""
        return not (self.dynamic or self.slots)

    @property
    def holds_value(self) -> bool:
        """Whether a value, or output that was made with one, is part of it."""
        return bool(self.slots) or self.within > 0

    @property
    def keyword(self) -> str:
        """Its text where the shell would recognise it as a keyword, else ``""``."""
        return self.text if self.literal and not self.quoted else ""

    @property
    def program(self) -> str:
        """The name of the program it stands for, without folders; ``""`` where that is not known."""
        return self.text.rpartition("/")[2] if self.literal else ""


@dataclass(eq=False, slots=True)
class HereDocument:
    """A here-document whose body is still to come.

    ``end_line`` is the line that ends it; ``start`` and ``stop`` are where the delimiter is written.
    ``script`` is set where the command that reads it runs it as a script.
    """

    end_line: str
    start: int
    stop: int
    quoted: bool
    strip_tabs: bool
    script: bool = False


@dataclass(eq=False, slots=True)
class Command:
    """One simple command: its words, and what it is given to read.

    ``fed`` says that values went into what is piped to it; ``here_strings`` are the words after ``<<<``.
    """

    words: list[Word] = field(default_factory=list)
    here_strings: list[Word] = field(default_factory=list)
    here_documents: list[HereDocument] = field(default_factory=list)
    fed: bool = False


def names(text: str) -> frozenset[str]:
    """The words of ``text`` as a set, to write long tables of names legibly."""
    return frozenset(text.split())


def render(source: str, edits: list[Edit]) -> list[Piece]:
    """``source`` with ``edits`` made; an insertion comes before a replacement at the same place."""
    pieces: list[Piece] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        pieces.append(source[done : edit.start])
        pieces.extend(edit.pieces)
        done = edit.end
    pieces.append(source[done:])
    return [piece for piece in pieces if piece != ""]
