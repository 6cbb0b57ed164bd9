"""The progress of a batch on standard error: a bar for people, else a line now and then.

If the program has imported tqdm, it is tqdm's bar, which in a notebook is a widget. On a terminal it is
rich's bar; elsewhere (a file, a service's log, a notebook without tqdm) a line every few seconds and one at
the end.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, Protocol

from batchmill.events.progress import trouble

EVERY_SECONDS = 5.0


class Meter(Protocol):
    """Shows how many items have ended. Used by one thread."""

    def advance(self, n_ended: int, n_failed: int, n_retries: int = 0) -> None:
        """So many more have ended, ``n_failed`` of them without a value; beyond the first attempt of each
        they took ``n_retries`` more."""

    def close(self) -> None:
        """Nothing more will come."""


def meter_for(total: int | None) -> Meter:
    """The meter that fits standard error; ``total`` is the number of items, None if unknown."""
    if "tqdm" in sys.modules:
        return TqdmBar(total)
    terminal = getattr(sys.stderr, "isatty", None)
    return RichBar(total) if terminal is not None and terminal() else Lines(total)


class Lines:
    """Lines such as ``120 of 1,000 items, 3 failed``."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._ended = 0
        self._failed = self._retries = 0
        self._next = time.monotonic() + EVERY_SECONDS

    def advance(self, n_ended: int, n_failed: int, n_retries: int = 0) -> None:
        self._ended += n_ended
        self._failed += n_failed
        self._retries += n_retries
        if time.monotonic() >= self._next:
            self._say()
            self._next = time.monotonic() + EVERY_SECONDS

    def close(self) -> None:
        self._say()

    def _say(self) -> None:
        of = "" if self._total is None else f" of {self._total:,}"
        failed = "".join(f", {words}" for words in trouble(self._failed, self._retries))
        items = "item" if (self._ended if self._total is None else self._total) == 1 else "items"
        print(f"{self._ended:,}{of} {items}{failed}", file=sys.stderr, flush=True)


class RichBar:
    """rich's bar."""

    def __init__(self, total: int | None) -> None:
        console = importlib.import_module("rich.console")  # with the next 60 ms
        bars = importlib.import_module("rich.progress")
        self._bar: Any = bars.Progress(
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[failed]}"),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            console=console.Console(stderr=True),
        )
        self._failed = self._retries = 0
        self._task = self._bar.add_task("", total=total, failed="")
        self._bar.start()

    def advance(self, n_ended: int, n_failed: int, n_retries: int = 0) -> None:
        self._failed += n_failed
        self._retries += n_retries
        failed = ", ".join(trouble(self._failed, self._retries))
        self._bar.update(self._task, advance=n_ended, failed=failed)

    def close(self) -> None:
        self._bar.stop()


class TqdmBar:
    """tqdm's bar, of the kind that fits where the program runs."""

    def __init__(self, total: int | None) -> None:
        self._bar: Any = importlib.import_module("tqdm.auto").tqdm(total=total, unit="item")
        self._failed = self._retries = 0

    def advance(self, n_ended: int, n_failed: int, n_retries: int = 0) -> None:
        if n_failed or n_retries:
            self._failed += n_failed
            self._retries += n_retries
            told = {"failed": self._failed, "retries": self._retries}
            self._bar.set_postfix(**{name: number for name, number in told.items() if number}, refresh=False)
        self._bar.update(n_ended)

    def close(self) -> None:
        self._bar.close()
