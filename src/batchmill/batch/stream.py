"""The results of a batch one by one, while it runs."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, Generic, TypeVar

from batchmill.batch.closing import close_when_dropped
from batchmill.batch.engine import Batch
from batchmill.errors import BatchFailed
from batchmill.executors.cause import cause_of
from batchmill.outcome import ErrorInfo
from batchmill.tracebacks import at_own_line

R = TypeVar("R")


class Stream(Iterator[R | None], Generic[R]):
    """The results of :func:`~batchmill.imap`. ``errors`` lists the failures met so far, as plain data.

    Used by one thread at a time, like any iterator.
    """

    def __init__(self, batch: Batch) -> None:
        self.errors: list[dict[str, Any]] = []
        self._values = _values(batch, self.errors)  # knows nothing of this object, which so can be dropped
        self._unless_dropped = close_when_dropped(self, self._values)

    def __next__(self) -> R | None:
        try:
            value: R | None = next(self._values)
        except BatchFailed as failure:
            self._unless_dropped.detach()
            raise BatchFailed(failure.message, self) from failure.__cause__
        except BaseException:
            self._unless_dropped.detach()
            raise
        return value

    def close(self) -> None:
        """Stop the batch: nothing new starts, running items get a moment and are then given up."""
        self._values.close()
        self._unless_dropped.detach()


def _values(batch: Batch, errors: list[dict[str, Any]]) -> Generator[Any, None, None]:
    """The values of a batch as they come; errors are appended to ``errors``."""
    fail_fast = batch.settings.failures.fail_fast
    first: ErrorInfo | None = None
    broken = False  # an item was cancelled: the failure that did it is still to come, values are not
    with closing(batch.blocks()) as blocks:
        for block in blocks:
            if not block.special and not broken:
                yield from block.values
                continue
            for outcome in block.outcomes():
                if outcome.error is not None:
                    first = first or outcome.error
                    errors.append(outcome.as_error(block.items[outcome.index - block.start]))
                    if fail_fast and outcome.error.kind != "cancelled":
                        raise BatchFailed(said(errors[-1])) from cause_of(outcome.error)
                    broken = broken or fail_fast
                if not broken:
                    yield outcome.value
    if not fail_fast and (why := batch.watch.verdict()) and batch.settings.failures.tolerates:
        raise BatchFailed(why) from cause_of(first)


def said(error: dict[str, Any]) -> str:
    """An error entry in a line: which item, what, and which line of the user's code."""
    where = f"item {error['index']} (attempt {error['attempts']})"
    return f"{where}: {error['type']}: {error['message']}{at_own_line(error['traceback'])}"
