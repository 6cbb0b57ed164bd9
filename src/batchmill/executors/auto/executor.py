"""The executor ``auto``: begins on one thread, measures, and passes the rest to the executor that suits.

    Channel <---- Leg <---- scout: one thread            until there are enough measurements
       ^
       +--------- Leg <---- the executor that was chosen

A conductor thread watches the scout from outside: the CPU clock of its thread, and how late the conductor
gets the interpreter back after a short sleep, which shows whether the items hold the GIL. So it can choose
while the first item is still running, and a long item delays nobody. No item runs twice: the scout finishes
the items that it has taken, and the chosen executor begins with the next ones. While the scout runs a long
item, the other executor has one worker less, which it adds when the scout is done, so at most
``max_concurrent`` items are ever in flight.

If processes were chosen and none can be started, threads take over.
"""

from __future__ import annotations

import contextvars
import platform
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import ExecutorUnavailable
from batchmill.executors.auto.decision import Capacity, Measured, choose, known_beforehand
from batchmill.executors.auto.process_cost import nominal, shipping
from batchmill.executors.auto.view import ChannelView, Readings
from batchmill.executors.contract import Channel, Choice, ExecutorSettings, Task
from batchmill.executors.cores import usable_cores
from batchmill.executors.local.thread import ThreadExecutor
from batchmill.executors.registry import executor_named

PROBE_SECONDS = 0.02  # of items being run before the first choice
WAITING_SECONDS = 0.005  # an item that has done nothing but wait for this long does not compute
WAITING_SHARE = (
    0.1  # of its time; less than what a thread gets that computes on a machine with five times its load
)
LOOK_SECONDS = 0.001
LAZY_SECONDS = 0.02  # between looks while nothing runs, as behind a slow source
LATE = 0.2  # of the switch interval: so late a thread is woken only when another holds the GIL
DRAIN_SECONDS = 0.005  # what the scout may take to finish before the others begin without it
CLOSE_SECONDS = 5.0


class AutoExecutor:
    """Chooses between sequential, thread and process by the first items; calls ``settings.on_choice``."""

    name = "auto"

    def workers(self, settings: ExecutorSettings) -> int:
        """The maximum number of items in flight, under any executor."""
        return max(machine_of(settings).n_threads, machine_of(settings).n_processes)

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        machine = machine_of(settings)
        awaits = task.awaits
        known = known_beforehand(awaits, channel.remaining(), settings.max_concurrent, machine.n_threads)
        if known is not None:
            _tell(settings, known)
            known_settings = replace(settings, max_concurrent=known.workers)
            yield from ThreadExecutor().run(task, channel, known_settings, cancel)
            return
        conductor = Conductor(task, channel, settings, cancel, machine)
        conductor.start()
        try:
            yield from channel.blocks()
        finally:
            conductor.close()


def machine_of(settings: ExecutorSettings) -> Capacity:
    """This machine, as a batch under ``settings`` would use it."""
    cores = usable_cores()
    n_threads = ThreadExecutor().workers(settings)
    return Capacity(cores, gil_enabled(), n_threads, settings.max_concurrent or cores)


def gil_enabled() -> bool:
    """Whether one thread at a time runs Python code."""
    asked = getattr(sys, "_is_gil_enabled", None)
    return True if asked is None else bool(asked())


def _tell(settings: ExecutorSettings, choice: Choice) -> None:
    if settings.on_choice is not None:
        settings.on_choice(choice)


class Conductor:
    """Runs one batch: the scout, the choice, and the legs after it.

    Concurrency: ``_conduct`` runs in a thread of its own, ``close`` in the consumer's; ``_lock`` guards
    ``_legs``, ``_closed`` and ``_replaced``; legs run in threads of their own.
    """

    def __init__(
        self,
        task: Task,
        channel: Channel,
        settings: ExecutorSettings,
        cancel: CancelToken,
        machine: Capacity,
    ) -> None:
        self._task = task
        self._channel = channel
        self._settings = settings
        self._cancel = cancel
        self._machine = machine
        self._lock = threading.Lock()
        self._legs: list[tuple[ChannelView, threading.Thread]] = []
        self._closed = threading.Event()
        self._replaced = False
        self._context = contextvars.copy_context()  # what items see of it is what the caller set
        self._thread = threading.Thread(target=self._conduct, name="batchmill-conductor", daemon=True)
        self._forget = cancel.on_cancel(channel.stop)

    def start(self) -> None:
        """Begin with the scout. Raises RuntimeError when the system has no thread to give."""
        self._scout = self._launch(Choice("thread", "the scout", 1), samples=True)
        self._gil = GilWatch()
        self._thread.start()

    def close(self) -> None:
        """End the batch; running items get the moment that their executor gives them."""
        self._channel.stop()
        with self._lock:
            self._closed.set()
            legs = list(self._legs)
        for leg, _ in legs:
            leg.stop()
        self._forget()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        for _, thread in legs:
            thread.join(CLOSE_SECONDS)

    def _launch(self, choice: Choice, spared: int = 0, *, samples: bool = False) -> ChannelView | None:
        """Let the chosen executor work on the channel, with ``spared`` workers less; None when the batch is
        over."""
        leg = ChannelView(self._channel, samples=samples)
        context = self._context.copy()
        thread = threading.Thread(
            target=lambda: context.run(self._serve, leg, choice, spared), name="batchmill-leg", daemon=True
        )
        with self._lock:
            if self._closed.is_set():
                return None
            thread.start()
            self._legs.append((leg, thread))
        return leg

    def _serve(self, leg: ChannelView, choice: Choice, spared: int) -> None:
        try:
            refusal = self._run_leg(leg, choice.executor, choice.workers - spared)
            if refusal is not None and choice.executor != "process":
                raise refusal
            if refusal is not None:
                self._replace(choice, spared, refusal)
        except BaseException as fault:  # noqa: BLE001  # a leg's end: the batch must hear of it
            self._channel.fail(fault)

    def _run_leg(self, leg: ChannelView, executor: str, size: int) -> ExecutorUnavailable | None:
        """Work through a leg; returns why the executor cannot, if it turns out to be unavailable. It has then
        given back the items that it took."""
        settings = replace(self._settings, max_concurrent=size)
        try:
            for _ in executor_named(executor).run(self._task, leg, settings, self._cancel):
                pass
        except ExecutorUnavailable as fault:
            return fault
        return leg.refusal

    def _replace(self, choice: Choice, spared: int, refusal: ExecutorUnavailable) -> None:
        """Use threads instead of processes, in the thread of the leg: no other may be available."""
        substitute = instead_of(choice, refusal, self._machine)
        leg = ChannelView(self._channel)
        with self._lock:
            if self._closed.is_set():
                return
            first, self._replaced = not self._replaced, True
            self._legs.append((leg, threading.current_thread()))
        if first:
            _tell(self._settings, substitute)
        self._serve(leg, substitute, spared)

    def _conduct(self) -> None:
        scout = self._scout
        if scout is None:
            return
        try:
            choice = self._scouted(scout)
            if choice is not None:
                self._hand_over(scout, choice)
        except BaseException as fault:  # noqa: BLE001  # the conductor's end: the batch must hear of it
            self._channel.fail(fault)

    def _scouted(self, scout: ChannelView) -> Choice | None:
        """The executor that takes over from the scout; None when the scout reaches the end of the batch.

        While the scout alone is best, the choice is repeated each time it has worked twice as long."""
        scout.begun.wait()
        last, enough, told = Readings(), PROBE_SECONDS, False
        while self._watch(scout, last, enough):
            now, left = scout.readings(), self._channel.remaining()
            choice = self._choice(measured(last, now, self._gil.share(), self._gil.stolen(), left), scout)
            if choice.executor != "sequential":
                return choice
            if not told:
                _tell(self._settings, choice)
                told = True
            last, enough = now, 2 * enough
            self._gil = GilWatch()
        if not told:
            _tell(self._settings, _done_already(scout.readings()))
        return None

    def _watch(self, scout: ChannelView, last: Readings, enough: float) -> bool:
        """Watch the scout until its items have run for ``enough`` seconds; False when it reached the end."""
        pause = LOOK_SECONDS
        while not (self._closed.is_set() or scout.over):
            self._gil.sleep(pause)
            now = scout.readings()
            wall = now.wall - last.wall + now.running
            if wall >= enough:
                return True
            if wall >= WAITING_SECONDS and now.cpu - last.cpu < WAITING_SHARE * wall:
                return True
            pause = LOOK_SECONDS if now.running else LAZY_SECONDS
        return False

    def _choice(self, seen: Measured, scout: ChannelView) -> Choice:
        """Processes are looked into only where they would be worth it: that takes a pickling of the task."""
        first = choose(seen, self._machine, nominal(self._machine.n_processes))
        if first.executor != "process":
            return first
        return choose(seen, self._machine, shipping(self._task, scout.sample, self._machine.n_processes))

    def _hand_over(self, scout: ChannelView, choice: Choice) -> None:
        """Let the chosen executor begin, with one worker less while the scout is still at its last item."""
        _tell(self._settings, choice)
        scout.dry()
        scout.forget_sample()
        if scout.wait_over(DRAIN_SECONDS):
            self._launch(choice)
            return
        self._launch(choice, spared=1)
        while not scout.wait_over(1.0) and not self._closed.is_set():
            pass
        if self._channel.more():
            self._launch(replace(choice, workers=1))


def measured(last: Readings, now: Readings, held: float, stolen: float, left: int | None) -> Measured:
    """A mean item between two readings; a running one counts with its time so far.

    ``held`` is the share of the time during which the GIL was held. For ``stolen`` seconds of it, some
    process on this machine had to wait for a core: an item that seems to wait and to compute in turns may
    have waited for that, which says nothing about the item."""
    count = max(1, now.items - last.items + (1 if now.running else 0))
    wall, cpu = now.wall - last.wall + now.running, now.cpu - last.cpu
    crowded = min(1.0, stolen / wall) if wall else 0.0
    if cpu >= WAITING_SHARE * wall:
        wall = max(cpu, wall - stolen)
    mean = wall / count, cpu / count, min(held * wall, cpu) / count
    return Measured(count, *mean, left, now.running > 0, crowded)


def instead_of(choice: Choice, refusal: ExecutorUnavailable, machine: Capacity) -> Choice:
    """Threads instead of chosen but unavailable processes: as many as ``machine`` allows, or one for one
    process."""
    workers = 1 if choice.workers == 1 else machine.n_threads
    why = str(refusal).partition(";")[0]
    return Choice("thread", f"{why}; so threads run what processes would do faster", workers)


def _done_already(readings: Readings) -> Choice:
    took = f"{readings.wall * 1e3:.3g} ms"
    return Choice(
        "sequential", f"all {readings.items:,} items took {took} together, too little to share out", 1
    )


class GilWatch:
    """Sleeps, and measures how late it wakes: at once, or when a computing thread releases the GIL.

    PyPy hands its lock over too soon to measure this; there all computing counts as holding it.
    """

    def __init__(self) -> None:
        self._sleeps = 0
        self._late = 0
        self._pressure = _cpu_pressure()
        self._blind = platform.python_implementation() == "PyPy"

    def sleep(self, seconds: float) -> None:
        """Sleep, and count whether the end of it was late."""
        due = time.perf_counter() + seconds
        time.sleep(seconds)
        self._sleeps += 1
        self._late += time.perf_counter() - due > LATE * sys.getswitchinterval()

    def share(self) -> float:
        """The share of the time during which another thread held the GIL, 0 to 1."""
        return 1.0 if self._blind or not self._sleeps else self._late / self._sleeps

    def stolen(self) -> float:
        """Seconds since the beginning in which something on this machine waited for a core."""
        return _cpu_pressure() - self._pressure


def _cpu_pressure() -> float:
    """Seconds since boot in which some task was ready to run and had no core; 0.0 if the system does not
    count them (Documentation/accounting/psi.rst of Linux)."""
    try:
        with open("/proc/pressure/cpu") as file:
            return int(file.readline().rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return 0.0
