"""A session on a terminal as an SVG that moves: typed and run for real, then drawn.

`record` types lines into a shell on a terminal of its own, kills what a step says, and notes what the screen
shows at which time. `drawn` makes a picture of it that needs no script: each version of a line is there for
its time, by keyframes of CSS. It plays ``ROUNDS`` times and stops at its last frame. Readers who asked for
less motion see only the last frame, and so do programs that know no animation.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from batchmill.drawing.palette import DARK, GROUND, MARKS

COLUMNS, ROWS = 80, 12
PROMPT = "$ "
IDLE = 0.6  # seconds; longer ones in which the screen does not change are cut to this
HOLD = 5.0  # seconds for which the last frame stays before it begins again
ROUNDS = 3
CELL, LINE, MARGIN, TOP = 8.4, 20, 16, 44  # pixels; TOP is where the first line begins
FONT = 'font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'
CONTROL = re.compile(r"\x1b\[([?>=]?)([0-9;]*)([A-Za-z])|\x1b[()=>][0-9A-Z]?|\x1b\][^\x07]*\x07")
# the colours of batchmill's progress and of rich's bar, by what they say; every other one is plain
STYLES = {
    "38;5;237": "rest",
    "38;5;197": "bar",
    "38;5;70": "done",
    "32": "count",
    "33": "faint",
    "31": "faint",
}
BAR = {"━": (0.0, 1.0), "╸": (0.0, 0.5), "╺": (0.5, 1.0)}  # parts of a cell
COLOURS = GROUND | {
    "bar": MARKS["s3"], "done": MARKS["s0"], "rest": GROUND["line"], "count": ("#1a7f37", "#3fb950"),
    "note": ("#b3261e", "#ff7b72"),
}  # fmt: skip

Cell = tuple[str, str]  # a character and its style
Row = tuple[Cell, ...]
Frame = tuple[float, tuple[Row, ...]]  # from when on, in seconds, the screen shows these rows


@dataclass
class Screen:
    """As much of a terminal as a shell and a progress bar use."""

    rows: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: str = ""

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            if (control := CONTROL.match(text, at)) is not None:
                self._control(control)
                at = control.end()
            else:
                self._character(text[at])
                at += 1

    def _control(self, control: re.Match[str]) -> None:
        private, numbers, name = control.groups()
        if private or name is None:
            return
        if name == "m":
            self.style = STYLES.get(numbers, "")
        elif name == "K":
            del self.rows[self.row][0 if numbers == "2" else self.column :]
        elif name == "A":
            self.row = max(0, self.row - int(numbers or 1))

    def _character(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            self.rows += [[]] * (self.row - len(self.rows) + 1)
            self.rows[self.row] = list(self.rows[self.row])
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character.isprintable():
            line = self.rows[self.row]
            line += [(" ", "")] * (self.column + 1 - len(line))
            line[self.column] = (character, self.style)
            self.column += 1

    def shown(self) -> tuple[Row, ...]:
        return tuple(map(tuple, self.rows))

    @property
    def line(self) -> str:
        """The text of the line with the cursor."""
        return "".join(character for character, _ in self.rows[self.row])


@dataclass(frozen=True)
class Step:
    """A line to type, and when to kill what it runs, if at all."""

    line: str
    killed: Callable[[str], bool] | None = None


def record(
    steps: Sequence[Step], folder: Path, environment: dict[str, str], limit: float = 120
) -> list[Frame]:
    """What a terminal shows while the steps are typed and run in ``folder``, one after another.

    Raises TimeoutError where they take longer than ``limit`` seconds.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        shell = ["bash", "--norc", "--noprofile", "-i"]
        os.execvpe(shell[0], shell, environment | {"PS1": PROMPT, "TERM": "xterm-256color"})  # noqa: S606
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS * 2, COLUMNS, 0, 0))
        session = _Session(terminal, time.monotonic() + limit)
        session.wait(lambda line: line == PROMPT)
        for step in steps:
            session.run(step)
        return session.frames
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)


class _Session:
    def __init__(self, terminal: int, deadline: float) -> None:
        self.terminal, self.deadline = terminal, deadline
        self.screen = Screen()
        self.frames: list[Frame] = []

    def run(self, step: Step) -> None:
        for number, character in enumerate(step.line):
            os.write(self.terminal, character.encode())
            self.wait(lambda line, typed=number + 1: len(line.rstrip("\n")) >= len(PROMPT) + typed)  # type: ignore[misc]
            time.sleep(0.03)
        time.sleep(0.4)
        started_in = self.screen.row
        os.write(self.terminal, b"\n")
        if step.killed is not None:
            self.wait(step.killed)
            os.killpg(os.tcgetpgrp(self.terminal), signal.SIGKILL)
        self.wait(lambda line: line == PROMPT and self.screen.row > started_in)

    def wait(self, until: Callable[[str], bool]) -> None:
        """Note what is shown until the line with the cursor is as wanted."""
        while not until(self.screen.line):
            if not select.select([self.terminal], [], [], max(0.0, self.deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the terminal still shows {self.screen.line!r}")
            self.screen.feed(os.read(self.terminal, 65536).decode(errors="replace"))
            shown = self.screen.shown()
            if not self.frames or self.frames[-1][1] != shown:
                self.frames.append((time.monotonic(), shown))


@dataclass(frozen=True)
class _Version:
    """What a line shows from one time to another, both as parts of the whole; None is the end."""

    row: int
    cells: Row
    begin: float
    end: float | None


def drawn(frames: Sequence[Frame], title: str, notes: dict[str, str]) -> str:
    """The frames as an SVG; behind a line that ends with a key of ``notes`` stands the note.

    ``title`` is what people hear who do not see the picture.
    """
    timed, length = _without_idling(frames)
    versions = list(_versions(timed, length))
    height = TOP + LINE * max(len(rows) for _, rows in timed) + MARGIN // 2
    width = round(MARGIN * 2 + COLUMNS * CELL)
    styles, lines = [], []
    for number, version in enumerate(versions):
        styles.append(_keyframes(number, version))
        hidden = ' class="off"' if version.end is not None else ""
        lines.append(f'<g id="v{number}"{hidden}>{"".join(_line(version, notes))}</g>')
    circles = "".join(f'<circle class="rest" cx="{MARGIN + 6 + 18 * n}" cy="18" r="5"/>' for n in range(3))
    frame = f'<rect class="page" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>'
    rule = f"[id^=v]{{animation:{length:.2f}s step-end {ROUNDS}}}"
    still = "@media (prefers-reduced-motion:reduce){[id^=v]{animation:none!important}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="t"><title id="t">{escape(title)}</title>\n'
        f"<style>\n{_colours()}\ntext{{{FONT}}}\n.off{{visibility:hidden}}\n{rule}\n"
        + "\n".join(styles)
        + f"\n{still}\n</style>\n{frame}{circles}\n"
        + "\n".join(lines)
        + "\n</svg>\n"
    )


def _without_idling(frames: Sequence[Frame]) -> tuple[list[Frame], float]:
    """The frames from time 0 on, with long pauses cut, and how long all of it takes."""
    timed, now = [], 0.0
    for number, (at, rows) in enumerate(frames):
        now += min(IDLE, at - frames[number - 1][0]) if number else 0
        timed.append((now, rows))
    return timed, now + HOLD


def _versions(frames: Sequence[Frame], length: float) -> Iterator[_Version]:
    for row in range(max(len(rows) for _, rows in frames)):
        shown = ((at, rows[row] if row < len(rows) else ()) for at, rows in frames)
        groups = [(cells, next(group)[0]) for cells, group in groupby(shown, key=lambda pair: pair[1])]
        ends = [begin / length for _, begin in groups[1:]] + [None]
        for (cells, begin), end in zip(groups, ends, strict=True):
            if any(character != " " for character, _ in cells):
                yield _Version(row, cells, begin / length, end)


def _keyframes(number: int, version: _Version) -> str:
    moments = {0.0: "hidden"} | {version.begin: "visible"}
    moments |= {version.end: "hidden"} if version.end is not None else {}
    steps = "".join(f"{100 * at:.2f}%{{visibility:{how}}}" for at, how in moments.items())
    return f"@keyframes k{number}{{{steps}}}#v{number}{{animation-name:k{number}}}"


def _line(version: _Version, notes: dict[str, str]) -> Iterator[str]:
    middle = TOP + LINE * version.row
    column = 0
    for (style, is_bar), run in groupby(version.cells, key=lambda cell: (cell[1], cell[0] in BAR)):
        text = "".join(character for character, _ in run)
        if is_bar:
            yield _bar(text, style, column, middle)
        elif text.strip():
            indent = len(text) - len(text.lstrip())
            yield _text(text.strip(), style or "text", column + indent, middle)
        column += len(text)
    line = "".join(character for character, _ in version.cells).rstrip()
    for end, note in notes.items():
        if line.endswith(end):
            yield _text(note, "note", len(line) + 2, middle)


def _bar(text: str, style: str, column: int, middle: int) -> str:
    begin, end = column + BAR[text[0]][0], column + len(text) - 1 + BAR[text[-1]][1]
    x, width = MARGIN + begin * CELL, (end - begin) * CELL
    return f'<rect class="{style}" x="{x:.1f}" y="{middle - 2}" width="{width:.1f}" height="4"/>'


def _text(text: str, style: str, column: int, middle: int) -> str:
    x, width = MARGIN + column * CELL, len(text) * CELL
    place = f'x="{x:.1f}" y="{middle + 5}" textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text class="{style}" {place}>{escape(text)}</text>'


def _colours() -> str:
    names = ("page", "text", "faint", "bar", "done", "rest", "count", "note")

    def rules(place: int) -> str:
        fills = "".join(f".{name}{{fill:{COLOURS[name][place]}}}" for name in names)
        return f"{fills}.page{{stroke:{COLOURS['line'][place]}}}"

    return f"{rules(0)}\n{DARK}{{{rules(1)}}}"
