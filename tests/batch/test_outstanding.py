"""Which items are out, against a set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.batch.outstanding import Outstanding
from batchmill.errors import InternalError

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 6)), max_size=40)


@given(STEPS)
def test_it_is_a_set_that_tells_when_an_item_is_not_in_it(steps: list[tuple[bool, int, int]]) -> None:
    out, model = Outstanding(), set[int]()
    runs: list[set[int]] = []
    for adds, start, length in steps:
        items = set(range(start, start + length))
        if adds:
            if not items & model:
                out.add(start, length)
                model |= items
                runs.append(items)
        elif any(items <= run & model for run in runs):
            out.remove(start, length, "delivered")
            model -= items
            runs = [run - items for run in runs]
            runs = [part for run in runs for part in neighbours(run)]
        elif not items <= model:
            with pytest.raises(InternalError, match=r"delivered a second time.*please report"):
                out.remove(start, length, "delivered")
        assert out.count == len(model)


def neighbours(items: set[int]) -> list[set[int]]:
    parts: list[set[int]] = []
    for item in sorted(items):
        if parts and item - 1 in parts[-1]:
            parts[-1].add(item)
        else:
            parts.append({item})
    return parts


def test_what_is_refused_changes_nothing() -> None:
    out = Outstanding()
    out.add(5, 3)
    for start, length in ((4, 2), (7, 2), (0, 1), (9, 1)):
        with pytest.raises(InternalError):
            out.remove(start, length, "given back")
    out.remove(5, 3, "given back")
    assert out.count == 0


def test_what_is_under_way_waits_for_nothing():
    out = Outstanding()
    out.add(0, 3)
    out.add(5, 2)
    out.waits(5)
    count, oldest = out.under_way(5)
    assert (count, [index for index, _ in oldest]) == (3, [0])
    out.begins(5)
    out.remove(0, 1, "delivered")
    count, oldest = out.under_way(1)
    assert (count, [index for index, _ in oldest]) == (4, [5])
    out.remove(5, 2, "delivered")
    out.begins(5)  # which is over
    assert out.under_way(5)[0] == 2
