"""The code inside a worker process.

The worker attaches once to the memory that it shares with its parent; after that every call brings one chunk.
The job (task and policies) comes with the first chunk that needs it and is kept by digest. What an item does
to the process (folder, environment, locale, signal handlers) is undone before the next.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
from collections import OrderedDict
from contextlib import closing
from dataclasses import replace
from functools import partial

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.resources import anything_held, close_resources, resource_scope
from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk
from batchmill.executors.describe import describe
from batchmill.executors.effort import ProcessUsage
from batchmill.executors.process.apart import LeavesNothing
from batchmill.executors.process.environment import ProcessEnvironment
from batchmill.executors.process.frames import FrameWriter
from batchmill.executors.process.logs import LogMirror
from batchmill.executors.process.message_pipe import MessagePipe, Outbox
from batchmill.executors.process.orders import Order, Reply
from batchmill.executors.process.payload import Payload, unwrap
from batchmill.executors.process.shared_area import SharedArea
from batchmill.executors.process.signals import heed_signals
from batchmill.executors.process.traces import brief_seconds
from batchmill.executors.running.attempts import Job
from batchmill.executors.running.runner import ItemRunner

LAY_DOWN_SECONDS = 0.002  # finished work that dies with a worker is no more than this
FEW = 8  # items: to look at all of them takes no longer than to measure which need no look
KEPT_JOBS = 4
IDLE_SECONDS = 0.3  # without work: then what nodes hold open (connections, servers) is closed


class WorkerProcess:
    """The state of this process. Only its main thread uses it."""

    def __init__(self, path: str, folders: list[str], outbox: Outbox) -> None:
        self.area = SharedArea(path)
        self._logging = LogMirror(outbox.send)
        self._folders = folders
        self._runners: OrderedDict[bytes, tuple[ItemRunner, ProcessEnvironment]] = OrderedDict()
        self._surroundings: ProcessEnvironment | None = None
        self._effort = ProcessUsage()

    def run(self, order: Order) -> Reply:
        """Run a chunk; its results are in the shared area afterwards."""
        progress = self.area.progress
        progress.begin_chunk(order.seq)
        known = order.digest in self._runners
        if progress.stopped or progress.paused:  # none of its items may begin; to unpickle them may hang
            return Reply(order.seq, "done" if known else "no_job")
        if order.job is None and not known:
            return Reply(order.seq, "no_job")
        try:
            runner, surroundings = self._runner(order)
        except BaseException as fault:  # noqa: BLE001  # unpickling runs the user's code: report what it did
            return Reply(order.seq, "unloadable", error=describe(fault))
        if not runner.prepared:
            surroundings.context().run(runner.prepare)
        try:
            with progress.deadline(runner.timed):
                items = unwrap(order.items, self.area.inward(order.seq))
        except BaseException as fault:  # noqa: BLE001  # unpickling runs the user's code: report what it did
            return Reply(order.seq, "unreadable", error=describe(fault))
        chunk = Chunk(order.start, items, order.attempts, order.lost, order.tried, order.wait)
        spent = self._effort.cpu()
        region = self.area.outward(order.seq)
        frames = FrameWriter(region, progress, self._folders, surroundings.seals, runner.timed)
        clock, n_items = time.perf_counter, len(items)
        due = clock() + LAY_DOWN_SECONDS

        def after_item(block: Block, now: float) -> float | None:
            nonlocal due
            if len(block.values) < n_items:  # the last is below
                surroundings.restore()
            if now < due:
                return due
            full = frames.lay_down(block)
            due = clock() + LAY_DOWN_SECONDS
            return None if full else due

        brief = brief_seconds(surroundings.touched) if n_items > FEW else 0.0
        touched = surroundings.touched if brief else None  # else all is looked at
        run = partial(runner.run_chunk, chunk, order.seconds, after_item, brief=brief, touched=touched)
        block = surroundings.context().run(run)
        frames.lay_down(block)
        surroundings.restore()
        effort = self._effort.cpu() - spent, self._effort.peak()
        return Reply(order.seq, "done", progress.published, runner.took, None, *effort)

    def _runner(self, order: Order) -> tuple[ItemRunner, ProcessEnvironment]:
        found = self._runners.get(order.digest)
        if found is None:
            found = self._load(order)
            self._runners[order.digest] = found
            while len(self._runners) > KEPT_JOBS:
                self._runners.popitem(last=False)
        self._runners.move_to_end(order.digest)
        if found[1] is not self._surroundings:
            found[1].enter(self._logging)
            self._surroundings = found[1]
        return found

    def _load(self, order: Order) -> tuple[ItemRunner, ProcessEnvironment]:
        if order.job is None:
            raise InternalError("an order without a job reached the loading of its job")
        around, packed = unwrap(order.job, keep=True)
        surroundings: ProcessEnvironment = pickle.loads(around)  # noqa: S301  # from our own parent
        surroundings.enter(self._logging)
        job: Job = unwrap(packed, keep=True) if isinstance(packed, Payload) else packed
        if surroundings.elsewhere:  # unpickling puts the parent's folders onto the path
            surroundings.restore()
        if surroundings.apart:
            job = replace(job, task=LeavesNothing(job.task, surroundings))
        runner = ItemRunner(job, self.area.progress, CancelToken())
        return runner, surroundings


def serve(wire: MessagePipe, path: str, folders: list[str], parent: int) -> None:
    """Run chunks as they come over the pipe, until it ends: all that a worker process does."""
    outbox = Outbox(wire)
    try:
        worker = WorkerProcess(path, folders, outbox)
    except FileNotFoundError:
        if os.getppid() != parent:  # which is gone, and its files with it
            return
        raise
    heed_signals(worker.area.progress)
    _keep_descriptors_from_grandchildren()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, prctl(2)
    threading.Thread(target=_watch, args=(parent,), name="batchmill-orphan-watch", daemon=True).start()
    if "PYTHONFAULTHANDLER" not in os.environ:  # which says whether it is wanted
        faulthandler.enable()
    with (
        resource_scope(),
        closing(wire),
    ):  # whatever happens: that is how the parent hears of this worker's end
        while True:
            if anything_held() and not wire.waits(IDLE_SECONDS):
                close_resources()
            try:
                order = Order.unpacked(wire.receive())
            except EOFError:  # the parent is gone
                close_resources()
                return
            reply = _run(worker, order)
            _flush()
            outbox.send(reply.packed())


def _run(worker: WorkerProcess, order: Order) -> Reply:
    try:
        return worker.run(order)
    except Exception as fault:  # noqa: BLE001  # a worker's end: the batch must hear of it
        return Reply(order.seq, "failed", error=describe(fault))


def _flush() -> None:
    """Flush the output of items before their results are sent."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S112  # an item closed or replaced it: nothing to save there
            continue


def _keep_descriptors_from_grandchildren() -> None:
    """A grandchild that inherited the worker's pipes would keep its death from being noticed."""
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:  # no such folder on this system
        return
    for number in numbers:
        if number > 2:
            try:
                os.set_inheritable(number, False)
            except OSError:  # the descriptor of the listing itself
                pass


def _watch(parent: int) -> None:
    """End this process when its parent is gone, if the system does not, or if the parent died before we asked
    for it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
