"""What comes back is aligned with what went in, and the same from every executor."""

from __future__ import annotations

import sys
import threading
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.errors import NodeError

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules


def mixed(item: int) -> Any:
    """Succeeds, raises in several ways or reports an error result, by the item's remainder."""
    if item % 7 == 3:
        raise ValueError(f"bad {item}")
    if item % 11 == 5:
        raise NodeError(f"refused {item}", retryable=False, outputs={"code": item})
    if item % 13 == 8:
        raise KeyError(item)
    return {"n": item, "text": str(item)}


def double(item: int) -> int:
    return 2 * item


def same(item: Any) -> Any:
    return item


def total(item: int) -> int:
    return sum(batchmill.map(double, range(item), executor="thread", max_concurrent=2).succeeded)


def test_a_thousand_items_with_mixed_failures_equal_the_reference_entry_by_entry(executor: str) -> None:
    reference = batchmill.map(mixed, range(1000), executor="sequential", error_handling="continue")
    result = batchmill.map(mixed, range(1000), executor=executor, error_handling="continue")
    assert len(result) == result.count == 1000
    assert result.errors == reference.errors
    for index, (value, expected) in enumerate(zip(result, reference, strict=True)):
        assert value == expected, index
    assert result.success_count == reference.success_count
    assert result.error_count == len(result.errors) == 1000 - result.success_count


def test_errors_are_plain_data_in_index_order(executor: str) -> None:
    errors = batchmill.map(mixed, range(20), executor=executor, error_handling="continue").errors
    assert [error["index"] for error in errors] == [3, 5, 8, 10, 16, 17]
    assert errors[0].pop("traceback").endswith("ValueError: bad 3\n")
    assert errors[0] == {
        "index": 3,
        "item": 3,
        "type": "ValueError",
        "message": "bad 3",
        "attempts": 1,
        "kind": "exception",
    }
    assert errors[1]["kind"] == "error_result"
    assert errors[2]["type"] == "KeyError"


@pytest.mark.parametrize("n", [0, 1, 2, 3, 65])
def test_any_number_of_items_comes_back(executor: str, n: int) -> None:
    result = batchmill.map(double, list(range(n)), executor=executor)
    assert result == [2 * k for k in range(n)]
    assert result.errors == []
    assert list(batchmill.imap(double, range(n), executor=executor)) == [2 * k for k in range(n)]


def test_values_that_are_false_are_values(executor: str) -> None:
    values = [None, 0, False, "", [], {}, 0.0, b"", ()]
    result = batchmill.map(same, values, executor=executor)
    assert list(result) == values
    assert [type(value) for value in result] == [type(value) for value in values]
    assert result.success_count == len(values)
    assert result.succeeded == values


def test_equal_items_are_items_of_their_own(executor: str) -> None:
    result = batchmill.map(same, ["a"] * 50 + ["b"] * 50, executor=executor)
    assert list(result) == ["a"] * 50 + ["b"] * 50


def test_an_item_may_run_a_batch_of_its_own(executor: str) -> None:
    assert batchmill.map(total, [3, 10, 4], executor=executor, max_concurrent=2) == [6, 90, 12]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_fixed_chunk_size_changes_nothing_in_the_results(executor: str, size: int) -> None:
    assert batchmill.map(double, range(50), executor=executor, chunk_size=size) == [2 * k for k in range(50)]


def test_batches_from_several_threads_do_not_mix(parallel: str) -> None:
    results: dict[int, list[int | None]] = {}

    def one(number: int) -> None:
        items = range(number * 1000, number * 1000 + 60)
        results[number] = list(batchmill.map(double, items, executor=parallel, max_concurrent=2))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        assert results[number] == [2 * k for k in range(number * 1000, number * 1000 + 60)]


def test_metadata_says_how_it_was_run(executor: str) -> None:
    metadata = batchmill.map(double, range(5), executor=executor, max_concurrent=2, max_retries=3).metadata
    assert metadata["executor"] == (
        executor if executor != "auto" else metadata["reason"].split()[2].strip(":")
    )
    assert metadata["max_retries"] == 3
    assert metadata["parallel"] == (metadata["executor"] != "sequential")
    assert metadata["reason"]
    assert metadata["timing"]["min_item_ms"] <= metadata["timing"]["avg_item_ms"]
