"""The results of a batch one by one, while it runs."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, Generic, Self, TypeVar

from batchmill.batch.engine import Batch
from batchmill.errors import BatchFailed
from batchmill.executors.running.cause import cause_of
from batchmill.mapping.closing import close_when_dropped
from batchmill.mapping.reporting import Reporting
from batchmill.outcome import ErrorInfo
from batchmill.values.tracebacks import at_own_line

Y = TypeVar("Y")


class Stream(Iterator[Y], Generic[Y]):
    """The results of :func:`~batchmill.imap`. ``errors`` lists the failures so far, as plain data.

    As a context manager it closes at the end. Use it from one thread at a time, like any iterator.
    """

    def __init__(self, batch: Batch, reporting: Reporting | None = None, *, indexed: bool = False) -> None:
        self.errors: list[dict[str, Any]] = []
        # does not refer to this object, so this object can be dropped
        self._values = _values(batch, self.errors, reporting or Reporting(), indexed)
        self._unless_dropped = close_when_dropped(self, self._values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Y:
        try:
            value: Y = next(self._values)
        except BatchFailed as failure:
            self._unless_dropped.detach()
            raise BatchFailed(failure.message, self) from failure.__cause__
        except BaseException:
            self._unless_dropped.detach()
            raise
        return value

    def close(self) -> None:
        """Stop the batch: start no new items, and give running ones a moment before they are abandoned."""
        self._values.close()
        self._unless_dropped.detach()


def _values(
    batch: Batch, errors: list[dict[str, object]], reporting: Reporting, indexed: bool
) -> Generator[Any, None, None]:
    """The values of a batch as they come, with their indices where it is ``indexed``; errors are appended to
    ``errors``."""
    fail_fast = batch.settings.failures.fail_fast
    first: ErrorInfo | None = None
    broken = False  # an item was cancelled: the failure that did it is still to come, values are not
    with reporting.over(batch.total), closing(batch.blocks()) as blocks:
        for block in blocks:
            reporting.saw(block)
            if not block.special and not broken:
                yield from enumerate(block.values, block.start) if indexed else block.values
                continue
            for outcome in block.outcomes():
                if outcome.error is not None:
                    first = first or outcome.error
                    errors.append(outcome.as_error(block.items[outcome.index - block.start]))
                    if fail_fast and outcome.error.kind != "cancelled":
                        raise BatchFailed(said(errors[-1])) from cause_of(outcome.error)
                    broken = broken or fail_fast
                if not broken:
                    yield (outcome.index, outcome.value) if indexed else outcome.value
    if reporting.return_exceptions:
        return
    if not fail_fast and (why := batch.watch.verdict()) and batch.settings.failures.tolerates:
        raise BatchFailed(why) from cause_of(first)


def said(error: dict[str, Any]) -> str:
    """An error entry in a line: which item, what, and which line of the user's code."""
    where = f"item {error['index']} (attempt {error['attempts']})"
    return f"{where}: {error['type']}: {error['message']}{at_own_line(error['traceback'])}"
