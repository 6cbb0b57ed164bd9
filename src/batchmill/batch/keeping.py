"""Save outcomes in the journal: if one cannot be saved, only its item fails. Also handles saved results that
cannot be used any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from batchmill.block import Block
from batchmill.errors import StorageError
from batchmill.executors.describe import describe, text_of
from batchmill.outcome import ErrorInfo, Outcome

Record = Callable[[Block], None]
"""Saves a block completely, or raises without saving any of it."""

Judge = Callable[[int, Any, Any], ErrorInfo | None]
"""Told an item's index, the item and its value: what is wrong with that, None for nothing. Called from any
thread."""


def keep(record: Record, block: Block) -> None:
    """Record the outcomes of a block.

    A result that cannot be recorded (a number of too many digits, a list that nests too deep, an object whose
    ``__repr__`` raises) is replaced in the block by an error of its item. Raises
    :class:`~batchmill.errors.StorageError`, which is no item's fault.
    """
    try:
        record(block)
    except StorageError:
        raise
    except Exception:  # noqa: BLE001  # told below, of the item that it comes from
        for offset in range(len(block)):
            _keep_one(record, block, offset)


def _keep_one(record: Record, block: Block, offset: int) -> None:
    try:
        record(block.part(offset, offset + 1))
        return
    except StorageError:
        raise
    except Exception as fault:  # noqa: BLE001  # becomes the item's error
        block.replace(offset, refused(block.outcome(offset), fault))
    try:
        record(block.part(offset, offset + 1))
    except StorageError:
        raise
    except Exception:  # noqa: BLE001, S110
        # Not even the error can be saved, because of the item itself or of its records. The run still reports
        # it, and a resumed run finds nothing here and runs the item again.
        pass


def refused(outcome: Outcome, fault: Exception) -> Outcome:
    """An error in place of an outcome that cannot be saved; its attempts and records stay. An outcome that is
    already an error stays that error, without the outputs that the node had reported with it."""
    if outcome.error is not None:
        return replace(outcome, error=replace(outcome.error, outputs={}))
    message = f"the result cannot be kept: {text_of(fault)}"
    error = ErrorInfo(type(fault).__name__, message, traceback=describe(fault).traceback, retryable=False)
    return replace(outcome, value=None, error=error)


def judged(block: Block, judge: Judge) -> None:
    """Put an error in place of each result of a block that ``judge`` finds something wrong with."""
    for offset, (value, item) in enumerate(zip(block.values, block.items, strict=False)):
        special = block.special.get(offset)
        if special is not None and special.error is not None:
            continue
        if (error := judge(block.start + offset, item, value)) is not None:
            block.replace(offset, replace(block.outcome(offset), value=None, error=error))


def judged_again(known: Mapping[int, Outcome], items: Sequence[object], judge: Judge) -> dict[int, Outcome]:
    """The same of outcomes of earlier passes, by their offset into ``items``."""
    found: dict[int, Outcome] = {}
    for offset, one in known.items():
        error = judge(one.index, items[offset], one.value) if one.error is None else None
        found[offset] = one if error is None else replace(one, value=None, error=error)
    return found
