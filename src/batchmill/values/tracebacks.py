"""Tracebacks of the user's code: without our own frames, as text; and the line of the user's code that
failed.

A traceback begins with the calls that led to the user's code. They are ours (and asyncio's and threading's),
and help nobody. The rest begins with the first frame of the user's own. Code in a document is called
``<code>``, so an item fails with the same text on every worker.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterable, Iterator
from itertools import takewhile
from types import FrameType
from typing import Any

CODE = "<code>"
"""The file that lines of a document's code are shown in."""

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_OUR_MODULES = __name__.partition(".")[0] + "."
_LIBRARIES = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})
_INSTALLED = re.compile(r"[\\/](?:site|dist)-packages[\\/]")
_FRAME = re.compile(r'^[ |]*File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
_PARTS = re.compile(r"^[ |+-]*Traceback \(most recent call last\):$", re.MULTILINE)
# Faults of ours, not of the user's code: they need our frames to be fixed.
_OUR_FAULTS = (AttributeError, NameError, AssertionError, NotImplementedError)


def code_file(number: int) -> str:
    """The name that the ``number``-th text of code is compiled under, by which its lines are found."""
    return f"<code {number}>"


def trimmed(error: BaseException) -> str:
    """The traceback of an exception as Python shows it, without frames that are not the user's. If none are
    left, only Python's last line; so it is where we report in our own words what a library raised. Raises the
    errors of making its text."""
    if not _has_chain(error):
        stack = traceback.StackSummary.extract(iter(_own_frames(error)))
        return "".join([*_shown(stack), *traceback.format_exception_only(error)])
    whole = traceback.TracebackException.from_exception(error, compact=True)
    waiting: list[traceback.TracebackException | None] = [whole]
    seen: list[traceback.FrameSummary] = []
    while waiting:
        part = waiting.pop()
        if part is not None:
            part.stack = _without_places(_own(part.stack, _file_of_summary))
            seen += part.stack
            waiting += [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]
    if type(error).__module__.startswith(_OUR_MODULES) and all(_is_library(frame.filename) for frame in seen):
        return "".join(traceback.format_exception_only(error))
    return "".join(whole.format())


def without_our_frames(error: BaseException) -> BaseException:
    """``error`` with a traceback that begins with the first frame that is not ours, if there is one."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return error if trace is None else error.with_traceback(trace)


def own_line(text: str) -> str:
    """Which line of the user's own code failed, out of a traceback's text: ``sums.py:12, in add`` or ``line 2
    of the code``; the last one that is in no installed library. Empty where there is none."""
    last = _PARTS.split(text)[-1]
    frames = _FRAME.findall(last) or _FRAME.findall(text)
    if not frames:
        return ""
    own = [frame for frame in frames if not _is_library(frame[0])]
    file, line, name = (own or frames)[-1]
    place = f"line {line} of the code" if file == CODE else f"{_shortest(file)}:{line}"
    return place if name == "<module>" else f"{place}, in {name}"


def at_own_line(text: str) -> str:
    """The same in brackets behind a message, with a space before them; empty where there is none."""
    line = own_line(text)
    return f" ({line})" if line else ""


def _shortest(file: str) -> str:
    """A path from the folder that we are in, where the file is below it."""
    try:
        here = os.path.join(os.getcwd(), "")
    except OSError:  # removed under us
        return file
    return file.removeprefix(here)


def _has_chain(error: BaseException) -> bool:
    context = None if error.__suppress_context__ else error.__context__
    return error.__cause__ is not None or context is not None or isinstance(error, BaseExceptionGroup)


def _own_frames(error: BaseException) -> list[tuple[FrameType, int]]:
    frames = list(traceback.walk_tb(error.__traceback__))
    own = _own(frames, _file_of_frame)
    return own if own or not isinstance(error, _OUR_FAULTS) else frames


def _own(frames: Iterable[object], file_of: Any) -> list[Any]:
    """The frames that are not ours, from the first one of the user's on. Where there is none of the user's,
    those of the library whose function we called; none if the error is ours."""
    every = list(frames)
    others = [frame for frame in every if not _is_ours(file_of(frame))]
    first = next((place for place, frame in enumerate(others) if not _is_library(file_of(frame))), None)
    if first is not None:
        return others[first:]
    called = takewhile(lambda frame: not _is_ours(file_of(frame)), reversed(every))
    return list(called)[::-1]


def _file_of_frame(frame: tuple[FrameType, int]) -> str:
    return frame[0].f_code.co_filename


def _file_of_summary(frame: traceback.FrameSummary) -> str:
    return frame.filename


def _is_ours(file: str) -> bool:
    return file.startswith(_HERE)


def _is_library(file: str) -> bool:
    if _INSTALLED.search(file) or file.startswith("<frozen "):
        return True
    return file.startswith(_LIBRARIES)


def _shown(stack: traceback.StackSummary) -> Iterator[str]:
    if stack:
        yield "Traceback (most recent call last):\n"
        yield from _without_places(stack).format()


def _without_places(stack: Iterable[traceback.FrameSummary]) -> traceback.StackSummary:
    """Frames without the positions of carets, which are expensive to find."""
    lines = [(_named(frame.filename), frame.lineno or 0, frame.name, frame.line) for frame in stack]
    return traceback.StackSummary.from_list(lines)


def _named(file: str) -> str:
    return CODE if file.startswith("<code ") else file


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as :func:`warnings.warn` does, of the innermost line that called into this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
