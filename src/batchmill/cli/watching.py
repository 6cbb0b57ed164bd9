"""Messages of a running command: progress, the summary's figures, and log records, all on stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batchmill.cli.faults import say, warning_line
from batchmill.events import Event, ItemsTimed, Listener
from batchmill.events.progress import ProgressKind, display
from batchmill.events.summary import Summary
from batchmill.report.tally import Tally
from batchmill.report.words import duration
from batchmill.values.words import is_inside_item
from batchmill.warned import Warned


@contextmanager
def watching(progress: ProgressKind, quiet: bool, verbose: bool) -> Iterator[tuple[list[Listener], Summary]]:
    """The listeners for progress, warnings and the summary; closes the display at the end. Without
    progress, warnings are still shown; with ``quiet`` they are not."""
    walls = Walls()
    summary = Summary(tracebacks=verbose, durations=walls.told)
    shown = display("none" if quiet else progress, sys.stderr, os.environ, verbose=verbose)
    if shown is None:
        yield ([summary] if quiet else [summary, walls, _say_warning]), summary
        return
    try:
        yield [shown, summary, walls], summary
    finally:
        shown.close()


class Walls:
    """A listener that gathers how long the items of batches took, but for batches inside of items.

    Concurrency: called by the bus, which delivers one event at a time; read after the run.
    """

    wants_items = True

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, ItemsTimed) and not is_inside_item(event.node):
            tally = self._tallies.setdefault(event.node, Tally())
            for wall in filter(None, event.walls):  # those that were not run took no time
                tally.add(wall)

    def told(self, node: str) -> str:
        """Such as ``p50 1.2 s, p95 3 s, max 4 s``; empty if fewer than two items were run."""
        tally = self._tallies.get(node)
        if tally is None or tally.count < 2:
            return ""
        p50, p95 = tally.percentile(0.5), tally.percentile(0.95)
        return f"p50 {duration(p50)}, p95 {duration(p95)}, max {duration(tally.most)}"


def _say_warning(event: Event) -> None:
    if isinstance(event, Warned):
        say(warning_line(event))


@contextmanager
def log_to_stderr(verbose: bool, hide: Callable[[str], str] = str) -> Iterator[None]:
    """Send batchmill's log records to stderr: tracebacks only on request, and masked by ``hide``."""
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
