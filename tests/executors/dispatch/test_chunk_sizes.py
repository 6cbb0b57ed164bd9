"""Chunk sizes: within bounds whatever was measured, and near their target in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.executors.dispatch.chunk_sizes import BYTES_AHEAD, BYTES_PER_CHUNK, GROWTH, ChunkSizer
from batchmill.executors.process.executor import CHUNK_SECONDS, HAND_OVER_SECONDS

observations = st.lists(
    st.tuples(st.integers(0, 3000), st.floats(0, 100), st.integers(0, 1 << 32)), max_size=30
)


@given(st.integers(1, 64), observations, st.none() | st.integers(1, 10**6))
def test_sizes_stay_within_their_bounds(
    workers: int, seen: list[tuple[int, float, int]], remaining: int | None
) -> None:
    sizer = ChunkSizer(workers, 0.01, 2048)
    before, _ = sizer.next(None)
    assert before == 1
    for items, seconds, n_bytes in seen:
        sizer.observe(items, seconds, n_bytes)
        size, ahead = sizer.next(None)
        assert 1 <= size <= 2048
        assert size <= GROWTH * max(before, items)
        assert ahead >= 2 * workers  # or the second chunk of a worker would wait for the consumer
        before = size
        if remaining is not None:
            small, _ = sizer.next(remaining)
            assert 1 <= small <= size
            assert workers == 1 or small <= max(1, -(-remaining // (2 * workers)))


@given(st.integers(1, 9), observations, st.integers(1, 500))
def test_a_fixed_size_is_kept(workers: int, seen: list[tuple[int, float, int]], fixed: int) -> None:
    sizer = ChunkSizer(workers, 0.01, 2048, fixed)
    for items, seconds, n_bytes in seen:
        sizer.observe(items, seconds, n_bytes)
    assert sizer.next(None)[0] == sizer.next(1)[0] == fixed


@pytest.mark.parametrize("seconds", [1e-6, 5e-5, 1e-3, 4e-3])
def test_steady_items_make_chunks_of_the_target_s_length(seconds: float) -> None:
    sizer = ChunkSizer(4, 0.01, 10**6)
    for _ in range(60):
        size, _ = sizer.next(None)
        sizer.observe(size, size * seconds)
    assert sizer.next(None)[0] * seconds == pytest.approx(0.01, rel=0.3)


def test_long_items_travel_alone() -> None:
    sizer = ChunkSizer(4, 0.01, 2048)
    sizer.observe(1, 5.0)
    assert sizer.next(None)[0] == 1


def test_large_items_bound_the_chunk_and_what_is_ahead() -> None:
    sizer = ChunkSizer(2, 0.01, 2048)
    for _ in range(5):
        sizer.observe(4, 1e-6, 4 * (256 << 10))
    size, ahead = sizer.next(None)
    assert size == BYTES_PER_CHUNK // (256 << 10)
    assert ahead * (256 << 10) <= max(BYTES_AHEAD, 2 * 2 * size * (256 << 10))


def test_nothing_observed_changes_nothing() -> None:
    sizer = ChunkSizer(2, 0.01, 2048)
    sizer.observe(0, 3.0)
    assert sizer.depth(None) == 1
    assert sizer.next(None)[0] == 1


@pytest.mark.parametrize(
    ("seconds", "remaining", "depth"),
    [
        (0.001, None, 2),
        (0.001, 0, 2),
        (0.05, 1000, 2),
        (0.05, 4, 1),
        (0.05, None, 1),
        (0.5, 1000, 1),
    ],
)
def test_a_second_chunk_waits_at_a_worker_while_items_are_short(seconds, remaining, depth) -> None:
    sizer = ChunkSizer(2, 0.01, 2048)
    sizer.observe(1, seconds)
    assert sizer.depth(remaining) == depth


def test_near_the_end_a_chunk_is_still_worth_its_hand_over() -> None:
    sizer = ChunkSizer(2, 0.01, 2048, least=0.0002)
    sizer.observe(100, 100 * 1e-6)
    assert sizer.next(8)[0] == 200 or sizer.next(8)[0] >= 8
    sizer.observe(1, 1.0)
    assert sizer.next(8)[0] == 1


def test_near_the_end_chunks_do_not_become_many_small_ones() -> None:
    sizer = ChunkSizer(2, 0.06, 2048, least=0.0002)
    sizer.observe(100, 100 * 1e-4)
    assert [sizer.next(left)[0] for left in (400, 60, 30, 10, 4, 1)] == [100, 20, 15, 5, 2, 2]


def test_the_chunks_of_a_single_worker_do_not_shrink_as_nobody_could_share_them() -> None:
    sizer = ChunkSizer(1, 0.5, 2048)
    sizer.observe(64, 0.64)
    assert sizer.next(20)[0] == 50


def test_more_items_count_as_short_where_a_round_trip_takes_longer() -> None:
    near, far = ChunkSizer(2, 0.6, 2048), ChunkSizer(2, 0.6, 2048, short=0.5)
    for sizer in (near, far):
        sizer.observe(2, 0.4)
    assert (near.depth(20), far.depth(20)) == (1, 2)
    assert far.depth(4) == 1


def test_a_chunk_travels_as_no_more_bytes_than_it_may() -> None:
    sizer = ChunkSizer(2, 0.6, 2048, most_bytes=4000)
    sizer.observe(8, 0.001, 8000)
    assert sizer.next(None)[0] == 4


def test_a_known_pace_is_begun_with() -> None:
    first = ChunkSizer(2, 0.01, 2048)
    assert first.pace is None
    first.observe(100, 0.1, 5000)
    again = ChunkSizer(2, 0.01, 2048, known=first.pace)
    assert again.next(None)[0] == 10
    assert again.pace == first.pace


def test_a_chunk_is_waited_for_in_proportion_to_what_it_was_meant_to_take() -> None:
    sizer = ChunkSizer(2, 0.018, 2048)
    assert sizer.patience(1) == pytest.approx(0.03)
    sizer.observe(10, 0.01)
    assert sizer.patience(9) == pytest.approx(0.015)
    assert sizer.patience(10_000) == pytest.approx(0.03)
    assert sizer.patience(1) == pytest.approx(0.002)


@pytest.mark.parametrize(("seconds", "items"), [(1e-3, 4000), (2e-4, 20_000), (2e-2, 200)])
def test_a_batch_is_few_hand_overs_and_ends_in_short_ones(seconds: float, items: int) -> None:
    """A whole batch, replayed: what two workers take, one chunk after the other."""
    sizer, taken = ChunkSizer(2, CHUNK_SECONDS, 2048, least=HAND_OVER_SECONDS), []
    while left := items - sum(taken):
        size, _ = sizer.next(left)
        taken.append(min(size, left))
        sizer.observe(taken[-1], taken[-1] * seconds)
    work = items * seconds
    assert len(taken) <= max(items if seconds > CHUNK_SECONDS / 2 else 0, 1.3 * work / CHUNK_SECONDS + 20)
    assert taken[-1] * seconds <= max(seconds, 2 * HAND_OVER_SECONDS)
    assert sum(taken[-4:]) * seconds <= 3 * CHUNK_SECONDS


def test_a_chunk_is_as_near_to_the_target_as_whole_items_come() -> None:
    for seconds, size in ((0.02, 2), (0.03, 1), (0.016, 2), (0.012, 3)):
        sizer = ChunkSizer(2, 0.036, 2048)
        sizer.observe(1, seconds)
        assert sizer.next(1000)[0] == size


def test_near_the_end_a_worker_takes_the_larger_a_part_of_what_is_left_the_fewer_the_shares() -> None:
    by_default, few = ChunkSizer(2, 0.6, 2048), ChunkSizer(2, 0.6, 2048, shares=1.25)
    for sizer in (by_default, few):
        for _ in range(4):
            sizer.observe(30, 0.6)
    assert (by_default.next(40)[0], few.next(40)[0]) == (10, 16)
    assert by_default.next(None)[0] == few.next(None)[0] == 30
