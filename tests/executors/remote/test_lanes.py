"""Numbers of workers, and times of other clocks, from what replies and sent orders say."""

from __future__ import annotations

import random

import pytest

from batchmill.executors.contract import ExecutorSettings, WorkerPlace
from batchmill.executors.remote.contract import Stay
from batchmill.executors.remote.lanes import Lanes


def lanes(told: list[WorkerPlace] | None = None, *, same_clock: bool = False) -> Lanes:
    settings = ExecutorSettings(on_worker=None if told is None else told.append)
    return Lanes(settings, same_clock=same_clock)


def test_slots_of_hosts_are_numbered_and_told_once() -> None:
    told: list[WorkerPlace] = []
    of = lanes(told)
    for host, agent, slot in [("a", "x", 0), ("b", "y", 0), ("a", "x", 1), ("a", "z", 0), ("a", "x", 0)]:
        of.stint(Stay(host, agent, slot, 5.0, 6.0), 1.0, 9.0, 8)
    assert told == [
        WorkerPlace(0, "a", 0, 8),
        WorkerPlace(1, "b", 0, 8),
        WorkerPlace(2, "a", 1, 8),
        WorkerPlace(3, "a", 2, 8),
    ]


def test_the_difference_lies_between_what_the_way_there_and_the_way_back_allow() -> None:
    """An order waits on its way, some replies are slow: the quickest one counts."""
    draw, of, true = random.Random(7), lanes(), 1000.0
    ended = -1.0
    for number in range(200):
        sent = 10.0 * number
        came = sent + draw.uniform(0.001, 3.0)
        left = came + draw.uniform(0.1, 5.0)
        received = left + draw.uniform(0.002, 0.5)
        stint = of.stint(Stay("a", "x", 0, came - true, left - true), sent, received, 1)
        begins, ends = came - true + stint.behind, left - true + stint.behind
        assert begins >= sent
        assert begins >= ended
        assert ends <= received + 1e-9
        ended = ends
    assert stint.behind - true == pytest.approx(0.002, abs=0.01)


def test_a_clock_that_drifts_is_followed() -> None:
    of = lanes()
    for hour in range(48):
        sent, true = 3600.0 * hour, 50.0 + 0.2 * hour  # their clock loses 0.2 s an hour
        stay = Stay("a", "x", 0, sent + 0.01 - true, sent + 1.01 - true)
        stint = of.stint(stay, sent, sent + 1.02, 1)
        assert stint.behind == pytest.approx(true, abs=0.25)


def test_workers_of_this_machine_have_its_clock() -> None:
    of = lanes(same_clock=True)
    assert of.stint(Stay("a", "x", 0, 5.0, 6.0), 4.0, 60.0, 1).behind == 0.0


def test_an_agent_that_is_started_anew_takes_over_its_lane_and_no_other_one() -> None:
    told: list[WorkerPlace] = []
    of = lanes(told, same_clock=True)
    assert of.stint(Stay("a", "x", 0, 1.0, 2.0), 0.0, 3.0, 2).number == 0
    assert of.stint(Stay("b", "y", 0, 1.0, 9.0), 0.0, 9.0, 2).number == 1
    assert of.stint(Stay("a", "z", 0, 4.0, 5.0), 3.0, 6.0, 2).number == 0
    assert of.stint(Stay("b", "w", 0, 8.0, 9.5), 3.0, 9.6, 2).number == 2  # the other was still at work
    assert [place.worker for place in told] == [0, 1, 2]


def test_numbers_are_free_again_at_the_end() -> None:
    settings = ExecutorSettings()
    of = Lanes(settings, same_clock=True)
    of.stint(Stay("a", "x", 0, 1.0, 2.0), 0.0, 3.0, 1)
    assert settings.worker_numbers.acquire() == 1
    of.close()
    assert settings.worker_numbers.acquire() == 0


def test_items_of_an_order_that_was_helped_are_those_of_two_workers() -> None:
    told: list[WorkerPlace] = []
    of = lanes(told)
    of.stint(Stay("a", "x", 1, 1.0, 2.0), 1.0, 2.0, 2)
    stay = Stay("a", "x", 0, 1.5, 9.0)  # it came before the other slot had ended its own
    stint = of.stint(stay, 1.5, 9.0, 2)
    assert of.beside(stay, stint, 2, 0) == of.beside(stay, stint, 2, None) == stint
    assert of.beside(stay, stint, 2, 1) == (stint.behind, 0)
    assert of.beside(stay, stint, 2, 2) == (stint.behind, 2)  # a helper whose own reply is yet to come
    assert [place.slot for place in told] == [0, 1, 2]


def test_slots_that_were_swapped_shift_no_times() -> None:
    of = lanes()
    of.stint(Stay("a", "x", 0, 5.0, 8.0), 5.0, 8.0, 2)  # the helper left with the slot of who it helped
    assert of.stint(Stay("a", "x", 0, 1.0, 9.0), 1.0, 9.0, 2).behind == 0.0
