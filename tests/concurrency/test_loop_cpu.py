"""CPU time of an event loop, divided among its users."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from batchmill.concurrency import loop_cpu
from batchmill.concurrency.event_loop import run_coroutine
from batchmill.concurrency.loop_cpu import EVERY_SECONDS, LoopCpu, MeteredCoroutine, called_seconds


class Clock:
    """The CPU clock of a thread that stands still unless told."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    one = Clock()
    monkeypatch.setattr(loop_cpu.time, "thread_time", one)
    return one


def test_all_of_it_belongs_to_the_only_user_and_is_told_seldom(clock: Clock) -> None:
    meter = LoopCpu()
    share = meter.join()
    assert not any(share.samples for _ in range(100))
    told = []
    for number in range(1000):
        clock.now += 0.001
        told.append(share.end_items(1, number * EVERY_SECONDS / 100, last=number == 999))
    some = [one for one in told if one is not None]
    assert sum(some) == pytest.approx(1.0)
    assert 10 <= len(some) <= 12


def test_several_users_get_parts_by_the_steps_of_some_of_their_items(clock: Clock) -> None:
    meter = LoopCpu()
    heavy, light = meter.join(), meter.join()
    assert [heavy.samples for _ in range(32)].count(True) == 2
    heavy.sample(0.09)
    light.sample(0.01)
    light.end_items(1, 1.0)  # the first one is told at once
    clock.now += 3.0
    for _ in range(9):
        assert light.end_items(1, 1.05) is None
    assert heavy.end_items(1, 1.05, last=True) == pytest.approx(3.0 * 0.09 / 0.18)
    assert light.end_items(1, 1.06, last=True) == pytest.approx(3.0 * 0.09 / 0.18)


def test_what_an_idle_loop_did_is_nobodys(clock: Clock) -> None:
    meter = LoopCpu()
    first = meter.join()
    first.leave()
    clock.now += 100.0
    second = meter.join()
    clock.now += 1.0
    assert second.end_items(1, 1.0, last=True) == pytest.approx(1.0)


def test_measured_coroutines_return_raise_and_are_cancelled_as_others() -> None:
    class Mine(Exception):
        pass

    async def comes_to(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def fails() -> int:
        await asyncio.sleep(0)
        raise Mine

    async def survives() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "cleaned up"
        return "never"

    async def main() -> None:
        assert await MeteredCoroutine(comes_to(3)) == 3
        with pytest.raises(Mine):
            await MeteredCoroutine(fails())
        task = asyncio.create_task(MeteredCoroutine(survives()).steps())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "cleaned up"

    asyncio.run(main())


def burn() -> None:
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass


def test_a_blocking_call_counts_for_the_thread_that_called() -> None:
    async def burns() -> None:
        burn()

    before = called_seconds()
    run_coroutine(burns)
    assert called_seconds() - before >= 0.05
