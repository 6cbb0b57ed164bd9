"""How many items are matched with the journal at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchmill.executors.running.weighing import bytes_in
from batchmill.journal.known import AllKnown
from batchmill.lists.lazy import READ_BYTES
from batchmill.outcome import Outcome

FIRST, MOST, GROWTH = 16, 500, 4  # items


class MatchedTogether:
    """``count`` is how many items to match next: up to :data:`MOST`, because a query costs as much as some
    items, but no more than are :data:`READ_BYTES` with their known results, judged by the last ones.

    Concurrency: none of its own; one thread at a time matches.
    """

    def __init__(self) -> None:
        self.count = FIRST

    def note(self, items: Sequence[object], known: Mapping[int, Outcome]) -> None:
        """Learn from the last items, and what was found for them."""
        values = known.block.values if isinstance(known, AllKnown) else [one.value for one in known.values()]
        held = bytes_in(items) + bytes_in(values)
        self.count = max(1, min(MOST, GROWTH * self.count, READ_BYTES * len(items) // max(1, held)))
