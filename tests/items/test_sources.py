"""Sources: what is taken is in order and no more than asked; a failing one gives what came before."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchmill
from batchmill.items.sources import ChunkedIterable, IteratorSource, SequenceSource, as_source


@given(
    st.lists(st.integers(), max_size=50), st.lists(st.integers(1, 9), min_size=1, max_size=80), st.booleans()
)
def test_everything_comes_once_and_in_order(items: list[int], sizes: list[int], as_list: bool) -> None:
    source = as_source(items if as_list else iter(items))
    got: list[int] = []
    for size in itertools.cycle(sizes):
        taken = source.take(size)
        assert len(taken) <= size
        if not taken:
            break
        got.extend(taken)
        if as_list:
            assert source.remaining() == len(items) - len(got)
            assert [*got, *source.rest()] == items
    assert got == items


def test_lists_tuples_and_ranges_are_read_by_slices() -> None:
    for items in ([1, 2, 3], (1, 2, 3), range(1, 4)):
        source = as_source(items)
        assert isinstance(source, SequenceSource)
        assert source.instant
        assert source.remaining() == 3
        assert list(source.take(2)) == [1, 2]
        assert list(source.rest()) == [3]


def test_nobody_knows_how_many_an_iterator_has() -> None:
    source = as_source(iter([1]))
    assert isinstance(source, IteratorSource)
    assert not source.instant
    assert source.remaining() is None
    assert list(source.rest()) == []


def test_a_slow_iterator_is_not_waited_for_once_it_gave_something() -> None:
    def slow() -> Iterator[int]:
        for number in itertools.count():
            time.sleep(0.002)
            yield number

    assert 1 <= len(as_source(slow()).take(1000)) < 1000


@pytest.mark.parametrize("k", [0, 3])
def test_an_error_comes_after_the_items_before_it(k: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(k)
        raise OSError("gone")

    source = as_source(failing())
    got: list[int] = []
    for _ in range(k):
        got.extend(source.take(1))
    with pytest.raises(OSError, match="gone"):
        source.take(5)
    assert got == list(range(k))


def test_what_is_not_iterable_is_refused() -> None:
    with pytest.raises(TypeError):
        as_source(7)  # type: ignore[arg-type]  # that is the mistake


def test_what_reading_holds_is_released_with_the_batch_that_was_broken_off() -> None:
    closed: list[str] = []

    def pieces() -> Iterator[list[int]]:
        try:
            yield [1, 2]
            yield [3]
        finally:
            closed.append("here")

    results = batchmill.imap(str, ChunkedIterable(pieces), executor="sequential")
    assert next(results) == "1"
    assert closed == []
    results.close()  # type: ignore[attr-defined]  # a generator
    assert closed == ["here"]
