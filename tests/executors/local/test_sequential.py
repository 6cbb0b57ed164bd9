"""The sequential executor over an iterator: what is read when."""

from __future__ import annotations

import contextlib

import pytest

import batchmill
from batchmill.batch import Batch, BatchSettings
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.running import runner
from batchmill.mapping.functions import FunctionTask


def logged(log, numbers):
    for number in numbers:
        log.append(("read", number))
        yield number


def runs(log):
    def run(number):
        log.append(("run", number))
        return number

    return run


def in_turn(n):
    return [(what, number) for number in range(n) for what in ("read", "run")]


def test_an_item_is_read_once_the_one_before_it_was_run():
    log = []
    result = batchmill.map(runs(log), logged(log, range(2000)), executor="sequential")
    assert list(result) == list(range(2000))
    assert log == in_turn(2000)


def test_of_a_stream_it_is_read_once_the_result_before_it_is_out():
    log = []
    for number in batchmill.imap(runs(log), logged(log, range(300)), executor="sequential"):
        log.append(("out", number))
    assert log == [(what, number) for number in range(300) for what in ("read", "run", "out")]


def test_it_is_read_once_the_caller_has_heard_of_the_one_before():
    log = []

    def heard(result):
        log.append(("heard", result.value))

    batchmill.map(runs(log), logged(log, range(300)), executor="sequential", on_result=heard)
    assert log == [(what, number) for number in range(300) for what in ("read", "run", "heard")]


def test_nothing_is_read_after_a_failure_that_ends_the_batch():
    log = []

    def run(number):
        runs(log)(number)
        return 1 // (700 - number)

    with pytest.raises(batchmill.BatchFailed) as caught:
        batchmill.map(run, logged(log, range(2000)), executor="sequential")
    assert log == in_turn(701)
    assert [error["index"] for error in caught.value.result.errors] == [700]


def test_failures_that_are_tolerated_end_nothing():
    def run(number):
        return 1 // (number % 3)

    done = batchmill.map(run, iter(range(999)), executor="sequential", error_handling="continue")
    assert [error["index"] for error in done.errors] == list(range(0, 999, 3))
    assert list(done)[:4] == [None, 1, 0, None]


def test_what_the_iterator_raises_is_raised_after_what_it_gave():
    log = []

    def broken():
        yield from logged(log, range(500))
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        batchmill.map(runs(log), broken(), executor="sequential")
    assert log == in_turn(500)


def test_a_batch_that_is_stopped_reads_no_further():
    log, stop = [], CancelToken()

    def run(number):
        runs(log)(number)
        if number == 300:
            stop.cancel()

    settings = BatchSettings(executor="sequential")
    items = logged(log, range(2000))
    batch = Batch(FunctionTask(run), items, settings, ordered=False, stop=stop, at_once=False)
    with contextlib.closing(items):
        done = batch.gather()
    assert log == in_turn(301)
    assert (len(done.values), done.stopped) == (301, True)


def test_the_time_that_reading_takes_is_not_the_items(monkeypatch):
    now = 0.0

    class Clock:
        """One that only the test moves."""

        @staticmethod
        def perf_counter():
            return now

        monotonic_ns = monotonic = staticmethod(lambda: 0)

    def slowly():
        nonlocal now
        for number in range(50):
            now += 1e-4
            yield number

    def run(number):
        nonlocal now
        now += 1e-6

    blocks = []
    monkeypatch.setattr(runner, "time", Clock)
    batch = Batch(
        FunctionTask(run), slowly(), BatchSettings(executor="sequential"), ordered=False, at_once=False
    )
    batch.gather(blocks.append)
    walls = [wall for block in blocks for wall in block.walls]
    assert walls == pytest.approx([1e-6] * 50)
    begun = [second for block in blocks for second in block.begins()]
    assert begun == pytest.approx([n * 1.01e-4 + 1e-4 for n in range(50)], abs=6e-5)
    assert len(blocks) < 10
