"""Large results do not pile up behind a slow item: what is ahead of the consumer is bounded by bytes."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import batchmill
from batchmill.batch import stream_buffer
from batchmill.batch.stream_buffer import StreamBuffer
from batchmill.executors.dispatch import chunk_sizes
from batchmill.flow import AsyncNode

SIZE = 100_000
WORKERS = 4
ROOM = 20  # results that fit into what is allowed in the tests


class Stalled:
    """Counts items; the first one waits until no other runs any more."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.run = 0

    def begun(self) -> int:
        with self.lock:
            self.run += 1
            return self.run

    def until_nothing_moves(self) -> None:
        before, quiet = -1, 0
        while quiet < 10:
            time.sleep(0.05)
            with self.lock:
                quiet = quiet + 1 if self.run == before else 0
                before = self.run


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_sizes, "BYTES_AHEAD", ROOM * SIZE)
    monkeypatch.setattr(chunk_sizes, "BYTES_PER_CHUNK", SIZE)


def result(item: int) -> Any:
    """Flat text, bytes, and text inside of something."""
    return ("x" * SIZE, b"x" * SIZE, {"stdout": ["x" * SIZE]})[item % 3]


@pytest.mark.usefixtures("few")
def test_on_threads() -> None:
    seen = Stalled()
    counts = []

    def work(item: int) -> Any:
        seen.begun()
        if item == 0:
            seen.until_nothing_moves()
            counts.append(seen.run)
        return result(item)

    values = list(batchmill.imap(work, iter(range(200)), executor="thread", max_concurrent=WORKERS))
    assert [len(str(value)) >= SIZE for value in values] == [True] * 200
    assert WORKERS <= counts[0] <= ROOM + 2 * WORKERS


@pytest.mark.usefixtures("few")
def test_on_an_event_loop() -> None:
    seen = Stalled()
    counts = []

    class Large(AsyncNode):
        async def exec_async(self, prep_res: int) -> Any:
            seen.begun()
            if prep_res == 0:
                await asyncio.to_thread(seen.until_nothing_moves)
                counts.append(seen.run)
            return result(prep_res)

    values = list(batchmill.imap(Large(), range(400), executor="thread", max_concurrent=WORKERS))
    assert len(values) == 400
    assert WORKERS <= counts[0] <= ROOM + 2 * 16


def test_between_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_buffer, "BYTES_OF_ROOM", ROOM * SIZE)
    between = StreamBuffer()
    put = []

    def produce() -> None:
        for number in range(100):
            between.put([{"stdout": str(number) * SIZE}])
            put.append(number)
        between.end()

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    taken = 0
    while items := between.take(1):
        time.sleep(0.002)
        assert len(put) - taken <= ROOM + 2
        taken += len(items)
    assert taken == 100


def test_an_item_larger_than_all_that_is_allowed_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_buffer, "BYTES_OF_ROOM", 10)
    between = StreamBuffer()
    producer = threading.Thread(
        target=lambda: [between.put(["x" * SIZE]) for _ in range(5)] and between.end()
    )
    producer.start()
    taken = 0
    while items := between.take(10):
        taken += len(items)
    producer.join(10)
    assert taken == 5
