"""The channel that holds the items of one order."""

from __future__ import annotations

import threading
import time

import pytest

from batchmill.block import Block
from batchmill.executors.contract import Chunk
from batchmill.executors.remote.order_channel import OrderChannel
from batchmill.outcome import ErrorInfo, Outcome


def channel(
    n: int = 4, *, seconds: float = 60.0, alone: bool = False, by_attempt: bool = False
) -> OrderChannel:
    return OrderChannel(Chunk(10, list(range(n))), seconds, alone=alone, by_attempt=by_attempt)


def done(chunk: Chunk) -> Block:
    return Block(chunk.start, list(chunk.items), [0.0] * len(chunk))


def failed(chunk: Chunk) -> Block:
    return Block.of(Outcome(chunk.start, error=ErrorInfo("E", "no")), None)


def taken(one: OrderChannel, most: int = 9) -> Chunk:
    chunk = one.take(most, 9)
    assert chunk is not None
    return chunk


def test_all_that_is_taken_and_delivered_comes_out() -> None:
    one = channel()
    first, second = taken(one, 3), taken(one)
    assert (first.start, len(first), second.start, len(second)) == (10, 3, 13, 1)
    one.deliver(done(second))
    one.deliver(done(first))
    assert [block.start for block in one.blocks()] == [13, 10]
    assert one.take(1, 1) is None
    assert one.rest() == []


def test_what_is_given_back_is_taken_again() -> None:
    one = channel()
    first = taken(one, 2)
    one.give_back(first)
    assert [taken(one).start, taken(one).start] == [12, 10]


def test_who_takes_waits_for_what_may_be_given_back() -> None:
    one = channel(1)
    first = taken(one)
    threading.Timer(0.05, one.give_back, (first,)).start()
    assert taken(one) is first
    one.deliver(done(first))
    assert one.take(1, 1) is None


def test_nothing_is_taken_after_a_stop_and_the_rest_is_told() -> None:
    one, heard = channel(), []
    one.on_stop(lambda: heard.append(1))
    first = taken(one, 1)
    one.stop()
    one.stop()
    assert heard == [1]
    assert one.take(1, 1) is None
    one.deliver(done(first))
    assert len(list(one.blocks())) == 1
    assert [(chunk.start, len(chunk)) for chunk in one.rest()] == [(11, 3)]


def test_the_time_counts_from_the_first_that_is_taken() -> None:
    one = channel(seconds=0.02)
    time.sleep(0.05)
    first = taken(one, 1)
    time.sleep(0.05)
    assert one.take(1, 1) is None
    one.deliver(done(first))
    assert len(list(one.blocks())) == 1
    assert [chunk.start for chunk in one.rest()] == [11]


@pytest.mark.parametrize(("alone", "more"), [(True, False), (False, True)])
def test_a_failure_ends_the_order_where_it_is_to_be_judged(alone: bool, more: bool) -> None:
    one = channel(alone=alone)
    one.deliver(failed(taken(one, 1)))
    assert one.more() is more


def test_nobody_looks_again_and_again_while_the_last_item_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    one = channel(seconds=0.0)
    waits: list[float | None] = []
    first, wait = taken(one, 1), one._changed.wait

    def waiting(timeout: float | None = None) -> bool:
        waits.append(timeout)
        return wait(30)

    monkeypatch.setattr(one._changed, "wait", waiting)
    threading.Timer(0.05, one.deliver, (done(first),)).start()
    assert [len(block) for block in one.blocks()] == [1]
    assert set(waits) <= {None}


@pytest.mark.parametrize("by_attempt", [True, False])
def test_an_attempt_that_was_lost_is_made_again_by_who_starts_attempts(by_attempt: bool) -> None:
    one = channel(1, by_attempt=by_attempt)
    taken(one)
    lost = Chunk(10, [0], 1, ErrorInfo("WorkerDied", "gone", "worker_died"))
    one.give_back(lost)
    assert one.more() is not by_attempt
    assert one.rest() == [lost]


def test_a_fault_is_raised_where_the_blocks_are_read() -> None:
    one = channel()
    one.fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        list(one.blocks())


def test_with_more_time_what_is_late_is_handed_out_after_all() -> None:
    one = channel(seconds=0.0)
    first = taken(one, 1)
    assert not one.more()
    assert one.wait_until_fewer(2, 0.0)  # only the first runs
    assert one.extend(60.0)
    assert not one.wait_until_fewer(4, 0.0)
    second = taken(one, 1)
    for chunk in (first, second, taken(one)):
        one.deliver(done(chunk))
    assert one.wait_until_fewer(1, 0.0)
    assert not one.extend(60.0)  # it is over: nothing may begin while its batch is being closed


def test_an_order_that_was_stopped_gets_no_more_time() -> None:
    one = channel()
    taken(one, 1)
    one.stop()
    assert not one.extend(60.0)
    assert one.wait_until_fewer(2, 0.0)


def test_who_waits_for_items_is_told_to_look_for_some_elsewhere() -> None:
    one, told = channel(1), threading.Event()
    one.on_idle(told.set)
    first = taken(one)
    waiting = threading.Thread(target=one.take, args=(1, 1))
    waiting.start()
    assert told.wait(30)
    end = time.monotonic() + 30
    while not one.starving and time.monotonic() < end:
        time.sleep(0.001)
    assert one.starving
    one.deliver(done(first))
    waiting.join()
    assert not one.starving
