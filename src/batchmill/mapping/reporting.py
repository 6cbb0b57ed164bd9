"""What the caller of ``map`` hears while items end: its own function, a bar or lines, exceptions in place."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from batchmill.block import Block
from batchmill.errors import AttemptTimeout, ItemFailed, RemoteTraceback
from batchmill.executors.running.cause import cause_of
from batchmill.mapping.progress import Meter, meter_for
from batchmill.outcome import ErrorInfo, Outcome


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What ``on_result`` is called with: one item that has ended.

    ``value`` is None where it failed, or the exception under ``return_exceptions``; ``error`` is then the
    entry of ``.errors`` (``{index, item, type, message, attempts, kind, traceback}``), None where it did not.
    ``seconds`` is how long its attempts took together.
    """

    index: int
    item: Any
    value: Any
    error: dict[str, Any] | None
    seconds: float


OnResult = Callable[[ItemResult], object]


@dataclass(slots=True)
class Reporting:
    """What is done with the blocks of one batch before its caller has them. Used by the thread that consumes
    them, in which ``on_result`` is called; what that raises ends the batch."""

    on_result: OnResult | None = None
    progress: bool = False
    return_exceptions: bool = False
    _meter: Meter | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Reporting:
        """What some checked keywords ask for."""
        return cls(given["on_result"], given["progress"], given["return_exceptions"])

    @contextmanager
    def over(self, total: int | None) -> Generator[None, None, None]:
        """A context manager around the batch; ``total`` is how many items there are, None where nobody
        knows."""
        if not self.progress:
            yield
            return
        self._meter = meter_for(total)
        try:
            yield
        finally:
            self._meter.close()
            self._meter = None

    def saw(self, block: Block) -> None:
        """Report a block; puts exceptions in the places of failed items where that is wanted."""
        if self.return_exceptions:
            for outcome in block.failures:
                block.replace(outcome.index - block.start, in_place(outcome))
        if self._meter is not None:
            ended = [one for one in block.failures if one.error and one.error.kind != "cancelled"]
            skipped = len(block.failures) - len(ended)
            retries = sum(max(0, one.attempts - 1) for one in block.special.values() if not one.kept)
            self._meter.advance(len(block) - skipped, len(ended), retries)
        if self.on_result is not None:
            for offset, outcome in enumerate(block.outcomes()):
                if outcome.error is None or outcome.error.kind != "cancelled":
                    self.on_result(_result(outcome, block.items[offset]))


def in_place(outcome: Outcome) -> Outcome:
    """A failed outcome with its exception as the value."""
    return outcome if outcome.error is None else replace(outcome, value=exception_of(outcome.error))


def exception_of(error: ErrorInfo) -> BaseException:
    """The exception that an error tells of; where there is none, or it did not travel here, one that says
    the same."""
    found = cause_of(error)
    if found is not None and not isinstance(found, RemoteTraceback):
        return found
    late = error.kind == "timeout"
    said = AttemptTimeout(error.message) if late else ItemFailed(error.type, error.message, error.kind)
    said.__cause__ = found
    return said


def _result(outcome: Outcome, item: Any) -> ItemResult:
    error = None if outcome.error is None else outcome.as_error(item)
    return ItemResult(outcome.index, item, outcome.value, error, outcome.wall)
