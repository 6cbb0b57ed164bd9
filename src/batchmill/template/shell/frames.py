"""The compound commands around a place, with their input, their output and their arguments."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchmill.template.shell.words import ParsedCommand, PositionalParameters, ShellStream

# How compound commands begin and end. A closing word ends the innermost open command that it can end.
OPENING = {"if": "if", "while": "loop", "until": "loop", "for": "loop", "select": "loop", "case": "case"}
OPENING["{"] = "{"
CLOSING = {"fi": "if", "done": "loop", "esac": "case", "}": "{", ")": "("}


@dataclass(eq=False, slots=True)
class Frame:
    """One compound command, or, of no kind, a substitution or a whole script. ``command`` is the compound
    one as a whole."""

    kind: str
    reads: ShellStream
    writes: ShellStream
    positions: PositionalParameters
    command: ParsedCommand = field(default_factory=ParsedCommand)


class Frames:
    """The frames around the place where the reader is, the innermost last."""

    def __init__(self, base: Frame) -> None:
        self._open = [base]
        self._named: PositionalParameters | None = None

    @property
    def inner(self) -> Frame:
        """The innermost one."""
        return self._open[-1]

    @property
    def in_loop(self) -> bool:
        """Whether what comes later in the text may have been run before."""
        return any(frame.kind == "loop" for frame in self._open)

    def enter(self, writes: ShellStream) -> int:
        """A list of commands in a substitution begins; what to hand to :meth:`leave`."""
        inner = self.inner
        self._open.append(Frame("", inner.reads, writes, inner.positions))
        return len(self._open) - 1

    def leave(self, depth: int) -> None:
        """It ends, and so does all that was left open in it."""
        del self._open[depth:]

    def name(self, positions: PositionalParameters) -> None:
        """The next compound command is the body of a function."""
        self._named = positions

    @property
    def named(self) -> bool:
        """Whether the name of a function was read, but not its body."""
        return self._named is not None

    def forget_name(self) -> None:
        """Forget the name: a simple command came instead of a body."""
        self._named = None

    def open(self, kind: str, command: ParsedCommand) -> ParsedCommand:
        """``command`` turns out to be a compound one; the first command inside it."""
        named, self._named = self._named, None
        reads, writes = (named.reads, named.writes) if named else (command.reads, command.writes)
        self._open.append(Frame(kind, reads, writes, named or self.inner.positions, command))
        return ParsedCommand()

    def close(self, kind: str) -> Frame | None:
        """The compound command that ends here, None if none of this kind is open."""
        for place in range(len(self._open) - 1, 0, -1):
            if not self._open[place].kind:
                return None
            if self._open[place].kind == kind:
                frame = self._open[place]
                del self._open[place:]
                return frame
        return None
