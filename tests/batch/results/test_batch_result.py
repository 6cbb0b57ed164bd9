"""Results gathered from blocks that come in any order."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.batch import BatchResult
from batchmill.batch.results.batch_result import Gathering, Timing
from batchmill.block import Block
from batchmill.outcome import ErrorInfo, Outcome, cancelled


def block(start: int, count: int, failed: set[int]) -> Block:
    values: list[Any] = [index if index not in failed else None for index in range(start, start + count)]
    special = {
        index - start: Outcome(index, error=ErrorInfo("E", f"no {index}"), records=(index,))
        for index in range(start, start + count)
        if index in failed
    }
    items = [str(index) for index in range(start, start + count)]
    return Block(
        start, values, [0.001 * (index + 1) for index in range(start, start + count)], special, items
    )


@given(
    st.lists(st.integers(1, 5), max_size=12), st.sets(st.integers(0, 40)), st.randoms(use_true_random=False)
)
def test_blocks_in_any_order_give_the_same_result(sizes: list[int], failed: set[int], random: Any) -> None:
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    blocks = [block(start, size, failed) for start, size in zip(starts, sizes, strict=True)]
    random.shuffle(blocks)
    gathering = Gathering()
    for one in blocks:
        gathering.add(one)
    total = sum(sizes)
    expected = sorted(index for index in failed if index < total)
    assert gathering.values == [None if index in failed else index for index in range(total)]
    assert gathering.items == [str(index) for index in range(total)]
    assert sorted(gathering.failed()) == expected
    assert [record for _, record in gathering.recorded()] == expected


def result() -> BatchResult[int]:
    failed = {1: Outcome(1, error=ErrorInfo("ValueError", "bad"), attempts=2), 3: cancelled(3)}
    return BatchResult([10, None, 12, None], ["a", "b", "c", "d"], failed)


def test_a_result_is_a_sequence_of_its_values() -> None:
    one = result()
    assert one == [10, None, 12, None] == list(one)
    assert one == (10, None, 12, None)
    assert one == result()
    assert one != [10]
    assert one != "other"
    assert len(one) == one.count == 4
    assert one[2] == 12
    assert one[-2:] == [12, None]
    assert 12 in one
    with pytest.raises(TypeError):
        hash(one)


def test_count_is_a_number_and_the_method_of_sequences() -> None:
    one = result()
    assert (one.count, one.count + 1, f"{one.count:,}", json.dumps(one.count)) == (4, 5, "4", "4")
    assert (one.count(None), one.count(10), one.count("no")) == (2, 1, 0)
    assert isinstance(one, Sequence)
    assert (one.index(12), list(reversed(one))[-1]) == (2, 10)
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert again.count(None) == 2


def test_it_is_shown_in_short() -> None:
    assert repr(result()) == "<BatchResult of 4 items, 2 without a value>"
    assert repr(BatchResult([1], ["a"])) == "<BatchResult of 1 item>"
    assert repr(BatchResult(list(range(100_000)), [0] * 100_000)) == "<BatchResult of 100,000 items>"


def test_cancelled_items_are_listed_and_not_counted() -> None:
    one = result()
    assert one.success_count == 2
    assert one.error_count == 1
    assert one.succeeded == [10, 12]
    assert [(e["index"], e["item"], e["kind"], e["attempts"]) for e in one.errors] == [
        (1, "b", "exception", 2),
        (3, "d", "cancelled", 0),
    ]


def test_timing_adds_up_in_milliseconds() -> None:
    timing = Timing()
    assert timing.as_json() == {
        "total_items_ms": 0.0,
        "avg_item_ms": 0.0,
        "min_item_ms": 0.0,
        "max_item_ms": 0.0,
    }
    timing.add([0.001, 0.003])
    timing.add([])
    timing.add([0.002])
    assert timing.as_json() == {
        "total_items_ms": 6.0,
        "avg_item_ms": 2.0,
        "min_item_ms": 1.0,
        "max_item_ms": 3.0,
    }
