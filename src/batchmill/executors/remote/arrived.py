"""The reply to an order, with times and workers converted to the view of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from batchmill.block import Block, moved
from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk
from batchmill.executors.process import frames
from batchmill.executors.remote.contract import RemoteReply, Rest
from batchmill.executors.remote.lanes import Stint
from batchmill.executors.remote.missing import explained
from batchmill.outcome import Tried

StintAt = Callable[[int | None], Stint]
"""Gives the worker at a slot of the agent that replied."""


def blocks_of(reply: RemoteReply, chunk: Chunk, stint_at: StintAt, *, elsewhere: bool) -> list[Block]:
    """The outcomes of the items of ``chunk`` that have ended. ``elsewhere`` says that the worker may lack
    modules that are here. Raises :class:`InternalError` if the reply has other items."""
    blocks = []
    for one in reply.blocks:
        block = frames.unpacked(one.columns, one.start)
        block.cpu, block.peak = one.cpu, one.peak
        block.worker = one.slot
        block.move(stint_at)
        offset = block.start - chunk.start
        block.items = chunk.items[offset : offset + len(block)]
        if elsewhere:
            _explain(block, reply.host)
        blocks.append(_with_earlier(block, chunk.tried))
    if sum(map(len, blocks)) + sum(rest.n_items for rest in reply.rest) != len(chunk):
        raise InternalError(f"a worker on {reply.host} told of other items than it was sent")
    return blocks


def rest_of(reply: RemoteReply, chunk: Chunk, stint_at: StintAt) -> Iterator[Chunk]:
    """The parts of ``chunk`` that came back unfinished."""
    for rest in reply.rest:
        yield _part(chunk, rest, moved(rest.tried, stint_at))


def _part(chunk: Chunk, rest: Rest, tried: tuple[Tried, ...]) -> Chunk:
    first = rest.start - chunk.start
    part = chunk.part(first, first + rest.n_items)
    if (part.attempts, part.lost) == (rest.attempts, rest.lost):
        return part
    return Chunk(rest.start, part.items, rest.attempts, rest.lost, (*part.tried, *tried), rest.wait)


def _with_earlier(block: Block, tried: tuple[Tried, ...]) -> Block:
    """The block of an item with the attempts that were lost before it was sent once more. If it was stopped
    before its second attempt, its outcome tells of the only one, as in a process."""
    known = block.outcome(0) if tried and len(block) else None
    if known is not None and known.attempts > 1:
        block.special[0] = replace(known, tried=(*tried, *known.as_tried()))
    return block


def _explain(block: Block, host: str) -> None:
    """Say of items that miss a module what to do about it."""
    for offset, outcome in block.special.items():
        if outcome.error is not None:
            block.special[offset] = replace(outcome, error=explained(outcome.error, host))
