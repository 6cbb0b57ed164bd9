"""A leg: a channel for one of several executors, and what it counts."""

import threading
import time

from batchmill.batch.window import Window
from batchmill.block import Block
from batchmill.errors import ExecutorUnavailable
from batchmill.executors.auto.view import ChannelView, thread_clock
from batchmill.items.sources import as_source
from batchmill.policy import FailurePolicy, FailureWatch


def window_of(items):
    source = as_source(items)
    return Window(source, FailureWatch(FailurePolicy(), source.remaining()), ordered=True)


def done(chunk):
    return Block(chunk.start, list(chunk.items), [0.5] * len(chunk), {}, chunk.items)


def test_a_dry_leg_hands_out_nothing_more_and_the_channel_goes_on():
    window = window_of(range(10))
    leg = ChannelView(window)
    chunk = leg.take(3, 100)
    leg.dry()
    assert leg.take(3, 100) is None
    assert not leg.over
    assert not leg.more()
    leg.deliver(done(chunk))
    assert leg.over
    assert window.more()
    assert ChannelView(window).take(3, 100).start == 3


def test_what_is_taken_while_it_dries_up_is_given_back():
    gate = threading.Event()

    def slow():
        gate.wait()
        yield 1

    window = window_of(slow())
    leg, got = ChannelView(window), []
    thread = threading.Thread(target=lambda: got.append(leg.take(1, 10)))
    thread.start()
    time.sleep(0.02)
    leg.dry()
    gate.set()
    thread.join()
    assert got == [None]
    assert ChannelView(window).take(1, 10).items == [1]
    window.stop()


def test_where_an_executor_is_unavailable_the_leg_ends_and_the_channel_goes_on():
    window = window_of(range(4))
    leg = ChannelView(window)
    chunk = leg.take(2, 100)
    leg.fail(ExecutorUnavailable("no process"))
    leg.fail(ExecutorUnavailable("no other process"))
    assert not leg.over
    leg.give_back(chunk)
    assert leg.over
    assert str(leg.refusal) == "no process"
    assert not window.stopped
    assert [ChannelView(window).take(2, 100).start, ChannelView(window).take(2, 100).start] == [0, 2]


def test_it_counts_what_passes():
    leg = ChannelView(window_of(range(10)), samples=True)
    assert leg.readings() == (0, 0.0, 0.0, 0.0)
    chunk = leg.take(4, 100)
    assert leg.begun.is_set()
    time.sleep(0.01)
    assert leg.readings().running >= 0.01
    leg.deliver(done(chunk.part(0, 3)))
    leg.give_back(chunk.part(3))
    seen = leg.readings()
    assert (seen.items, seen.wall, seen.running) == (3, 1.5, 0.0)
    assert leg.sample == (0, 0)


def test_stopping_it_leaves_the_channel_alone():
    window = window_of(range(3))
    leg = ChannelView(window)
    leg.stop()
    assert leg.stopped
    assert list(leg.blocks()) == []
    assert leg.take(1, 10) is None
    assert not window.stopped


def test_the_end_of_the_channel_is_its_end():
    leg = ChannelView(window_of(()))
    assert leg.take(1, 10) is None
    assert leg.over


def test_a_threads_clock_is_read_from_another_one():
    ready, over, clocks = threading.Event(), threading.Event(), []

    def work():
        clocks.append(thread_clock())
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        ready.set()
        over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    assert clocks[0]() >= 0.02
    over.set()
    thread.join()


def test_only_a_leg_that_samples_keeps_an_item_and_only_until_it_is_told_to_forget():
    window = window_of(range(10))
    plain, scout = ChannelView(window), ChannelView(window, samples=True)
    for leg, sample in ((plain, None), (scout, (1, 1))):
        leg.deliver(done(leg.take(1, 100)))
        assert leg.sample == sample
    scout.forget_sample()
    scout.deliver(done(scout.take(1, 100)))
    assert scout.sample is None
