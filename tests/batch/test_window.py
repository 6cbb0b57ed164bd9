"""The window: driven in random order against a plain model, and its promises one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import batchmill
from batchmill.batch.stream_buffer import StreamBuffer
from batchmill.batch.window import Window
from batchmill.block import Block
from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk
from batchmill.items.sources import as_source
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.policy import FailurePolicy, FailureWatch

TOLERANT = FailurePolicy(fail_fast=False)


def window_of(items: Any, *, ordered: bool = True, policy: FailurePolicy = TOLERANT) -> Window:
    source = as_source(items)
    return Window(source, FailureWatch(policy, source.remaining()), ordered=ordered)


def done(chunk: Chunk, failed: frozenset[int] = frozenset()) -> Block:
    """The outcomes of a chunk's items; those in ``failed`` (indices) are errors."""
    block = Block(chunk.start, list(chunk.items), [0.0] * len(chunk), {}, chunk.items)
    for offset in range(len(chunk)):
        if chunk.start + offset in failed:
            block.values[offset] = None
            block.special[offset] = Outcome(chunk.start + offset, error=ErrorInfo("E", "no"))
    return block


class WindowModel(RuleBasedStateMachine):
    """Takes, gives back, delivers, consumes and stops in any order. Nothing here may wait: rules are
    entered only when they need not."""

    @initialize(
        count=st.integers(0, 60),
        ordered=st.booleans(),
        as_list=st.booleans(),
        policy=st.sampled_from([TOLERANT, FailurePolicy(True), FailurePolicy(False, tolerate_count=2)]),
    )
    def begin(self, count: int, ordered: bool, as_list: bool, policy: FailurePolicy) -> None:
        items = list(range(100, 100 + count))
        self.count = count
        self.ordered = ordered
        self.policy = policy
        self.window = window_of(items if as_list else iter(items), ordered=ordered, policy=policy)
        self.hands: list[Chunk] = []
        self.returned: set[int] = set()
        self.final: dict[int, bool | None] = {}  # by index: succeeded, None for cancelled
        self.consumed: list[Outcome] = []
        self.read = 0
        self.failed = 0
        self.stopped = False

    def _ready_to_take(self, ahead: int) -> bool:
        if self.returned or self.stopped:
            return bool(self.returned) or not self.hands or self.stopped
        return self.read - len(self.consumed) < ahead

    @rule(most=st.integers(1, 9), ahead=st.integers(1, 40))
    def take(self, most: int, ahead: int) -> None:
        if not self._ready_to_take(ahead) or (self.read >= self.count and self.hands and not self.returned):
            return  # it would wait
        chunk = self.window.take(most, ahead)
        if chunk is None:
            assert self.stopped or (self.read >= self.count and not self.returned)
            return
        assert 1 <= len(chunk) <= most
        indices = range(chunk.start, chunk.start + len(chunk))
        assert list(chunk.items) == [100 + index for index in indices]
        if indices[0] in self.returned:
            self.returned -= set(indices)
        else:
            assert not self.returned  # what was given back goes first
            assert self.read == indices[0]
            self.read += len(chunk)
        self.hands.append(chunk)

    @precondition(lambda self: self.hands)
    @rule(place=st.integers(0, 100), at=st.integers(0, 9))
    def give_back(self, place: int, at: int) -> None:
        chunk = self.hands.pop(place % len(self.hands))
        head, tail = chunk.part(0, at), chunk.part(at)
        for part in (head, tail):
            self.window.give_back(part)
            indices = range(part.start, part.start + len(part))
            if self.stopped:
                self.final.update(dict.fromkeys(indices))
            else:
                self.returned |= set(indices)

    @precondition(lambda self: self.hands)
    @rule(
        places=st.lists(st.integers(0, 100), min_size=1, max_size=4),
        failed=st.frozensets(st.integers(0, 60), max_size=6),
    )
    def deliver(self, places: list[int], failed: frozenset[int]) -> None:
        chunks = [self.hands.pop(place % len(self.hands)) for place in places if self.hands]
        for chunk in chunks:
            for index in range(chunk.start, chunk.start + len(chunk)):
                self.final[index] = index not in failed
                self.failed += index in failed
        self.window.deliver(*[done(chunk, failed) for chunk in chunks])
        if self._must_stop():
            self._now_stopped()

    def _must_stop(self) -> bool:
        if not self.failed:
            return False
        most = self.policy.tolerate_count
        return self.policy.fail_fast or (most is not None and self.failed > most)

    def _now_stopped(self) -> None:
        self.stopped = True
        self.final.update(dict.fromkeys(self.returned))
        self.returned = set()

    @rule()
    def stop(self) -> None:
        self.window.stop()
        self._now_stopped()

    @rule()
    def consume(self) -> None:
        for block in self.window.ready():
            assert len(block.items) == len(block)
            self.consumed.extend(block.outcomes())

    @invariant()
    def agrees(self) -> None:
        assert self.window.stopped == self.stopped
        assert self.window.taken == self.read
        seen = [outcome.index for outcome in self.consumed]
        assert len(seen) == len(set(seen))
        if self.ordered:
            assert seen == list(range(len(seen)))
        for outcome in self.consumed:
            expected = self.final[outcome.index]
            kind = outcome.error.kind if outcome.error else None
            assert kind == {True: None, False: "exception", None: "cancelled"}[expected]
            assert outcome.value == (100 + outcome.index if expected else None)

    def teardown(self) -> None:
        if not hasattr(self, "window"):
            return
        while self.hands:
            self.deliver([0], frozenset())
        while not self.stopped and (chunk := self.window.take(7, 10**9)) is not None:
            self.final.update(dict.fromkeys(range(chunk.start, chunk.start + len(chunk)), True))
            self.read = max(self.read, chunk.start + len(chunk))
            self.window.deliver(done(chunk))
            self.returned -= set(range(chunk.start, chunk.start + len(chunk)))
        for block in self.window.blocks():  # ends by itself: nothing is under way
            self.consumed.extend(block.outcomes())
        self.agrees()
        assert sorted(outcome.index for outcome in self.consumed) == list(range(self.read))


WindowModel.TestCase.settings = hypothesis_settings(
    max_examples=37, stateful_step_count=40, deadline=None, derandomize=True
)
TestWindow = WindowModel.TestCase


def test_many_workers_and_a_consumer_lose_and_mix_nothing() -> None:
    window = window_of(iter(range(3000)))
    failed = frozenset(range(0, 3000, 7))

    def work(number: int) -> None:
        turn = number
        while (chunk := window.take(1 + turn % 5, 64)) is not None:
            turn += 1
            if turn % 11 == 0:
                window.give_back(chunk.part(1))
                chunk = chunk.part(0, 1)
            window.deliver(done(chunk, failed))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    outcomes = [outcome for block in window.blocks() for outcome in block.outcomes()]
    for thread in threads:
        thread.join()
    assert [outcome.index for outcome in outcomes] == list(range(3000))
    assert [outcome.value for outcome in outcomes] == [None if n in failed else n for n in range(3000)]


def test_a_full_window_makes_workers_wait_for_the_consumer() -> None:
    window = window_of(range(100))
    chunk = window.take(10, 10)
    assert chunk is not None
    window.deliver(done(chunk))
    taken: list[Chunk | None] = []
    worker = threading.Thread(target=lambda: taken.append(window.take(10, 10)))
    worker.start()
    worker.join(0.05)
    assert worker.is_alive()
    assert [len(block) for block in window.ready()] == [10]
    worker.join(5)
    assert taken[0] is not None
    assert taken[0].start == 10


def test_what_the_source_raises_comes_after_what_it_gave() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    window = window_of(items())
    while (chunk := window.take(2, 100)) is not None:
        window.deliver(done(chunk))
    got: list[Any] = []
    blocks = window.blocks()
    with pytest.raises(OSError, match="gone"):
        got.extend(value for block in blocks for value in block.values)
    assert got == [0, 1, 2, 3, 4]


def test_an_error_of_the_executor_ends_the_batch() -> None:
    window = window_of(range(10))
    chunk = window.take(3, 10)
    assert chunk is not None
    window.fail(RuntimeError("cannot go on"))
    assert window.take(3, 10) is None
    window.give_back(chunk)
    blocks = window.blocks()
    assert [outcome.error.kind for outcome in next(blocks).outcomes() if outcome.error] == ["cancelled"] * 3
    with pytest.raises(RuntimeError, match="cannot go on"):
        next(blocks)


def test_a_second_delivery_among_several_ends_the_batch_and_keeps_what_came_before() -> None:
    window = window_of(range(10), ordered=False)
    first, second = window.take(2, 10), window.take(2, 10)
    assert first is not None
    assert second is not None
    with pytest.raises(InternalError, match="a second time"):
        window.deliver(done(first), done(first), done(second))
    blocks = window.blocks()
    assert next(blocks).start == 0
    with pytest.raises(InternalError, match="a second time"):
        next(blocks)


def test_attempts_that_failed_together_are_put_off_and_the_rest_is_out() -> None:
    """Where the channel starts attempts, each block of several is looked at for them."""
    tries: list[int] = []

    async def twice(item: int) -> int:
        tries.append(item)
        if item % 2 and tries.count(item) == 1:
            raise ValueError(item)
        return item

    options: dict[str, Any] = {"executor": "thread", "max_concurrent": 8, "max_retries": 2}
    found = batchmill.map(twice, range(8), rate_limit={"per_second": 10_000}, **options)
    assert list(found) == list(range(8))
    assert sorted(tries) == sorted([*range(8), 1, 3, 5, 7])


def test_callbacks_run_once_when_no_item_may_start() -> None:
    window = window_of(range(10), policy=FailurePolicy(True))
    heard: list[str] = []
    window.on_stop(lambda: heard.append("early"))
    forget = window.on_stop(lambda: heard.append("forgotten"))
    forget()
    chunk = window.take(1, 10)
    assert chunk is not None
    window.deliver(done(chunk, frozenset({0})))
    window.stop()
    window.on_stop(lambda: heard.append("late"))
    assert heard == ["early", "late"]


@pytest.mark.parametrize("most", [1, 5])
def test_items_read_while_the_batch_was_stopped_are_cancelled(soon: Callable[[Any], bool], most: int) -> None:
    asked, go = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        asked.set()
        go.wait(5)
        yield 1

    window = window_of(items())
    taken: list[Chunk | None] = []
    worker = threading.Thread(target=lambda: taken.append(window.take(most, 10)))
    worker.start()
    assert asked.wait(5)
    window.stop()
    go.set()
    worker.join(5)
    assert taken == [None]
    if most == 1:  # the worker read it
        (block,) = window.ready()
        assert [outcome.error.kind for outcome in block.outcomes() if outcome.error] == ["cancelled"]
    else:  # nobody took it: whoever runs the batch reports it as cancelled
        assert list(window.ready()) == []
        assert soon(lambda: window._intake.supply._source.rest() == [1])


def test_an_item_that_waited_for_another_attempt_is_cancelled_and_says_after_what() -> None:
    window = window_of(range(2))
    chunk = window.take(1, 10)
    assert chunk is not None
    window.stop()
    window.give_back(Chunk(0, chunk.items, 2, ErrorInfo("WorkerDied", "gone", "worker_died")))
    (outcome,) = [one for block in window.ready() for one in block.outcomes()]
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.attempts) == ("cancelled", 2)
    assert outcome.error.message.endswith("another attempt, after WorkerDied: gone")


def test_waiting_for_running_items_has_an_end() -> None:
    window = window_of(range(2))
    chunk = window.take(1, 10)
    assert chunk is not None
    assert not window.wait_idle(0.01)
    threading.Timer(0.02, window.deliver, [done(chunk)]).start()
    assert window.wait_idle(30)


def test_one_slow_item_wakes_one_worker_and_all_of_them_are_used() -> None:
    """Many workers wait for a slow source: each item finds one, and none waits while there is something."""
    handoff = StreamBuffer()
    window = Window(handoff, FailureWatch(FailurePolicy(), None), ordered=False)
    met = threading.Barrier(8)

    def work() -> None:
        while (chunk := window.take(1, 1000)) is not None:
            met.wait(10)  # eight items are under way at once
            window.deliver(done(chunk))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for _ in range(20):
        handoff.put(list(range(100, 108)))
    handoff.end()
    assert sum(len(block) for block in window.blocks()) == 160
    for worker in workers:
        worker.join()


def test_a_worker_waits_for_what_others_may_give_back() -> None:
    handoff = StreamBuffer()
    window = Window(handoff, FailureWatch(FailurePolicy(), None), ordered=True)
    handoff.put([1])
    chunk = window.take(1, 10)
    handoff.end()
    taken: list[Chunk | None] = []
    other = threading.Thread(target=lambda: taken.append(window.take(1, 10)))
    other.start()
    other.join(0.05)
    assert chunk is not None
    assert other.is_alive()
    window.give_back(chunk)
    other.join(10)
    assert taken == [chunk]


def test_who_consumes_too_waits_for_an_attempt_before_the_source() -> None:
    """The source may give nothing before the consumer has had the result."""
    had = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert had.wait(10)
        yield 2

    failed = set()

    def once(item: int) -> int:
        if item == 1 and not failed:
            failed.add(item)
            raise ValueError
        return item

    limit = {"per_second": 1000, "key": "the source waits"}
    results = batchmill.imap(
        once, items(), executor="sequential", max_retries=2, retry_wait=0.1, rate_limit=limit
    )
    assert next(results) == 1
    had.set()
    assert list(results) == [2]


def test_what_cannot_be_judged_is_not_run() -> None:
    def judge(index: int, item: Any, value: Any) -> ErrorInfo | None:
        raise ZeroDivisionError

    class Knowing:
        """Knows the first item."""

        knows = True
        left_out = 0

        def match(self, start: int, items: Any) -> dict[int, Outcome]:
            return {0: Outcome(0, "known")}

        def record(self, block: Block) -> None:
            """Nothing is run."""

    log: Any = Knowing()
    window = Window(as_source([1, 2]), FailureWatch(TOLERANT, 2), ordered=True, log=log, judge=judge)
    assert window.take(5, 10) is None
    with pytest.raises(ZeroDivisionError):
        list(window.blocks())
