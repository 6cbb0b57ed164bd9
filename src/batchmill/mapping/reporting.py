"""Reports to the caller of ``map`` while items end: its own function, a bar or lines, exceptions as
results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from batchmill.block import Block
from batchmill.errors import AttemptTimeout, ItemFailed, RemoteTraceback
from batchmill.executors.running.cause import cause_of
from batchmill.outcome import ErrorInfo, Outcome

if TYPE_CHECKING:  # imported where progress is shown
    from batchmill.mapping.progress import Meter


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item that has ended; the argument of ``on_result``.

    ``value`` is the result; if the item failed, None, or the exception under ``return_exceptions``. ``error``
    is the item's entry of ``.errors`` (``{index, item, type, message, attempts, kind, traceback}``), None if
    it did not fail. ``seconds`` is the time of all its attempts together.
    """

    index: int
    item: Any
    value: Any
    error: dict[str, Any] | None
    seconds: float


OnResult = Callable[[ItemResult], object]


@dataclass(slots=True)
class Reporting:
    """Handles the blocks of one batch before the caller gets them. Used by the thread that consumes the
    blocks, which also calls ``on_result``; if that raises, the batch ends."""

    on_result: OnResult | None = None
    progress: bool = False
    return_exceptions: bool = False
    _meter: Meter | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Reporting:
        """Make it from checked keywords."""
        return cls(given["on_result"], given["progress"], given["return_exceptions"])

    @property
    def at_once(self) -> bool:
        """Whether somebody hears of items as soon as they end."""
        return self.progress or self.on_result is not None

    @contextmanager
    def over(self, total: int | None) -> Generator[None, None, None]:
        """A context manager around the batch; ``total`` is the number of items, None if unknown."""
        if not self.progress:
            yield
            return
        meter: Meter = import_module("batchmill.mapping.progress").meter_for(total)
        self._meter = meter
        try:
            yield
        finally:
            meter.close()
            self._meter = None

    def saw(self, block: Block) -> None:
        """Report a block; under ``return_exceptions``, put exceptions in the places of failed items."""
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
    """The exception of an error; if there is none, or it could not be sent here, an equivalent one."""
    found = cause_of(error)
    if found is not None and not isinstance(found, RemoteTraceback):
        return found
    late = error.kind == "timeout"
    said = AttemptTimeout(error.message) if late else ItemFailed(error.type, error.message, error.kind)
    said.__cause__ = found
    return said


def _result(outcome: Outcome, item: object) -> ItemResult:
    error = None if outcome.error is None else outcome.as_error(item)
    return ItemResult(outcome.index, item, outcome.value, error, outcome.wall)
