"""A log of items with an additional action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchmill.block import Block
from batchmill.journal.contract import ItemLog
from batchmill.outcome import Outcome


class LogAround:
    """An :class:`~batchmill.journal.contract.ItemLog` around another one, as a base class: it forwards to
    ``log`` what a subclass does not override. ``log`` is None if nothing is saved and nothing known.

    Concurrency: that of ``log``.
    """

    def __init__(self, log: ItemLog | None) -> None:
        self._log = log

    @property
    def knows(self) -> bool:
        return self._log is not None and self._log.knows

    @property
    def left_out(self) -> int:
        return 0 if self._log is None else self._log.left_out

    def match(self, start: int, items: Sequence[object]) -> Mapping[int, Outcome]:
        return {} if self._log is None else self._log.match(start, items)

    def run_again(self, count: int) -> None:
        if self._log is not None:
            self._log.run_again(count)

    def record(self, block: Block) -> None:
        if self._log is not None:
            self._log.record(block)

    def enter(self, index: int, records: Sequence[object]) -> None:
        if self._log is not None:
            self._log.enter(index, records)

    def flush(self) -> None:
        if self._log is not None:
            self._log.flush()

    def close(self, total: int | None, *, read: bool = True) -> None:
        if self._log is not None:
            self._log.close(total, read=read)
