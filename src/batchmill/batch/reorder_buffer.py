"""Blocks on their way to the consumer: in the order of their items (a reorder buffer), or as they come."""

from __future__ import annotations

from collections import deque

from batchmill.block import Block


class ReorderBuffer:
    """Holds blocks until it is their turn. ``ordered`` hands them out by index, without a gap; otherwise in
    the order of arrival.

    Its owner, who knows which items were taken and not handed out, limits its size.

    Concurrency: none of its own; its owner calls it under one lock.
    """

    def __init__(self, *, ordered: bool) -> None:
        self.handed_out = 0  # items
        self._ordered = ordered
        self._came: deque[Block] = deque()  # where the order does not matter
        self._early: dict[int, Block] = {}  # where it does, by index of the first item

    def __bool__(self) -> bool:
        """Whether the block whose turn it is has arrived."""
        return self.handed_out in self._early if self._ordered else bool(self._came)

    def put(self, block: Block) -> bool:
        """Add a block. Returns whether it can be delivered now."""
        if not self._ordered:
            self._came.append(block)
            return True
        self._early[block.start] = block
        return block.start == self.handed_out

    def pop(self) -> Block | None:
        """The block whose turn it is, if it has arrived."""
        if not self._ordered:
            block = self._came.popleft() if self._came else None
        else:
            block = self._early.pop(self.handed_out, None)
        if block is not None:
            self.handed_out += len(block)
        return block
