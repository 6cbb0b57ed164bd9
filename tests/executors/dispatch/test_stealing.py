"""Items behind a long one in the same chunk are run by workers that have nothing else to do."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.batch.window import Window
from batchmill.executors.dispatch.in_flight import InFlight
from batchmill.executors.dispatch.stealing import Watch, WorkStealer
from batchmill.executors.process.pool import shared_pool
from batchmill.items.sources import as_source
from batchmill.policy import FailurePolicy, FailureWatch

LONG = 1.0


def meet(folder: str) -> None:
    """Wait until another worker has come, too."""
    Path(folder, str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(os.listdir(folder)) < 2 and time.monotonic() < end:
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def workers_that_are_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Those that still boot would be no help."""
    folder = str(tmp_path_factory.mktemp("met"))
    batchmill.map(meet, [folder] * 2, executor="process", max_concurrent=2, chunk_size=1)


def work(folder: str, seconds: float) -> tuple[int, float]:
    """Note that the item was begun, take the time, and tell where and when it ended."""
    with open(os.path.join(folder, str(os.getpid())), "a") as log:
        log.write(f"{seconds}\n")
    time.sleep(seconds)
    return os.getpid(), time.monotonic()


def begun(folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.iterdir())


def test_what_waits_behind_a_long_item_is_run_elsewhere(tmp_path: Path, given_time: Any) -> None:
    def check(seconds: float) -> None:
        folder = tmp_path / str(seconds)
        folder.mkdir()
        items, call = [3 * seconds] + [0.001] * 19, functools.partial(work, str(folder))
        done = batchmill.map(call, items, executor="process", max_concurrent=2, chunk_size=20)
        (first, end), *others = done.values
        assert all(pid != first and ended < end for pid, ended in others)
        assert begun(folder) == 20

    given_time(check)


def test_a_chunk_that_waits_behind_another_is_taken_back_too(tmp_path: Path, given_time: Any) -> None:
    """Two chunks are at each worker while items are short; the last long one holds up its worker's second."""

    def check(seconds: float) -> None:
        folder = tmp_path / str(seconds)
        folder.mkdir()
        items, call = [0.001] * 40 + [3 * seconds] + [0.001] * 9, functools.partial(work, str(folder))
        done = batchmill.map(call, items, executor="process", max_concurrent=2, chunk_size=5)
        end = done.values[40][1]
        assert sum(ended > end for _, ended in done.values) == 0
        assert begun(folder) == 50

    given_time(check)


def test_a_worker_that_was_held_goes_on_afterwards() -> None:
    items = [0.05, 0, 0, 0] * 10
    for _ in range(3):
        done = batchmill.map(time.sleep, items, executor="process", max_concurrent=2, chunk_size=4)
        assert done.values == [None] * 40


@pytest.mark.slow
def test_items_that_have_always_been_short_and_are_long_now(tmp_path: Path) -> None:
    """Two of them would travel together, for one alone is not worth the trip."""
    call = functools.partial(work, str(tmp_path))
    for _ in range(5):
        batchmill.map(call, [0, 0], executor="process", max_concurrent=2)
    (one, _), (other, _) = batchmill.map(call, [LONG, LONG], executor="process", max_concurrent=2).values
    assert one != other


def test_a_death_while_the_worker_is_held_costs_one_item(tmp_path: Path) -> None:
    done = batchmill.map(
        functools.partial(die_late, str(tmp_path)),
        range(10),
        executor="process",
        max_concurrent=2,
        chunk_size=10,
        error_handling="continue",
    )
    assert [error["index"] for error in done.errors] == [0]
    assert done.errors[0]["kind"] == "worker_died"
    assert done.values[1:] == list(range(1, 10))
    assert begun(tmp_path) == 10


def test_nothing_is_taken_back_from_the_only_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would run the items itself, in a chunk of their own."""
    held: list[InFlight] = []
    monkeypatch.setattr(InFlight, "hold", held.append)
    batchmill.map(time.sleep, [LONG / 10] * 4, executor="process", max_concurrent=1, chunk_size=4)
    assert not held


def die_late(folder: str, number: int) -> int:
    with open(os.path.join(folder, str(os.getpid())), "a") as log:
        log.write(f"{number}\n")
    if number == 0:
        time.sleep(0.3)
        os._exit(3)
    return number


def test_a_batch_begins_at_the_pace_of_the_last_one_of_its_kind() -> None:
    pool = shared_pool()
    batchmill.map(abs, range(5000), executor="process", max_concurrent=2)
    paces = dict(pool.paces._known)
    assert paces
    assert min(pace.seconds for pace in paces.values()) < 0.001


@pytest.mark.parametrize("number", range(3))
def test_results_are_in_order_whoever_ran_them(number: int) -> None:
    items = [0.03 if index % 17 == number else 0.0 for index in range(200)]
    done = batchmill.map(index_after, list(enumerate(items)), executor="process", max_concurrent=3)
    assert done.values == list(range(200))


def index_after(item: tuple[int, float]) -> int:
    time.sleep(item[1])
    return item[0]


def test_what_waits_behind_a_long_item_is_run_where_a_worker_had_ended(tmp_path: Path) -> None:
    """Each worker got one chunk, with which all was sent: who is done with his has ended by then."""
    items = [LONG] + [0.001] * 9
    done = batchmill.map(
        functools.partial(work, str(tmp_path)), items, executor="process", max_concurrent=2, chunk_size=5
    )
    (first, end), *others = done.values
    assert all(pid != first and ended < end for pid, ended in others)
    assert begun(tmp_path) == 10


def test_one_thread_looks_at_all_until_nothing_is_left_to_look_at(soon) -> None:
    started: list[threading.Thread] = []

    def run(call: Callable[[], None]) -> None:
        started.append(threading.Thread(target=call, daemon=True))
        started[-1].start()

    watch, left = Watch(run, linger=0), {"a": 3, "b": 5}

    def look_at(name: str) -> Callable[[], bool]:
        def look() -> bool:
            if left == {"a": 3, "b": 5}:  # while the thread is certainly at it
                watch.add(look_at("b"))
            left[name] -= 1
            return left[name] > 0

        return look

    watch.add(look_at("a"))
    assert soon(lambda: not started[0].is_alive())
    assert left == {"a": 0, "b": 0}
    assert len(started) == 1
    watch.add(look_at("a"))  # which looks once
    assert soon(lambda: not started[1].is_alive())
    assert left["a"] == -1


def test_without_a_thread_nothing_is_looked_at() -> None:
    def refuse(call: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    watch = Watch(refuse)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="new thread"):
            watch.add(lambda: True)


def test_where_there_can_be_no_other_worker_nobody_watches() -> None:
    started: list[Callable[[], None]] = []
    watch = Watch(started.append)
    window = Window(as_source([1, 2]), FailureWatch(FailurePolicy(), 2), ordered=True)
    for several, looks in ((False, 0), (True, 1)):
        WorkStealer(window, watch, list, functools.partial(bool, several)).begin()
        assert len(started) == looks
