"""Estimate how many bytes the results of a block hold in memory, from a few of them. So the results ahead of
a consumer are limited by bytes even if they do not travel as bytes."""

from __future__ import annotations

from collections.abc import Sequence

from batchmill.block import Block
from batchmill.lists.weight import weight

MOST_UNWEIGHED = 16  # results of single items are weighed one by one where few are under way
_FEW = 4  # values looked at; others of the block are taken to be like them


def weigh_every(at_once: int) -> int:
    """Of how many single items one is weighed where ``at_once`` of them are under way."""
    return max(1, min(MOST_UNWEIGHED, at_once // 8))


def bytes_of(block: Block) -> int:
    """The approximate size of a block in bytes: values, items, and the outputs of failed items."""
    held = bytes_in(block.values) + bytes_in(block.items)
    if not block.special:
        return held
    reported = [outcome.error.outputs for outcome in block.special.values() if outcome.error is not None]
    return held + bytes_in(reported)


def bytes_in(values: Sequence[object]) -> int:
    """Bytes, roughly, of all ``values``."""
    n = len(values)
    if n <= _FEW:
        return sum(map(weight, values))
    return sum(weight(values[place * (n - 1) // (_FEW - 1)]) for place in range(_FEW)) * n // _FEW
