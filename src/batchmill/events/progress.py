"""Progress on stderr: a live bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

from batchmill.concurrency.clock import SYSTEM_CLOCK, Clock
from batchmill.events.happened import (
    BatchProgress,
    Event,
    LimitChanged,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    Noticed,
)
from batchmill.values.words import count, is_inside_item, on_one_line, plain_number, rate, seconds
from batchmill.warned import Warned

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

ProgressKind = Literal["auto", "bar", "plain", "none"]
LINE_EVERY = 10.0  # seconds between plain lines of one batch, where no step of ten percent comes first
STEPS = 10


class ProgressDisplay(Protocol):
    """A listener that draws progress; closing it restores the terminal."""

    def __call__(self, event: Event) -> None:
        """Show one event."""

    def close(self) -> None:
        """Stop drawing; may be called more than once."""


def display(
    kind: ProgressKind,
    stream: TextIO,
    environment: Mapping[str, str],
    clock: Clock = SYSTEM_CLOCK,
    verbose: bool = False,
) -> ProgressDisplay | None:
    """The display for ``kind`` on ``stream``, None for ``none``.

    ``auto`` draws a bar only on a terminal that can move its cursor and whose output is not kept as a log.
    """
    if kind == "none":
        return None
    if kind == "bar" or (kind == "auto" and can_draw(stream, environment)):
        return BarProgress(stream, environment, verbose)
    return PlainProgress(stream, clock, verbose)


def can_draw(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a live bar makes sense on ``stream``."""
    return stream.isatty() and not environment.get("CI") and environment.get("TERM", "") not in ("", "dumb")


@dataclass(slots=True)
class _Batch:
    """The display state of a running batch: its start, its last line, its last tenth."""

    began: float
    spoke: float
    step: int = 0


@dataclass(slots=True)
class PlainProgress:
    """One line per ten percent of a batch, or per ten seconds; ``verbose`` adds a line per node.

    If the stream can no longer be written (its reader went away), the lines end, not the run.

    Concurrency: called by the bus, which delivers one event at a time.
    """

    stream: TextIO
    clock: Clock = SYSTEM_CLOCK
    verbose: bool = False
    _batches: dict[str, _Batch] = field(default_factory=dict)
    _closed: bool = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._say(f"warning: {event}")
            return
        if not self.verbose and is_inside_item(getattr(event, "node", "")):
            return
        if isinstance(event, NodeStarted):
            self._start(event)
        elif isinstance(event, BatchProgress):
            self._advance(event)
        elif isinstance(event, NodeFinished):
            self._finish(event)
        elif isinstance(event, LimitChanged):
            if self.verbose:
                self._say(_decided(event))
        elif isinstance(event, NodeRetried):
            self._say(_retried(event))
        elif isinstance(event, Noticed):
            self._say(_noticed(event))

    def close(self) -> None:
        self._closed = True

    def _start(self, node: NodeStarted) -> None:
        now = self.clock.monotonic()
        self._batches[node.node] = _Batch(now, now)
        if node.is_batch:
            items = "items as they come" if node.total is None else count(node.total, "item")
            self._say(f"{node.node}: {items}, {node.executor} executor, {count(node.workers, 'worker')}")
        elif self.verbose:
            self._say(f"{node.node}: started")

    def _advance(self, progress: BatchProgress) -> None:
        batch = self._batches.get(progress.node)
        if batch is None:
            return
        now = self.clock.monotonic()
        step = STEPS * progress.done // progress.total if progress.total else 0
        if batch.step < step < STEPS or now - batch.spoke >= LINE_EVERY:
            batch.step, batch.spoke = max(step, batch.step), now
            self._say(_advanced(progress, now - batch.began))

    def _finish(self, node: NodeFinished) -> None:
        self._batches.pop(node.node, None)
        if node.is_batch:
            failed = f", {node.failed:,} failed" if node.failed else ""
            self._say(f"{node.node}: {node.status}, {node.succeeded:,} ok{failed} in {seconds(node.wall)}")
        elif self.verbose:
            self._say(f"{node.node}: {node.status} in {seconds(node.wall)}")

    def _say(self, line: str) -> None:
        if self._closed:
            return
        try:
            self.stream.write(line + "\n")
            self.stream.flush()
        except (OSError, ValueError):  # the reader went away, or the stream was closed
            self._closed = True


def _advanced(progress: BatchProgress, wall: float) -> str:
    failed = "".join(
        f", {words}" for words in [*trouble(progress.failed, progress.retries), *spent(progress)]
    )
    speed = rate(progress.done, wall)
    if not progress.total:
        return f"{progress.node}: {progress.done:,} done{failed}, {speed}"
    percent = 100 * progress.done // progress.total
    return f"{progress.node}: {progress.done:,} of {progress.total:,} ({percent} %){failed}, {speed}"


def trouble(failed: int, retries: int) -> list[str]:
    """The failures so far, in words."""
    told = [f"{failed:,} failed"] if failed else []
    return [*told, f"{retries:,} {'retry' if retries == 1 else 'retries'}"] if retries else told


def spent(progress: BatchProgress) -> list[str]:
    """The use by calls of language models so far, in words."""
    told = [count(progress.tokens, "token")] if progress.tokens else []
    return [*told, f"{plain_number(float(f'{progress.cost:.4g}'))} USD"] if progress.cost else told


def _retried(event: NodeRetried) -> str:
    wait = f" in {seconds(event.after)}" if event.after else ""
    return (
        f"{event.node}: attempt {event.attempt} failed, trying again{wait}: {on_one_line(event.reason, 120)}"
    )


def _decided(event: LimitChanged) -> str:
    pace = f", {event.rate:.3g} a second" if event.rate is not None else ""
    return f"{event.key}: {event.limit} at once{pace}: {event.reason}"


def _noticed(event: Noticed) -> str:
    return f"{event.node}: {event.message}" if event.node else event.message


class BarProgress:
    """One bar per running batch, drawn by rich; it stays when the batch has finished.

    Concurrency: called by the bus, which delivers one event at a time; rich redraws from a thread of
    its own and locks what it shares with it.
    """

    def __init__(self, stream: TextIO, environment: Mapping[str, str], verbose: bool = False) -> None:
        self._progress = _rich_progress(stream, environment)
        self._tasks: dict[str, TaskID] = {}
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._progress.console.print(f"warning: {event}", markup=False, highlight=False, soft_wrap=True)
            return
        if is_inside_item(getattr(event, "node", "")):
            return
        if isinstance(event, NodeStarted):
            if event.is_batch:
                self._progress.start()
                self._tasks[event.node] = self._progress.add_task(event.node, total=event.total, failed="")
        elif isinstance(event, BatchProgress):
            self._move(event.node, event.done, event.failed, event.total, event.retries)
        elif isinstance(event, NodeFinished):
            done = event.succeeded + event.failed
            done += event.skipped
            self._move(event.node, done, event.failed, done + event.cancelled, event.retries)
            self._tasks.pop(event.node, None)
        elif isinstance(event, LimitChanged):
            if self._verbose:
                self._progress.console.print(_decided(event), markup=False, highlight=False)
        elif isinstance(event, NodeRetried):
            self._progress.console.print(_retried(event), markup=False, highlight=False)
        elif isinstance(event, Noticed):
            self._progress.console.print(_noticed(event), markup=False, highlight=False)

    def close(self) -> None:
        self._progress.stop()

    def _move(self, node: str, done: int, failed: int, total: int | None, retries: int) -> None:
        task = self._tasks.get(node)
        if task is not None:
            words = ", ".join(trouble(failed, retries))
            self._progress.update(task, completed=done, total=total, failed=words)


def _rich_progress(stream: TextIO, environment: Mapping[str, str]) -> Progress:
    # rich takes 40 ms to import: only a run that draws pays for it
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    forced = True if environment.get("FORCE_COLOR") else None
    console = Console(file=stream, no_color=bool(environment.get("NO_COLOR")), force_terminal=forced)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[failed]}", style="red", markup=False),
    )
    # stdout and stderr are not redirected: the output of items must not pass through rich
    return Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
