"""The driver over links that are no processes: what is sent, and that each item is settled once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from batchmill.batch.window import Window
from batchmill.block import Block
from batchmill.errors import ExecutorUnavailable
from batchmill.executors import contract
from batchmill.executors.contract import Chunk
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.dispatch.driver import Driver
from batchmill.executors.dispatch.link import (
    CannotTravel,
    Death,
    End,
    Ended,
    Failure,
    LinkBroken,
    Refusal,
    Results,
    Send,
)
from batchmill.executors.dispatch.settling import ChunkSettler
from batchmill.executors.running.attempts import Job
from batchmill.executors.running.progress import Position
from batchmill.items.sources import as_source
from batchmill.outcome import ErrorInfo
from batchmill.policy import FailurePolicy, FailureWatch

Answer = Callable[[Chunk], End]


def run_all(chunk: Chunk) -> End:
    """As a worker that is well."""
    return Results(Block(chunk.start, [item * 10 for item in chunk.items], [0.0] * len(chunk)), 0.1, 10)


class Link:
    """A worker that answers each chunk with the next of ``answers``, and then runs what it gets."""

    def __init__(self, lender: Lender, answers: list[Answer]) -> None:
        self.lender = lender
        self.answers = answers
        self.served = 0
        self.healthy = True
        self.has_job = lender.has_job
        self.next_number = 1

    def pack(self, chunk: Chunk, seconds: float) -> Send:
        answer = self.answers.pop(0) if self.answers else run_all

        def send(ended: Ended) -> None:
            end = answer(chunk)
            self.next_number += 1
            self.healthy = self.healthy and not isinstance(end, Death)
            ended(end)

        return send

    def position(self) -> Position:
        return Position(0, 0)

    def age(self) -> float:
        return 0.0

    def resident(self) -> int:
        return 0

    def nothing(self, *_: Any) -> None:
        """There are no items that could be stopped."""

    stop_items = hold = go_on = kill = retire = nothing

    def give_back(self) -> None:
        self.lender.given_back.append(self)


class Lender:
    """Has one worker after another."""

    shared = False
    has_job = True  # its workers have

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.leased: list[Link] = []
        self.given_back: list[Link] = []

    def wait_for_start(self, given_up: Callable[[], bool]) -> None:
        """No worker is ever waited for."""

    def lease(self, given_up: Callable[[], bool]) -> Link:
        self.leased.append(Link(self, self.answers))
        return self.leased[-1]


def done_by(lender: Lender, n: int, **settings: Any) -> tuple[Window, Driver]:
    """Have ``n`` items run by one driver, three at a time."""
    window = Window(as_source(list(range(n))), FailureWatch(FailurePolicy(fail_fast=False), n), ordered=True)
    settler = ChunkSettler(Job(contract.Task()), window, ChunkSizer(1, 0.018, 2048, 3))
    driver = Driver(settler, lender, lambda work: threading.Thread(target=work).start(), **settings)
    driver.start()
    return window, driver


def values(window: Window) -> list[Any]:
    return [
        outcome.value if outcome.error is None else outcome.error.type
        for block in window.blocks()
        for outcome in block.outcomes()
    ]


def test_all_items_come_back_and_the_worker_is_given_back() -> None:
    lender = Lender()
    window, driver = done_by(lender, 8)
    assert values(window) == [item * 10 for item in range(8)]
    driver.join(5)
    assert lender.given_back == lender.leased
    assert len(lender.leased) == 1


def test_a_dead_worker_is_replaced_and_its_item_is_charged() -> None:
    lender = Lender(
        lambda chunk: Death("worker 1", "fell over", finished=run_two(chunk), suspects=range(2, 3), attempt=1)
    )
    window, _ = done_by(lender, 5)
    assert values(window) == [0, 10, "WorkerDied", 30, 40]
    assert len(lender.leased) == 2


def run_two(chunk: Chunk) -> Block:
    return Block(chunk.start, [item * 10 for item in chunk.items[:2]], [0.0] * 2)


def test_a_death_on_another_chunk_costs_nothing() -> None:
    window, _ = done_by(Lender(lambda chunk: Death("worker 1", "fell over")), 4)
    assert values(window) == [0, 10, 20, 30]


def test_workers_that_die_newborn_end_the_batch() -> None:
    newborn = Death("worker 1", "exited with code 1", newborn=True)
    window, _ = done_by(Lender(*[lambda chunk: newborn] * 3), 4)
    with pytest.raises(ExecutorUnavailable, match="exited with code 1"):
        values(window)


def test_what_ran_in_part_is_sent_again_in_part() -> None:
    window, _ = done_by(Lender(lambda chunk: Results(run_two(chunk), 0.1, 5)), 4)
    assert values(window) == [0, 10, 20, 30]


def test_a_job_that_was_forgotten_is_sent_again() -> None:
    window, _ = done_by(Lender(lambda chunk: Refusal("job")), 4)
    assert values(window) == [0, 10, 20, 30]


def test_a_job_that_cannot_be_loaded_fails_each_item() -> None:
    refusal = Refusal("job", ErrorInfo("ImportError", "no such module"))
    window, _ = done_by(Lender(lambda chunk: refusal), 3)
    assert values(window) == ["NotPicklable"] * 3


def test_items_that_cannot_be_loaded_are_sent_one_by_one() -> None:
    def refuse(chunk: Chunk) -> End:
        return Refusal("items", ErrorInfo("ValueError", "no")) if 1 in chunk.items else run_all(chunk)

    window, _ = done_by(Lender(*[refuse] * 4), 3)
    assert values(window) == [0, "NotPicklable", 20]


def test_a_fault_of_ours_ends_the_batch_and_names_no_item() -> None:
    window, _ = done_by(Lender(lambda chunk: Failure(ZeroDivisionError("ours"))), 3)
    with pytest.raises(ZeroDivisionError, match="ours"):
        values(window)


def test_a_worker_that_had_died_unnoticed_costs_nothing() -> None:
    def gone(chunk: Chunk) -> End:
        raise LinkBroken("dead already")

    lender = Lender(gone)
    window, _ = done_by(lender, 3)
    assert values(window) == [0, 10, 20]


def test_items_that_cannot_be_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(self: Link, chunk: Chunk, seconds: float) -> Send:
        if 2 in chunk.items:
            raise CannotTravel(ErrorInfo("NotPicklable", "a lock", "not_picklable"))
        return packed(self, chunk, seconds)

    packed = Link.pack
    monkeypatch.setattr(Link, "pack", pack)
    window, _ = done_by(Lender(), 4)
    assert values(window) == [0, 10, "NotPicklable", 30]


def test_a_worker_is_replaced_after_so_many_items() -> None:
    lender = Lender()
    window, driver = done_by(lender, 7, max_items=2)
    assert values(window) == [item * 10 for item in range(7)]
    driver.join(5)
    assert [link.served for link in lender.leased] == [2, 2, 2, 1]


def test_no_thread_for_what_is_left_ends_the_batch() -> None:
    """The first chunk needed none; it came back in part."""
    window = Window(as_source([1, 2, 3]), FailureWatch(FailurePolicy(), 3), ordered=True)
    settler = ChunkSettler(Job(contract.Task()), window, ChunkSizer(1, 0.018, 2048, 3))
    lender = Lender(lambda chunk: Results(run_two(chunk), 0.1, 5))
    held: list[Callable[[], None]] = []

    def pack(chunk: Chunk, seconds: float) -> Send:
        send = Link.pack(link, chunk, seconds)
        return lambda ended: held.append(lambda: send(ended))

    def no_thread(work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    driver = Driver(settler, lender, no_thread)
    link = driver._healthy_link()
    assert isinstance(link, Link)
    link.pack = pack  # type: ignore[method-assign]  # the answer comes when the test wants it
    driver.send_first()
    driver.start()
    held[0]()
    assert driver.over
    assert lender.given_back == [link]
    with pytest.raises(ExecutorUnavailable, match="no thread can be started"):
        values(window)


def test_a_driver_that_gets_no_thread_has_nothing_on_lease() -> None:
    def no_thread(work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    window = Window(as_source([1]), FailureWatch(FailurePolicy(), 1), ordered=True)
    driver = Driver(
        ChunkSettler(Job(contract.Task()), window, ChunkSizer(1, 0.018, 2048, 3)), Lender(), no_thread
    )
    with pytest.raises(ExecutorUnavailable):
        driver.start()
    assert driver.over


def test_workers_that_die_of_loading_the_job_end_the_batch() -> None:
    """They are sent a chunk without items before the first item is let start."""
    died = Death("worker 1", "was killed by signal 11", finished=Block(0), suspects=range(0))
    lender = Lender(*[lambda chunk: died] * 3)
    window = Window(as_source([1]), FailureWatch(FailurePolicy(), 1), ordered=True)
    settler = ChunkSettler(Job(contract.Task()), window, ChunkSizer(1, 0.018, 2048, 3))
    driver = Driver(settler, lender, lambda work: None)
    lender.has_job = False
    assert not driver.warm_up()
    with pytest.raises(ExecutorUnavailable, match="signal 11"):
        values(window)


def test_what_cannot_be_sent_is_given_back() -> None:
    def broken(chunk: Chunk) -> End:
        raise MemoryError

    window, driver = done_by(Lender(broken), 2)
    with pytest.raises(MemoryError):
        values(window)
    driver.join(5)
    assert not driver.in_flight
