"""The chunks that a worker has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmill.executors.contract import Chunk

if TYPE_CHECKING:  # a first worker process is started before these are imported
    from batchmill.executors.running.progress import Position


class Sent(dict[int, Chunk]):
    """Chunks by their numbers, in the order in which they were sent. Its owner has a lock."""

    @property
    def n_items(self) -> int:
        """How many items they have."""
        return sum(map(len, self.values()))

    def keep_begun(self, at: Position) -> list[Chunk]:
        """Keep the items that a worker ``at`` that place has begun; returns the others. Chunks before the one
        that it is on are done, even if their replies were not read."""
        unbegun = []
        for number, chunk in list(self.items()):
            begun = at.begun if at.seq == number else len(chunk) if at.seq > number else 0
            self[number] = chunk.part(0, begun)
            unbegun.append(chunk.part(begun))
        return unbegun
