"""Streaming: lazy reading, bounded windows, endless and failing sources, leaving early."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest

import batchmill
from batchmill.errors import BatchFailed
from batchmill.executors.dispatch.chunk_sizes import CHUNKS_AHEAD, WINDOW_PER_WORKER
from batchmill.items import iterator_source

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Source:
    """Counts what is read of it; raises at ``fails_at``, ends at ``end``."""

    def __init__(self, end: int | None = None, fails_at: int | None = None) -> None:
        self.read = 0
        self.threads: set[int] = set()
        self._end = end
        self._fails_at = fails_at

    def __iter__(self) -> Iterator[int]:
        for number in itertools.count() if self._end is None else range(self._end):
            if number == self._fails_at:
                raise OSError(f"cannot read item {number}")
            self.read += 1
            yield number


def double(item: int) -> int:
    return 2 * item


def slow_when_even(item: int) -> int:
    time.sleep(0.004 if item % 2 == 0 else 0)
    return item


def long_first(gate_and_item: tuple[str, int]) -> int:
    """The first waits for a file."""
    gate, item = gate_and_item
    end = time.monotonic() + 60
    while item == 0 and not Path(gate).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return item


def failing_at_three(item: int) -> int:
    if item == 3:
        raise ValueError("three")
    return item


def mark(folder_and_item: tuple[str, int]) -> int:
    """Leaves a file while it runs."""
    folder, item = folder_and_item
    path = Path(folder, f"{os.getpid()}-{threading.get_ident()}-{item}")
    path.touch()
    time.sleep(0.01)
    path.unlink()
    return item


def test_an_ordered_stream_is_in_input_order(executor: str) -> None:
    assert list(batchmill.imap(slow_when_even, range(40), executor=executor)) == list(range(40))


def test_an_unordered_stream_has_everything_once(executor: str) -> None:
    found = list(batchmill.imap(slow_when_even, range(200), executor=executor, ordered=False))
    assert sorted(found) == list(range(200))  # type: ignore[type-var]  # no item fails


def test_an_unordered_stream_does_not_wait_for_a_slow_item(parallel: str, tmp_path: Path) -> None:
    items = [(str(tmp_path / "gate"), item) for item in range(30)]
    found: list[int | None] = []
    for value in batchmill.imap(long_first, items, executor=parallel, max_concurrent=2, ordered=False):
        found.append(value)
        if len(found) == 29:
            (tmp_path / "gate").touch()
    assert found[-1] == 0
    assert sorted(found) == list(range(30))  # type: ignore[type-var]  # no item fails


def test_an_endless_source_is_read_as_far_as_it_is_needed(executor: str) -> None:
    source = Source()
    stream = batchmill.imap(double, source, executor=executor, max_concurrent=2)
    assert list(itertools.islice(stream, 500)) == [2 * k for k in range(500)]
    stream.close()
    assert source.read >= 500


def test_nothing_is_read_before_the_first_result_is_asked_for(executor: str) -> None:
    source = Source()
    stream = batchmill.imap(double, source, executor=executor)
    assert source.read == 0
    stream.close()


def test_a_slow_consumer_bounds_what_is_read(executor: str) -> None:
    source = Source()
    stream = batchmill.imap(double, source, executor=executor, max_concurrent=2, chunk_size=4)
    next(stream)
    window = 2 * max(WINDOW_PER_WORKER, CHUNKS_AHEAD * 4) + 2 * 4
    most = window + iterator_source.CHUNKS_AHEAD * 4 + 1  # with what nobody took yet
    seen = 0
    for _ in range(20):
        time.sleep(0.01)
        seen = max(seen, source.read)
    stream.close()
    assert 1 <= seen <= most


@pytest.mark.parametrize("k", [0, 1, 37, 400])
def test_a_source_that_raises_delivers_what_came_before(executor: str, k: int) -> None:
    got: list[int | None] = []
    stream = batchmill.imap(double, Source(fails_at=k), executor=executor, max_concurrent=2)
    with pytest.raises(OSError, match=f"cannot read item {k}"):
        got.extend(stream)
    assert got == [2 * n for n in range(k)]


def test_map_raises_what_its_source_raises(executor: str) -> None:
    with pytest.raises(OSError, match="cannot read item 10"):
        batchmill.map(double, Source(fails_at=10), executor=executor)


def test_a_failure_raises_in_its_place_of_the_stream(executor: str) -> None:
    got: list[int | None] = []
    stream = batchmill.imap(failing_at_three, range(100), executor=executor, max_concurrent=2)
    with pytest.raises(BatchFailed, match=r"item 3 .*three"):
        got.extend(stream)
    assert got == [0, 1, 2][: len(got)]  # those before it may not have been started yet


def test_under_continue_a_failed_item_is_none_in_the_stream(executor: str) -> None:
    stream = batchmill.imap(failing_at_three, range(6), executor=executor, error_handling="continue")
    assert list(stream) == [0, 1, 2, None, 4, 5]
    assert [(error["index"], error["message"]) for error in stream.errors] == [(3, "three")]


def test_leaving_a_stream_leaves_nothing_running(executor: str, tmp_path: Path) -> None:
    items = ((str(tmp_path), number) for number in itertools.count())
    stream = batchmill.imap(mark, items, executor=executor, max_concurrent=3)
    assert [next(stream) for _ in range(5)] == [0, 1, 2, 3, 4]
    stream.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StopIteration):
        next(stream)


def test_a_dropped_stream_ends_its_batch(executor: str, tmp_path: Path) -> None:
    items = ((str(tmp_path), number) for number in itertools.count())
    stream = batchmill.imap(mark, items, executor=executor, max_concurrent=2)
    next(stream)
    del stream
    deadline = time.monotonic() + 10
    quiet = 0
    while quiet < 20:  # looks in a row without an item running: it is closed in the background
        assert time.monotonic() < deadline
        time.sleep(0.01)
        quiet = quiet + 1 if not list(tmp_path.iterdir()) else 0
