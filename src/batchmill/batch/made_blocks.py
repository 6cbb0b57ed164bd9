"""Blocks that the window makes itself, of items that no worker ran or that it has known outcomes of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from batchmill.executors.contract import Chunk
from batchmill.outcome import Block, Outcome, cancelled, interrupted


def not_run(chunk: Chunk) -> Block:
    """Items that were read and never started, or that waited for another attempt."""
    if chunk.lost is not None:
        outcomes = [interrupted(chunk.start, chunk.attempts, chunk.lost)]
    else:
        outcomes = [cancelled(chunk.start + offset) for offset in range(len(chunk))]
    count = len(chunk)
    return Block(chunk.start, [None] * count, [0.0] * count, dict(enumerate(outcomes)), chunk.items)


def settled(chunk: Chunk, outcomes: Sequence[Outcome]) -> Block:
    """Items whose outcomes are known."""
    special = {offset: one for offset, one in enumerate(outcomes) if not one.plain}
    values, walls = [one.value for one in outcomes], [one.wall for one in outcomes]
    return Block(chunk.start, values, walls, special, chunk.items)


def one_of(block: Block, offset: int) -> Block:
    """The item at ``offset`` of a block, as a block of its own."""
    special = {0: block.special[offset]} if offset in block.special else {}
    items = (block.items[offset],)
    return Block(block.start + offset, [block.values[offset]], [block.walls[offset]], special, items)


def parts(
    start: int, items: Sequence[Any], known: dict[int, Outcome]
) -> Iterator[tuple[Chunk, list[Outcome]]]:
    """Neighbouring items that are all known, with their outcomes, or all not, without."""
    begin = 0
    while begin < len(items):
        is_known = begin in known
        end = begin + 1
        while end < len(items) and (end in known) is is_known:
            end += 1
        outcomes = [known[offset] for offset in range(begin, end)] if is_known else []
        yield Chunk(start + begin, items[begin:end]), outcomes
        begin = end
