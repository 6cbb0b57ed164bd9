"""Blocks that the window makes itself, for items that no worker ran or whose outcomes are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from batchmill.block import Block
from batchmill.executors.contract import Chunk
from batchmill.journal.known import AllKnown
from batchmill.outcome import Outcome, cancelled, interrupted


def not_run(chunk: Chunk) -> Block:
    """Items that were read and never started, or that waited for another attempt."""
    if chunk.lost is not None:
        outcomes = [interrupted(chunk.start, chunk.attempts, chunk.lost)]
    else:
        outcomes = [cancelled(chunk.start + offset) for offset in range(len(chunk))]
    return Block.made(chunk.start, outcomes, chunk.items)


def parts(start: int, items: Sequence[object], known: Mapping[int, Outcome]) -> Iterator[Block | Chunk]:
    """Neighbouring items that are all known, as a block of their outcomes, or all not, as a chunk."""
    if isinstance(known, AllKnown) and len(known) == len(items):
        yield known.block
        return
    begin = 0
    while begin < len(items):
        is_known = begin in known
        end = begin + 1
        while end < len(items) and (end in known) is is_known:
            end += 1
        part = items[begin:end]
        if is_known:
            yield Block.made(start + begin, [known[offset] for offset in range(begin, end)], part)
        else:
            yield Chunk(start + begin, part)
        begin = end
