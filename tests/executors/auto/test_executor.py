"""The executor ``auto``: what it chooses for real work, that it runs nothing twice and keeps its bounds."""

import asyncio
import hashlib
import sys
import threading
import time

import pytest

import batchmill
from batchmill.executors import contract
from batchmill.executors.auto.executor import GilWatch, measured
from batchmill.executors.auto.process_cost import shipping
from batchmill.executors.auto.view import Readings

WITH_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


def wait(item):
    time.sleep(0.03)
    return item


def compute(item, seconds=0.02):
    """Holds the GIL until it had ``seconds`` of CPU: as much work on a slow machine as on a fast one."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))
    return item


def fine(item):
    return item + 1


def auto(function, items, **settings):
    return batchmill.map(function, items, executor="auto", **settings)


def first_choice(executor, function, items, **settings):
    """The result of a batch that chose ``executor``, or of the tenth one: an item that had to wait for a core
    looks as if it had waited."""
    for _ in range(9):
        done = auto(function, items, **settings)
        if done.metadata["executor"] == executor:
            return done
    return auto(function, items, **settings)


def test_waiting_is_done_on_threads():
    done = auto(wait, range(40))
    assert done == list(range(40))
    assert done.metadata["executor"] == "thread"
    assert done.metadata["reason"].startswith("auto chose thread: items take")
    assert done.metadata["max_concurrent"] == 10


@pytest.mark.slow
@pytest.mark.skipif(not WITH_GIL, reason="without a GIL threads compute side by side")
def test_computing_is_done_in_processes():
    batchmill.map(fine, range(8), executor="process", max_concurrent=4)  # on a busy machine they start slowly
    done = first_choice("process", compute, range(100), max_concurrent=4)
    assert done == list(range(100))
    assert (done.metadata["executor"], done.metadata["workers"]) == ("process", 4)
    assert "holding the GIL" in done.metadata["reason"]


@pytest.mark.skipif(WITH_GIL, reason="needs an interpreter without a GIL")
def test_without_a_gil_computing_is_done_on_threads():
    done = first_choice("thread", compute, range(100), max_concurrent=4)
    assert done.metadata["executor"] == "thread"


def test_what_is_quickly_done_stays_where_it_is():
    done = first_choice("sequential", fine, range(100))
    assert done == list(range(1, 101))
    assert done.metadata["executor"] == "sequential"
    assert done.metadata["parallel"] is False


def test_what_cannot_travel_is_not_sent():
    lock = threading.Lock()

    def locked(item):
        with lock:
            return compute(item)

    done = auto(locked, range(20))
    assert done == list(range(20))
    assert done.metadata["executor"] != "process"


def test_a_long_first_item_holds_nobody_up():
    begun, both = [], threading.Event()

    def meet(item):
        begun.append(item)
        if len(begun) == 2:
            both.set()
        return both.wait(20)

    assert auto(meet, range(2)) == [True, True]


@pytest.mark.parametrize("most", [2, 3, 10])
def test_no_more_than_max_concurrent_are_in_flight(most):
    lock, now, peak = threading.Lock(), 0, 0

    def counted(item):
        nonlocal now, peak
        with lock:
            now += 1
            peak = max(peak, now)
        time.sleep(0.1 if item == 0 else 0.01)
        with lock:
            now -= 1

    done = auto(counted, range(40), max_concurrent=most)
    assert done.metadata["executor"] == "thread"
    assert 1 < peak <= most


def test_no_item_runs_twice():
    ran = []

    def noted(item):
        ran.append(item)
        time.sleep(0.002)
        return item

    assert auto(noted, range(300)) == list(range(300))
    assert sorted(ran) == list(range(300))


def test_a_source_that_nobody_knows_the_length_of():
    def slowly():
        for number in range(8):
            time.sleep(0.01)
            yield number

    done = auto(fine, slowly())
    assert done == list(range(1, 9))
    assert done.metadata["executor"] == "sequential"
    assert auto(fine, iter(())) == []


def test_work_that_changes_is_looked_at_again():
    def changing(item):
        return wait(item) if item >= 100 else compute(item, 0.0005)

    done = auto(changing, iter(range(160)))
    assert done == list(range(160))
    assert done.metadata["executor"] in ("thread", "process")


def test_coroutines_run_on_an_event_loop():
    class Slow(batchmill.AsyncNode):
        async def prep_async(self, shared):
            return shared["item"]

        async def exec_async(self, item):
            await asyncio.sleep(0.01)
            return item

    seen = []

    async def work(node, item):
        shared = {"item": item}
        await node.run_async(shared)
        seen.append(threading.current_thread().name)

    class Task(contract.Task):
        awaits = True
        share = True

        def run(self, item, index, attempt):
            raise AssertionError("not the way to run it")

        async def run_async(self, item, index, attempt):
            await work(Slow(), item)
            return item

    class Ask:
        def as_task(self):
            return Task()

    done = auto(Ask(), range(20))
    assert done == list(range(20))
    assert done.metadata["reason"] == "auto chose thread: its items await, on one event loop"
    assert set(seen) == {"batchmill-event-loop"}


def test_closing_a_stream_early_ends_everything():
    stream = batchmill.imap(wait, iter(range(10_000)), executor="auto")
    assert next(stream) == 0
    stream.close()


def test_a_failure_ends_the_batch_whoever_runs_it():
    def fail(item):
        time.sleep(0.002)
        if item == 30:
            raise ValueError("thirty")
        return item

    with pytest.raises(batchmill.BatchFailed, match="thirty"):
        auto(fail, range(1000))
    assert [error["index"] for error in auto(fail, range(50), error_handling="continue").errors] == [30]


def test_a_timeout_holds_from_the_first_item_on(given_time):
    over = threading.Event()

    def stuck(item):
        if item == 0:
            over.wait(60)
        return item

    def check(seconds):
        over.clear()
        done = auto(stuck, range(10), timeout=seconds, error_handling="continue")
        over.set()
        assert [error["kind"] for error in done.errors] == ["timeout"]
        assert done[1:] == list(range(1, 10))

    given_time(check)


def test_the_run_tells_of_the_choice():
    heard = []
    node = {"id": "n", "type": "shell", "params": {"command": "sleep 0.1; echo ${item}"}}
    node["batch"] = {"items": {"range": [0, 12]}, "executor": "auto"}
    told = {"told": {"source": "${n.batch_metadata}"}}
    run = batchmill.run({"nodes": [node], "outputs": told}, listeners=[heard.append])
    notes = [event for event in heard if type(event).__name__ == "Noticed"]
    assert [note.node for note in notes] == ["n"]
    assert notes[0].message == run.outputs["told"]["reason"]
    assert run.outputs["told"]["executor"] == "thread"


@pytest.mark.skipif(not WITH_GIL, reason="nobody holds a GIL that is not there")
def test_the_gil_watch_sees_who_holds_the_gil():
    end = threading.Event()

    def spin():
        while not end.is_set():
            compute(0, 0.001)

    thread = threading.Thread(target=spin)
    thread.start()
    busy = GilWatch()
    for _ in range(10):
        busy.sleep(0.001)
    end.set()
    thread.join()
    assert busy.share() > 0.2  # others may have the cores meanwhile


def test_a_mean_item_counts_the_one_that_runs():
    seen = measured(Readings(), Readings(3, 0.3, 0.1, 0.2), held=0.5, stolen=0.0, left=7)
    assert (seen.items, seen.left) == (4, 7)
    assert (seen.wall, seen.cpu, seen.held) == pytest.approx((0.1, 0.05, 0.05))


def test_waiting_for_a_core_is_not_the_items_waiting():
    crowded = measured(Readings(), Readings(1, 0.1, 0.0, 0.04), held=1.0, stolen=0.08, left=7)
    assert crowded.wall == pytest.approx(0.04)
    waiting = measured(Readings(), Readings(1, 0.1, 0.0, 0.001), held=1.0, stolen=0.1, left=7)
    assert waiting.wall == pytest.approx(0.1)


def test_shipping_is_as_dear_as_the_payload_is_large():
    class Anything(contract.Task):
        def run(self, item, index, attempt):
            return hashlib.sha256(item).digest()

    light = shipping(Anything(), (1, 2), 2)
    heavy = shipping(Anything(), (list(range(300_000)), "x" * 5_000_000), 2)
    assert heavy.per_item > 10 * light.per_item
    assert "item" in shipping(Anything(), (threading.Lock(), 2), 2).refusal
    assert "result" in shipping(Anything(), (1, threading.Lock()), 2).refusal
