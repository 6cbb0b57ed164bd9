"""What a running command says: progress, the summary's figures, and log records, all on stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batchmill.cli.faults import say, warning_line
from batchmill.events import Event, Listener
from batchmill.events.progress import ProgressKind, display
from batchmill.events.summary import Summary
from batchmill.warned import Warned


@contextmanager
def watching(progress: ProgressKind, quiet: bool, verbose: bool) -> Iterator[tuple[list[Listener], Summary]]:
    """The listeners for progress, warnings and the summary; the display is closed at the end. Who wants no
    progress is told the warnings all the same, who wants ``quiet`` is not."""
    summary = Summary(tracebacks=verbose)
    shown = display("none" if quiet else progress, sys.stderr, os.environ, verbose=verbose)
    if shown is None:
        yield ([summary] if quiet else [summary, _say_warning]), summary
        return
    try:
        yield [shown, summary], summary
    finally:
        shown.close()


def _say_warning(event: Event) -> None:
    if isinstance(event, Warned):
        say(warning_line(event))


@contextmanager
def log_to_stderr(verbose: bool, hide: Callable[[str], str] = str) -> Iterator[None]:
    """Send batchmill's log records to stderr: tracebacks only when asked, and without what ``hide`` takes
    out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Hiding(logging.Formatter() if verbose else _Terse("%(levelname)s: %(message)s"), hide)
    )
    log = logging.getLogger("batchmill")
    log.addHandler(handler)
    propagated, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagated


class _Hiding(logging.Formatter):
    """Another formatter's text without what ``hide`` takes out of it."""

    def __init__(self, shown: logging.Formatter, hide: Callable[[str], str]) -> None:
        super().__init__()
        self._shown, self._hide = shown, hide

    def format(self, record: logging.LogRecord) -> str:
        return self._hide(self._shown.format(record))


class _Terse(logging.Formatter):
    """A formatter that leaves tracebacks out."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None}))
