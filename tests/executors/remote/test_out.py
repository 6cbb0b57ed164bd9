"""Which orders are late, and how often help is sent that finds nothing to do."""

from __future__ import annotations

from itertools import pairwise

import pytest

from batchmill.executors.contract import Chunk
from batchmill.executors.remote.out import Out, OutOrders


class Ticket:
    """Of an order that is not dropped."""

    def drop(self) -> None:
        raise AssertionError


def out(n_items: int = 10, start: int = 0) -> Out:
    return Out(Chunk(start, range(n_items)), 100.0, ticket=Ticket())


@pytest.mark.parametrize(
    ("n_items", "mean", "seconds"),
    [(10, 0.1, 1.36), (10, 0.0, 0.51), (1, 0.1, 1.13)],  # several items, of unknown length, one
)
def test_an_order_is_late_after_more_than_its_items_were_to_take(
    n_items: int, mean: float, seconds: float
) -> None:
    one = out(n_items)
    assert not one.late(mean, 100.0 + seconds - 0.02)
    assert one.late(mean, 100.0 + seconds)


def test_what_holds_no_items_that_could_wait_is_never_late() -> None:
    assert not out(0).late(0.1, 999.0)
    assert not out(1).late(0.0, 999.0)
    assert not Out(Chunk(0, range(9)), 100.0).late(0.1, 999.0)  # not sent yet
    assert not Out(Chunk(0, range(9)), 100.0, helps=out(), ticket=Ticket()).late(0.1, 999.0)


def test_help_that_found_nothing_to_do_comes_ever_less_often() -> None:
    one, now, came = out(), 200.0, []
    while now < 800.0:
        if one.late(0.1, now):
            came.append(now)
            one.was_helped(now, helped=False)
        now += 0.05
    pauses = [after - before for before, after in pairwise(came)]
    assert pauses[0] < 0.4
    assert all(before < after for before, after in pairwise(pauses[:8]))
    assert 60 < pauses[-1] < 70
    one.was_helped(now, helped=False)
    one.was_helped(now, helped=True)
    assert one.in_vain == 0


def test_the_order_with_the_least_help_comes_first_and_none_has_more_than_items() -> None:
    orders = OutOrders(lambda chunk: None)
    first, second = out(2), out(9, 2)
    for one in (first, second, Out(Chunk(2, ()), 100.0, helps=second)):
        orders.post(one, lambda number: Ticket())
    assert orders.late(0.1, 200.0) == [first, second]
    for _ in range(2):
        orders.post(Out(Chunk(0, ()), 100.0, helps=first), lambda number: Ticket())
    assert orders.late(0.1, 200.0) == [second]


def test_an_order_without_a_seat_is_not_out() -> None:
    back: list[Chunk] = []
    orders = OutOrders(back.append)
    one = out()
    assert not orders.post(one, lambda number: None)
    assert (orders.busy, back) == (0, [one.chunk])
