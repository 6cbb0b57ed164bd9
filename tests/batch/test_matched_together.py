"""How many items are matched at once: by what they and their results hold."""

from __future__ import annotations

from batchmill.batch.matched_together import FIRST, MOST, MatchedTogether
from batchmill.block import Block
from batchmill.journal.known import AllKnown
from batchmill.lists.lazy import READ_BYTES
from batchmill.outcome import Outcome

LARGE = "x" * (READ_BYTES // 8)


def test_small_results_are_matched_in_growing_numbers():
    together, counts = MatchedTogether(), []
    for _ in range(4):
        counts.append(together.count)
        together.note(range(together.count), {0: Outcome(0, "small")})
    assert counts[0] == FIRST
    assert counts == sorted(counts)
    assert counts[-1] == MOST


def test_large_results_and_large_items_are_matched_a_few_at_a_time():
    by_results, in_place, by_items = MatchedTogether(), MatchedTogether(), MatchedTogether()
    by_results.note(range(FIRST), {n: Outcome(n, LARGE) for n in range(FIRST)})
    in_place.note(range(FIRST), AllKnown(Block(0, [LARGE] * FIRST, [0.1] * FIRST)))
    by_items.note([LARGE] * FIRST, {})
    assert {by_results.count, in_place.count, by_items.count} <= {7, 8}
    by_items.note([LARGE * 20], {})
    assert by_items.count == 1
