"""The durations of items in the summary of a run."""

from __future__ import annotations

from batchmill.cli.watching import Walls
from batchmill.events import ItemsTimed


def test_items_that_were_not_run_have_no_durations():
    walls = Walls()
    walls(ItemsTimed("a", 0, (1.0, 2.0, *[0.0] * 50)))
    walls(ItemsTimed("b", 0, (0.0, 0.0)))
    assert walls.told("a").startswith("p50 ")
    assert "µs" not in walls.told("a")
    assert walls.told("a").endswith("max 2 s")
    assert walls.told("b") == ""
