"""Blocks that the window makes itself, for items that no worker ran or whose outcomes are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchmill.block import Block
from batchmill.executors.contract import Chunk
from batchmill.outcome import Outcome, cancelled, interrupted


def not_run(chunk: Chunk) -> Block:
    """Items that were read and never started, or that waited for another attempt."""
    if chunk.lost is not None:
        outcomes = [interrupted(chunk.start, chunk.attempts, chunk.lost)]
    else:
        outcomes = [cancelled(chunk.start + offset) for offset in range(len(chunk))]
    return Block.made(chunk.start, outcomes, chunk.items)


def parts(
    start: int, items: Sequence[object], known: dict[int, Outcome]
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
