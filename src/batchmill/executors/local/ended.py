"""What ended in one turn of an event loop."""

from __future__ import annotations

from collections.abc import Sequence

from batchmill.block import Block

# The index of the first item that was taken with it, its own, its value, the item, seconds, when it began,
# and its worker.
Ended = tuple[int, int, object, object, float, float, int]


def blocks_of(ended: Sequence[Ended]) -> list[Block]:
    """Plain values as blocks, each of neighbours that were taken together and ended one after another."""
    blocks: list[Block] = []
    begin = 0
    for end, (first, index, *_) in enumerate(ended, 1):
        if end == len(ended) or ended[end][:2] != (first, index + 1):
            if end == begin + 1:  # as most are whose waits differ: columns of one take half the time so
                value, item, wall, began, worker = ended[begin][2:]
                blocks.append(Block(index, [value], [wall], {}, (item,), {0: began}, worker))
            else:
                _, indices, *columns = zip(*ended[begin:end], strict=True)
                blocks.append(Block.of_values(indices[0], *columns))
            begin = end
    return blocks
