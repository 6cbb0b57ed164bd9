"""Known outcomes of neighbouring items in columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from batchmill.block import Block
from batchmill.outcome import Outcome


class AllKnown(Mapping[int, Outcome]):
    """The outcomes of neighbouring items, by offset, if all of them are known and plain successes. They are
    in the columns of ``block``; an object is made only for an outcome that is read by its offset."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def __getitem__(self, offset: int) -> Outcome:
        if offset not in self:
            raise KeyError(offset)
        return replace(self.block.outcome(offset), kept=True)

    def __contains__(self, offset: object) -> bool:
        return isinstance(offset, int) and 0 <= offset < len(self.block)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.block)))

    def __len__(self) -> int:
        return len(self.block)
