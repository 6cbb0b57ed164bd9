"""The result of reading a shell command: words, the places of values in them, and edits to its text.

A command is read with every template in it replaced by NUL, the one character that no command can hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

MARK = "\0"
IDENTIFIER = re.compile(r"(?<![\w#])[A-Za-z_]\w*")


class Check(Enum):
    """The condition on a value where a shell or a program would interpret it."""

    INTEGER = "a whole number there, because the shell calculates with it and would run code in other text"
    NUMBER = "a number there, because some shells calculate with it and would run code in other text"
    NO_INDEX = (
        "free of [ ] $ ` and \\ there, because a shell calculates with a result of it and would run code "
        "in an index; to calculate with what a command prints, keep its digits: $(... | tr -cd 0-9)"
    )
    NO_OPTION = "text that does not start with - there, because the command would read it as an option"
    NO_OPERATOR = "other text there, because the test could read it as an operator"
    NO_LIST = "text that does not start with ( there, because the shell would read it as elements of an array"
    ONE_WORD = "free of blanks there, because the shell splits it and a part could be an operator of the test"
    PROGRAM = (
        "a whole number there, because the program that it is part of would run other text; "
        "pass it as an argument or in the environment"
    )
    NO_RUNNER = "a program that does not run its arguments, as eval does: it gets another value there"
    TARGET = (
        "letters, digits and the signs _ . / : + - (not first), because make would calculate with other text"
    )


@dataclass(eq=False, slots=True)
class ValuePlace:
    """A place where the value of an expression is referred to.

    ``expression`` counts from 0 in the order of the template; ``at`` is the offset of its mark. ``form`` is
    the text written there, with ``%`` for the name of the variable that holds the value. A ``raw`` slot has
    its value pasted instead. ``several`` says that the form is repeated for each element of a list.
    """

    expression: int
    at: int
    form: str
    raw: bool = False
    several: bool = False
    checks: set[Check] = field(default_factory=set)


Piece = str | ValuePlace


@dataclass(slots=True)
class Edit:
    """The text from ``start`` to ``end`` is replaced by ``pieces``."""

    start: int
    end: int
    pieces: list[Piece]


class ShellStream:
    """The data in a pipe, in the input of a command, or in the output of a substitution."""

    __slots__ = ()


class PositionalParameters:
    """The positional parameters of a script or of one function, and its input and output.

    ``shifted`` is set once ``shift`` was read: from then on ``$1`` may be any of them.
    """

    __slots__ = ("reads", "shifted", "writes")

    def __init__(self) -> None:
        self.shifted = False
        self.reads = ShellStream()
        self.writes = ShellStream()


ANY = -1  # all arguments
UNCOUNTED = -2  # those of which it is not known how many stand before them


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional parameter: its number from 0, :data:`ANY` or :data:`UNCOUNTED`."""

    positions: PositionalParameters
    number: int


@dataclass(frozen=True, slots=True)
class NamedVariables:
    """The values of the variables whose names ``holder`` holds."""

    holder: ShellStream | Argument | str


Source = ValuePlace | ShellStream | Argument | NamedVariables | str  # a str is the name of a variable


@dataclass(frozen=True, slots=True)
class ValueFlow:
    """An edge: the content of ``source`` becomes part of a word or of a stream.

    ``derived`` says that the text is changed: a part of it, or the output of a command for it. ``leading``
    says that the word may begin with it. ``offset`` is its place in the word's text.
    """

    source: Source
    derived: bool = False
    leading: bool = True
    offset: int = 0


@dataclass(eq=False, slots=True)
class Word:
    """One word of a command, from ``start`` to ``end`` of the command's text.

    ``text`` is the word with its quotes removed and a mark for each value. If ``dynamic`` is set, the shell
    expands something in it, so the command gets another text: ``$`` stands there for the content of a
    variable. ``splits`` says that it may become several words. ``parts`` are its quoted and bare stretches:
    ``(quote, start, end)`` without the quotes themselves. ``within`` counts values in substitutions inside
    the word. ``several`` says that it is a list, and each element a word. ``flows`` are all its sources,
    ``feeds`` are the inputs of process substitutions in it.
    """

    start: int
    end: int = 0
    text: str = ""
    slots: list[ValuePlace] = field(default_factory=list)
    parts: list[tuple[str, int, int]] = field(default_factory=list)
    flows: list[ValueFlow] = field(default_factory=list)
    feeds: list[ShellStream] = field(default_factory=list)
    dynamic: bool = False
    quoted: bool = False
    splits: bool = False
    several: bool = False
    within: int = 0

    @property
    def literal(self) -> bool:
        """Whether the command gets exactly ``text``."""
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
        """The name of the program, without folders; ``""`` if unknown."""
        return self.text.rpartition("/")[2] if self.literal else ""

    @property
    def place(self) -> int:
        """The offset to report for a fault of a value in it."""
        return self.slots[0].at if self.slots else self.start

    def take_list(self) -> None:
        """Make it one value, a list whose elements are words."""
        self.several = self.splits = True
        self.slots[0].several = True

    def take(self, source: Source, *, derived: bool = False) -> None:
        """Append the content of ``source`` to the word."""
        leading = not self.text.strip(MARK + "$")
        self.flows.append(ValueFlow(source, derived, leading, len(self.text)))

    def take_all(self, flows: Iterable[ValueFlow]) -> None:
        """Append ``flows``, those of another word, to this one."""
        for flow in flows:
            self.take(flow.source, derived=flow.derived)

    def flows_from(self, offset: int) -> list[ValueFlow]:
        """The parts of the word from ``offset`` of its text on, as if it began there."""
        return [
            ValueFlow(flow.source, flow.derived, not self.text[offset : flow.offset].strip(MARK + "$"))
            for flow in self.flows
            if flow.offset >= offset
        ]

    def flows_before(self, offset: int) -> list[ValueFlow]:
        """The parts of the word before ``offset`` of its text."""
        return [flow for flow in self.flows if flow.offset < offset]


@dataclass(eq=False, slots=True)
class HereDocument:
    """A here-document whose body has not been read.

    ``end_line`` is the line that ends it; ``start`` and ``stop`` are the place of the delimiter; ``reads`` is
    the input it becomes. ``script`` is set if the command that reads it runs it as a script: it is called
    with the flows of the body, its text, and the offset of the text.
    """

    end_line: str
    start: int
    stop: int
    quoted: bool
    strip_tabs: bool
    reads: ShellStream
    script: Callable[[list[ValueFlow], str, int], None] | None = None


@dataclass(eq=False, slots=True)
class ParsedCommand:
    """One simple command, or a compound one as a whole: its words, its input and its output.

    ``here_strings`` are the words after ``<<<``. ``piped`` says that its input is another command's output,
    ``redirected`` that it has an input of its own. ``silent`` says that its output goes to a file.
    """

    words: list[Word] = field(default_factory=list)
    here_strings: list[Word] = field(default_factory=list)
    here_documents: list[HereDocument] = field(default_factory=list)
    feeds: list[ShellStream] = field(default_factory=list)
    reads: ShellStream = field(default_factory=ShellStream)
    writes: ShellStream = field(default_factory=ShellStream)
    piped: bool = False
    redirected: bool = False
    silent: bool = False


def identifiers(text: str) -> list[str]:
    """The names with which a shell would calculate in ``text``, written with or without ``$``."""
    return IDENTIFIER.findall(text)


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
