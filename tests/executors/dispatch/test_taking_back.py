"""Taking items back from a worker process, at every single step that the worker can be held at."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from batchmill.attempt import Attempt
from batchmill.batch.window import Window
from batchmill.block import Block
from batchmill.errors import InternalError
from batchmill.executors import contract
from batchmill.executors.contract import Chunk
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.dispatch.driver import Driver
from batchmill.executors.dispatch.settling import ChunkSettler
from batchmill.executors.process.child import Order, Reply, WorkerProcess
from batchmill.executors.process.link import ProcessLink
from batchmill.executors.process.packed_job import PackedJob
from batchmill.executors.process.pool import shared_pool
from batchmill.executors.process.shared_area import SharedArea
from batchmill.executors.process.slot import Remains
from batchmill.executors.running.attempts import Job
from batchmill.executors.running.progress import CELLS, LOADING, MOST_CHUNKS, RUNNING, Progress
from batchmill.items.sources import as_source
from batchmill.policy import FailurePolicy, FailureWatch

ITEMS = 9
RUNS: Counter[int] = Counter()


class Note(contract.Task):
    """Notes in this process, which is the worker's here, that an item was run."""

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        RUNS[item] += 1
        return item * 10

    def __reduce__(self) -> tuple[Any, ...]:
        return Note, ()


class Watched:
    """Cells that call ``step`` before and after each access of the worker's."""

    def __init__(self, cells: Any) -> None:
        self.cells = cells
        self.step: Callable[[], None] = lambda: None

    def __getitem__(self, place: int) -> int:
        self.step()
        value: int = self.cells[place]
        self.step()
        return value

    def __setitem__(self, place: int, value: int) -> None:
        self.step()
        self.cells[place] = value
        self.step()


class Slot:
    """A worker process that is this one: what is sent to it waits until the test runs it."""

    def __init__(self, path: str) -> None:
        self.area = SharedArea.create(path)
        self.known: set[bytes] = set()
        self.served = 0
        self.verdict = None
        self.orders: list[tuple[Order, Callable[[Reply | Remains], None]]] = []
        self.next_seq = 1

    def send(self, order: Order, settle: Callable[[Reply | Remains], None]) -> None:
        self.orders.append((order, settle))
        self.next_seq += 1

    def hold(self) -> None:
        self.area.progress.pause()


class Stage:
    """A window, the parent's side of one worker, and the worker, all in this thread: two chunks are sent."""

    def __init__(self, path: str) -> None:
        RUNS.clear()
        source = as_source(list(range(ITEMS)))
        self.window = Window(source, FailureWatch(FailurePolicy(True), ITEMS), ordered=True)
        job = Job(Note())
        self.shipment = PackedJob(job, shared_pool())
        settler = ChunkSettler(job, self.window, ChunkSizer(2, 0.018, 2048, 3))
        self.slot = Slot(path)
        link = ProcessLink(self.slot, self.shipment, shared_pool(), Mock())  # type: ignore[arg-type]  # such a slot
        self.driver = Driver(settler, SimpleNamespace(shared=False), Mock())  # type: ignore[arg-type]  # what it needs of it
        self.driver.in_flight.lease(link)
        self.worker = WorkerProcess(path, shared_pool().folders, Mock())
        self.watched = Watched(self.worker.area.progress._cells)
        self.worker.area.progress = Progress(self.watched)  # type: ignore[arg-type]  # such cells
        for _ in range(2):
            chunk = self.window.take(3, 100)
            assert chunk is not None
            self.driver._send(link, chunk)

    def take_back(self) -> None:
        """What the parent does while another worker has nothing to do."""
        self.driver.in_flight.hold()
        self.driver.in_flight.take_back()

    def finish(self) -> list[Any]:
        """Run what nobody has, as another worker would; all results."""
        while (chunk := self.window.take(5, 100)) is not None:
            self.deliver_of(chunk)
        return [value for block in self.window.blocks() for value in block.values]

    def deliver_of(self, chunk: Chunk) -> None:
        for item in chunk.items:
            RUNS[item] += 1
        values = [item * 10 for item in chunk.items]
        self.window.deliver(Block(chunk.start, values, [0.0] * len(chunk), {}, chunk.items))

    def close(self) -> None:
        self.slot.area.remove()
        self.shipment.withdraw()
        self.slot.orders.clear()  # which hold on to all of this
        self.driver.in_flight.lease(None)
        self.watched.step = lambda: None


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[[], Stage]]:
    made: list[Stage] = []
    numbers = itertools.count()

    def make() -> Stage:
        while made:  # a few descriptors each
            made.pop().close()
        made.append(Stage(str(tmp_path / f"area{next(numbers)}")))
        return made[-1]

    yield make
    while made:
        made.pop().close()


def steps_of(stage: Stage, at: int) -> int:
    """Run both chunks, with a taking back at the ``at``-th step of the worker, before the first reply was
    read; how many steps there were."""
    count = 0

    def step() -> None:
        nonlocal count
        if count == at:
            stage.take_back()
        count += 1

    stage.watched.step = step
    replies = []
    for order, settle in stage.slot.orders:
        replies.append((settle, stage.worker.run(order)))
    stage.watched.step = lambda: None
    for settle, reply in replies:
        settle(reply)
    return count


def go_to(progress: Progress, seq: int, begun: int) -> None:
    """Have a worker be there."""
    progress.begin_chunk(seq)
    begin_item = progress.begin_items()
    for _ in range(begun):
        assert begin_item()


def test_wherever_the_worker_is_held_each_item_is_run_once(stage: Callable[[], Stage]) -> None:
    steps = steps_of(stage(), -1)
    assert steps > 40
    for at in range(steps):
        one = stage()
        steps_of(one, at)
        assert one.finish() == [item * 10 for item in range(ITEMS)], f"held at step {at}"
        assert set(RUNS.values()) == {1}, f"held at step {at}: {RUNS}"


def test_a_chunk_that_ran_and_was_not_settled_is_kept_while_the_next_one_begins(
    stage: Callable[[], Stage],
) -> None:
    one = stage()
    progress = one.slot.area.progress
    go_to(progress, 1, 3)  # after the first chunk
    progress.publish(0)  # and at the first stores of the next one
    progress.enter(LOADING)
    one.take_back()
    assert one.window._intake.supply.returned[0].start == 3
    assert sum(map(len, one.window._intake.supply.returned)) == 3


def test_a_worker_is_not_worn_by_items_that_were_taken_back(stage: Callable[[], Stage]) -> None:
    one = stage()
    one.slot.served = 10  # with the six that it has now
    one.take_back()
    assert one.slot.served == 4


def test_one_look_tells_chunk_and_item() -> None:
    cells = [0] * CELLS
    progress = Progress(cells)
    go_to(progress, MOST_CHUNKS - 1, 2)
    assert progress.position == (MOST_CHUNKS - 1, 2)
    assert max(cells).bit_length() <= 63


def test_a_reply_about_items_that_were_taken_back_is_an_error(stage: Callable[[], Stage]) -> None:
    """It cannot come; were it to come, nobody must take its results for those that are owed."""
    one = stage()
    order, settle = one.slot.orders[0]
    reply = one.worker.run(order)
    seq = order.seq
    chunk = one.driver.in_flight._chunks[seq]
    one.driver.in_flight._chunks[seq] = chunk.part(0, 1)
    one.window.give_back(chunk.part(1))
    settle(reply)
    with pytest.raises(InternalError, match="please report"):
        list(one.window.blocks())


def test_a_worker_dies_between_two_chunks(stage: Callable[[], Stage]) -> None:
    """Whatever it wrote of the second one: the first one's reply is there, the second is run elsewhere."""
    for place in ((1, 3), (2, 0)):
        one = stage()
        (first, settle_first), (_, settle_second) = one.slot.orders
        settle_first(one.worker.run(first))
        go_to(one.slot.area.progress, *place)
        settle_second(Remains(1, -9, one.slot.area.progress.position, RUNNING, 1, 0, 0, 0))
        assert one.finish() == [item * 10 for item in range(ITEMS)]
        assert set(RUNS.values()) == {1}
