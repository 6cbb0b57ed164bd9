"""Coroutines under the thread executor: one event loop, up to ``max_concurrent`` items at once.

    Channel --take--> feeder thread --buffer--> event loop thread --deliver--> Channel

A task with ``run_async`` waits without a thread of its own, so a thousand items cost one thread. The feeder
takes items ahead, because taking may wait for a slow source or a slow consumer and the loop must not. Items
share one copy of the task: each attempt keeps its state in local variables.

A worker is a task of the loop that runs items one after another, for about two thirds of what a task for each
item costs: that has a first step, and more that the collector of cycles has to look through. An item must not
notice: if the last one left a context variable, a cancellation or a name, a fresh worker runs the next one.
What ends in one turn of the loop is delivered together, neighbours in one block.

The loop is that of the process (:mod:`batchmill.concurrency.event_loop`), which other batches and the clients
of services share.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from batchmill.attempt import Attempt
from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.event_loop import background
from batchmill.concurrency.loop_cpu import LoopShare
from batchmill.errors import Stopped
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
from batchmill.executors.dispatch.chunk_sizes import bounded
from batchmill.executors.local.awaited_attempts import AwaitedAttempts
from batchmill.executors.local.ended import Ended, blocks_of
from batchmill.executors.local.loop_workers import LoopWorkers
from batchmill.executors.local.untouched import Untouched
from batchmill.executors.pickling.copying import copy_task
from batchmill.executors.running.attempts import Job
from batchmill.executors.running.weighing import bytes_of, weigh_every
from batchmill.outcome import Outcome, cancelled
from batchmill.record import Recorder

LEAST_AHEAD = 16
WINDOW_PER_ITEM = 4  # items an ordered consumer may be behind, for each one in flight
LEAST_WINDOW = 256
CLOSE_SECONDS = 1.0

# The index of an item, the item, the index of the first item that was taken with it, and the chunk of an item
# whose earlier attempt was lost or failed.
Taken = tuple[int, object, int, Chunk | None]


class EventLoopBatch:
    """The items of one batch on an event loop, and the thread that feeds it.

    Concurrency: ``_lock`` (through ``_hungry``) guards ``_buffer``, ``_in_hand``, ``_bytes``, ``_fed`` and
    ``_over``. ``_workers``, ``_ended``, ``_turns``, ``_due`` and ``_cpu`` belong to the loop's thread alone.
    """

    def __init__(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken, size: int
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._attempts = AwaitedAttempts(task, Job.of(task, settings), channel, cancel)
        self._timed = settings.timeout is not None
        # a result may be a failure, after which nothing may start
        self._at_once = settings.judges_results and (settings.stop_on_failure or settings.judges_failures)
        self._cancel = cancel
        self._size = size
        self._ahead = max(LEAST_AHEAD, size // 2)
        self._weigh_every = weigh_every(size)
        self._lock = threading.Lock()
        self._hungry = threading.Condition(self._lock)
        self._buffer: deque[Taken] = deque()
        self._in_hand = 0  # taken and not delivered, where the channel starts attempts
        self._bytes = 0.0  # that a result takes
        self._fed = False
        self._over = False
        self._ended: list[Ended] = []  # plain values, in this turn of the loop
        self._turns = 0
        self._due = False  # a turn
        self._background = background()
        self._loop = self._background.loop
        # items see the context variables of the caller
        self._context = self._background.inside(contextvars.copy_context())
        self._untouched = Untouched(self._context)
        self._workers = LoopWorkers[Taken](
            self._loop,
            self._context,
            settings.worker_numbers,
            not_begun=self._not_begun,
            failed=channel.fail,
            ended=self._turn_soon,
        )
        self._cpu: LoopShare | None = None
        self._done = threading.Event()
        self._feeder = threading.Thread(target=self._feed, name="batchmill-feeder", daemon=True)
        self._forget = [channel.on_stop(self._stop), cancel.on_cancel(self._cancel_all)]

    def start(self) -> None:
        """Start to feed the loop."""
        self._feeder.start()

    def close(self) -> None:
        """End the batch: running items get a moment to finish, then they are cancelled."""
        self._channel.stop()
        if not self._channel.wait_idle(CLOSE_SECONDS):
            self._cancel_all()
        for forget in self._forget:
            forget()
        self._attempts.over = True
        with self._lock:
            self._over = True
            self._hungry.notify_all()
        self._call(self._finish_if_idle)
        self._done.wait(CLOSE_SECONDS)
        self._feeder.join(CLOSE_SECONDS)

    def _feed(self) -> None:
        """In the feeder's thread: keep the buffer filled."""
        window = max(LEAST_WINDOW, WINDOW_PER_ITEM * self._size)
        try:
            task = self._attempts.task = copy_task(self._attempts.task)
            unloaded = self._settings.timeout is not None
            if self._settings.by_attempt:
                self._channel.before_first(task.load)
            self._background.call(self._prepare, self._cancel, None, "the initializer")
            while room := self._wait_until_hungry():
                chunk = self._channel.take(room, bounded(window, self._size, self._bytes))
                if chunk is None:
                    break
                if unloaded:  # before the time of the first item begins
                    unloaded = False
                    task.load()
                with self._lock:
                    self._in_hand += len(chunk)
                    start, lost = chunk.start, None if chunk.lost is None else chunk
                    self._buffer.extend((n, item, start, lost) for n, item in enumerate(chunk.items, start))
                self._call(self._pump)
        except Stopped:  # before the first item
            pass
        except BaseException as fault:  # noqa: BLE001  # a feeder's end: the batch must hear of it
            self._channel.fail(fault)
        with self._lock:
            self._fed = True
        self._call(self._finish_if_idle)

    def _wait_until_hungry(self) -> int:
        """How many items to take; 0 when the batch is over."""
        by_attempt = self._settings.by_attempt
        with self._lock:
            while not self._over:
                if by_attempt and self._in_hand < self._size:
                    return self._size - self._in_hand  # what is taken must be able to start
                if not by_attempt and len(self._buffer) <= self._ahead // 2:
                    return self._ahead
                self._hungry.wait()
            return 0

    def _call(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: the batch is over
            pass

    async def _prepare(self) -> None:
        """Run on the loop, because objects that it creates are used there."""
        self._attempts.task.prepare()

    def _turn(self) -> None:
        """Once in a turn of the loop in which something ended: deliver it, and start workers."""
        self._turns += 1
        self._due = False
        if self._ended:
            self._deliver(in_turn=True)
        self._pump()

    def _turn_soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def _pump(self) -> None:
        """Start workers while there are items and there is room."""
        taken: list[Taken] = []
        if not self._channel.stopped:
            with self._lock:
                room = min(self._size - len(self._workers), len(self._buffer))
                taken = [self._take() for _ in range(room)]
        for one in taken:
            self._start_worker(one)
        self._finish_if_idle()

    def _take(self) -> Taken:
        """Under the lock."""
        if len(self._buffer) <= self._ahead // 2 + 1:
            self._hungry.notify()
        return self._buffer.popleft()

    def _start_worker(self, first: Taken, sampled: bool | None = None) -> None:
        """``sampled``: whether the steps of its only item are measured; None to find out."""
        share = self._cpu = self._cpu or self._background.cpu.join()
        sampled = share.samples if sampled is None else sampled
        self._workers.start(first, partial(self._work, once=sampled), share if sampled else None)

    def _not_begun(self, one: Taken) -> None:
        """A worker ended before it began this item: another worker runs it, if anything may start."""
        if self._channel.stopped:
            self._give_back([one])
        else:
            self._start_worker(one)

    def _next(self, task: asyncio.Task[None], context: contextvars.Context, name: str) -> Taken | None:
        """The next item for a worker; None for none, or if another task must take it: this one is as the last
        item left it."""
        if self._channel.stopped or not self._untouched.by(task, context, name):
            return None
        with self._lock:
            if not self._buffer:
                return None
            one = self._take()
        if self._cpu is not None and self._cpu.samples:
            self._start_worker(one, sampled=True)
            return None
        return one

    def _deliver(self, special: Block | None = None, *, in_turn: bool = False) -> None:
        """Deliver what has ended, and a ``special`` outcome of an item."""
        blocks, self._ended = blocks_of(self._ended), []
        if special is not None:
            blocks.append(special)
        count = sum(map(len, blocks))
        if self._cpu is not None:
            others = len(self._workers) - (not in_turn)  # a worker that delivers has not ended
            last = not others
            blocks[-1].cpu = self._cpu.end_items(count, time.perf_counter(), last=last)
        try:
            for block in blocks:
                block.shares_cpu = True
                if len(block) > 1 or not block.start % self._weigh_every:
                    n_bytes = bytes_of(block) / len(block)
                    with self._lock:
                        self._bytes = max(0.9 * self._bytes, n_bytes)
            self._channel.deliver(*blocks)
        except BaseException as fault:  # noqa: BLE001  # the batch must hear of it
            self._channel.fail(fault)
        if self._settings.by_attempt:
            with self._lock:
                self._in_hand -= count
                self._hungry.notify()

    def _finish_if_idle(self) -> None:
        with self._lock:
            at_work = self._workers or self._due
            idle = not at_work and not self._buffer and (self._fed or self._over)
        if idle:
            if self._cpu is not None:
                self._cpu.leave()
                self._cpu = None
            self._done.set()

    async def _work(self, context: contextvars.Context, worker: int, *, once: bool) -> None:
        """Run items one after another, or only the first ``once``. A new task for each item would cost more
        than most of what is done here."""
        one: Taken | None
        task, one = self._workers.begin(worker)
        awaited, name = self._attempts, task.get_name()
        turn = -1
        while one is not None:
            if self._turns == turn:  # the last item waited for nothing: let others have a turn
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    break
                if self._channel.stopped:
                    break
            turn = self._turns
            index, item, first, lost = one
            one = value = outcome = attempts = then = None  # thousands may wait here: keep nothing alive
            recorder = Recorder()
            began = time.perf_counter()
            try:
                if self._timed or lost is not None:
                    attempts = awaited.of_item(index, lost, recorder, began)
                    resumes = attempts.resumes
                    then = attempts.lost() if resumes else await awaited.make(item, index, attempts)
                else:
                    # What nearly all items take: one attempt, without a deadline, that comes to a value. Each
                    # coroutine around another one costs at every turn of the loop, and the collector looks at
                    # what all those hold that wait.
                    try:
                        attempt = Attempt(1, None, recorder, self._cancel)
                        value = await awaited.task.run_async(item, index, attempt)
                    except BaseException as fault:  # noqa: BLE001  # whatever an item raises is its error
                        attempts = awaited.of_item(index, lost, recorder, began)
                        then = awaited.caught(fault, attempts)
                    else:
                        if records := recorder.drain():
                            outcome = Outcome(index, value, records=records)
                if then is not None and attempts is not None:
                    outcome = await awaited.to_the_end(item, index, attempts, then)
            except asyncio.CancelledError:
                outcome = cancelled(index, 0 if attempts is None else attempts.number)
            except BaseException as fault:  # noqa: BLE001  # of deciding what is next: the batch must hear
                self._channel.fail(fault)
                outcome = cancelled(index)
            wall = time.perf_counter() - began
            if outcome is None or outcome.plain:
                value = value if outcome is None else outcome.value
                self._ended.append((first, index, value, item, wall, began, worker))
                if self._at_once:
                    self._deliver()
            else:
                self._deliver(Block.of(replace(outcome, wall=wall, began=began, worker=worker), item))
            self._turn_soon()
            one = None if once else self._next(task, context, name)
        self._workers.end(worker)
        if one is not None:
            self._not_begun(one)
            self._turn_soon()

    def _stop(self) -> None:
        """Return what was taken and not started."""
        with self._lock:
            left = list(self._buffer)
            self._buffer.clear()
        self._give_back(left)
        self._call(self._attempts.stopping.set)
        self._call(self._finish_if_idle)

    def _give_back(self, left: list[Taken]) -> None:
        with self._lock:
            self._in_hand -= len(left)
            self._hungry.notify_all()
        for index, item, _, lost in left:
            self._channel.give_back(lost or Chunk(index, [item]))

    def _cancel_all(self) -> None:
        self._channel.stop()
        self._attempts.over = True
        with self._lock:
            self._over = True
        self._call(self._workers.cancel)
