"""The pool of worker processes that all batches of this process share.

Batches lease slots and threads and give them back; a slot that was idle for :data:`IDLE_SECONDS` is closed,
and all are at exit. Workers are started by one thread that lives as long as the pool: Linux ties a child's
"signal me when my parent dies" to the thread that started it, not to the process.
"""

from __future__ import annotations

import _thread
import logging
import multiprocessing.util
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.dispatch.chunk_sizes import Paces
from batchmill.executors.dispatch.stealing import Watch
from batchmill.executors.process.folders import Folders, remove_abandoned
from batchmill.executors.process.left import LeftSlots
from batchmill.executors.process.loky_private import at_exit, start_trackers
from batchmill.executors.process.payload import Payload, discard
from batchmill.executors.process.room import check_descriptors, unavailable
from batchmill.executors.process.shared_area import SharedArea
from batchmill.executors.process.signals import block_signals
from batchmill.executors.process.slot import NO_MODULES, Slot, close_together
from batchmill.executors.process.thread_cache import ThreadCache

IDLE_SECONDS = 60.0
OTHERS_SECONDS = 2.0
LOOK_SECONDS = 5.0
KEPT_JOBS = 4
SHUTDOWN_PRIORITY = 100  # among multiprocessing's finalizers: before those that remove anything
SHUT_DOWN = "the pool of worker processes was shut down"

_log = logging.getLogger("batchmill.pool")
Call = tuple[Callable[[], Any], "Future[Any] | None"]  # None: nobody waits for its end


class Pool:
    """The slots of this process.

    Concurrency: any thread may lease and release. ``_lock`` guards ``_idle``, ``_all``, ``_jobs``,
    ``_number`` and ``_closed``; starting and closing idle slots happens in the pool's own thread, fed by
    ``_calls``.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[Slot] = []
        self._all: set[Slot] = set()
        self.left = LeftSlots(self._lock, self._fitting)
        self._jobs: dict[bytes, tuple[Payload, int]] = {}  # with the number of batches using it
        self.paces = Paces()
        self._number = 0
        self._closed = False
        self._folders = Folders()
        self.folders = self._folders.paths
        self.threads = ThreadCache()
        self.watch = Watch(self.threads.run)
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="batchmill-pool", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread to give, or the interpreter is ending
            self._folders.remove()
            raise

    def lease(self, modules: frozenset[str] = NO_MODULES) -> Slot:
        """An idle slot or a new one. ``modules`` name files of the user's with their content; a worker that
        may have imported others is of no use. Raises :class:`ExecutorUnavailable`."""
        with self._lock:
            if self._closed:
                raise ExecutorUnavailable(SHUT_DOWN)
            slot = self._take_idle(modules)
            if slot is not None:
                slot.reset(modules)
                return slot
            starting = self._later(self._start)
            self._close_for_others(modules)
        try:
            started: Slot = starting.result()
        except KeyboardInterrupt:
            starting.add_done_callback(self._take_back)
            raise
        except ExecutorUnavailable:
            raise
        except Exception as fault:  # whatever loky makes of a lack of files, memory or processes
            raise unavailable(fault) from fault
        started.modules = modules
        return started

    def start_ahead(self) -> None:
        """Start a first worker, which stays idle until it is leased; waits until it is on its way. Does
        nothing if there is one. Raises what starting it raises."""
        with self._lock:
            if self._closed or self._all:
                return
            starting = self._later(self._start)
        starting.add_done_callback(self._take_back)
        starting.result()

    def _take_idle(self, modules: frozenset[str]) -> Slot | None:
        """Under the lock: the fitting slot that was used last; broken ones are closed."""
        self._close_under_lock([slot for slot in self._idle if not slot.healthy])
        fits = self._fitting(modules)
        return self._idle.pop(fits[-1]) if fits else None

    def _fitting(self, modules: frozenset[str]) -> list[int]:
        """Under the lock: the places of idle slots that fit."""
        return [n for n, slot in enumerate(self._idle) if slot.modules <= modules and slot.healthy]

    def _close_for_others(self, modules: frozenset[str]) -> None:
        """Under the lock: what other modules were for makes room, unless it was used just now."""
        latest = time.monotonic() - OTHERS_SECONDS
        others = (slot for slot in self._idle if not slot.modules <= modules and slot.idle_since < latest)
        self._close_under_lock(list(others))

    def _close_under_lock(self, slots: list[Slot]) -> None:
        for slot in slots:
            self._idle.remove(slot)
            self._all.discard(slot)
            self._calls.put((slot.close, None))

    def _take_back(self, starting: Future[Any]) -> None:
        """Take back a slot whose caller no longer waits."""
        if starting.exception() is None:
            self.release(starting.result())

    def release(self, slot: Slot) -> None:
        """Give a slot back; a broken one is closed."""
        slot.idle_since = time.monotonic()
        with self._lock:  # for the call too, which else might come after the last one of a pool being closed
            if slot.healthy and slot.verdict is None:
                self._idle.append(slot)
            else:
                self._all.discard(slot)
                self._calls.put((slot.close, None))
            self.left.returned(slot)

    def idle(self) -> int:
        """How many slots could be leased without starting a worker."""
        with self._lock:
            return len(self._idle)

    def in_use(self) -> int:
        """How many slots batches have on lease."""
        with self._lock:
            return len(self._all) - len(self._idle)

    def publish(self, digest: bytes, make: Callable[[], Payload]) -> Payload:
        """The parcel of a job, made once: another batch with the same job finds it still there, until
        :meth:`withdraw` was called as often, and for a while after."""
        with self._lock:
            parcel, users = self._jobs.pop(digest, (None, 0))
            parcel = parcel or make()
            self._jobs[digest] = (parcel, users + 1)
            return parcel

    def withdraw(self, digest: bytes) -> None:
        """A batch needs a job no more; the jobs used longest ago go first."""
        with self._lock:
            if digest not in self._jobs:  # the pool was closed meanwhile
                return
            parcel, users = self._jobs[digest]
            self._jobs[digest] = (parcel, users - 1)
            self._discard_unused(KEPT_JOBS)

    def _discard_unused(self, most: int) -> None:
        """Under the lock: keep so many jobs that no batch uses."""
        unused = [one for one, (_, users) in self._jobs.items() if not users]
        for old in unused[: max(0, len(unused) - most)]:
            discard(self._jobs.pop(old)[0])

    def processes(self) -> list[int]:
        """The process ids of all workers."""
        with self._lock:
            return [slot.pid for slot in self._all]

    def must_be_open(self) -> None:
        """Raises :class:`ExecutorUnavailable` if the pool was shut down: that is why its workers end."""
        with self._lock:
            if self._closed:
                raise ExecutorUnavailable(SHUT_DOWN)

    def close(self) -> None:
        """End all workers and remove all files; a batch that still runs loses its workers."""
        with self._lock:
            self._closed = True
            slots, self._idle = list(self._all), []
            self._all.clear()
            self.left.clear()
            self._jobs.clear()
        with ExitStack() as steps:  # from the last to the first, each whatever becomes of the others
            steps.callback(self._folders.remove)
            steps.callback(self._thread.join)
            steps.callback(self._calls.put, None)
            steps.callback(self.threads.close)
            steps.callback(close_together, slots)

    def _later(self, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.put((call, future))
        return future

    def _serve(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                call = self._close_idle, None
            if call is None:
                return
            _settle(*call)
            del call  # or the slot would stay, with what it holds of memory and descriptors, until the next

    def _start(self) -> Slot:
        with self._lock:
            self._number += 1
            number = self._number
            others = len(self._all)
        if others:
            check_descriptors()
        at_exit(shutdown)  # first: a worker started amid the interpreter's end would be nobody's
        start_trackers()  # first: multiprocessing's opens the signals of the thread that starts it
        block_signals()
        slot = self._open_slot(number)
        if number == 1:
            folders = list(map(os.path.dirname, self.folders))
            self._calls.put((lambda: remove_abandoned(folders), None))
        with self._lock:
            if not self._closed:
                self._all.add(slot)
                return slot
        slot.close()  # closed meanwhile: whoever closes the others does not know of this one
        raise ExecutorUnavailable(SHUT_DOWN)

    def _open_slot(self, number: int) -> Slot:
        area = self._make_area(number)
        slot = None
        try:
            slot = Slot(area, self.folders)
            slot.open()
        except BaseException:
            if slot is not None:
                slot.close()
            area.remove()
            raise
        return slot

    def _make_area(self, number: int) -> SharedArea:
        for folder in self.folders[:-1]:
            try:
                return SharedArea.create(os.path.join(folder, f"slot-{number}"))
            except OSError:  # full: the next folder is on disk
                continue
        return SharedArea.create(os.path.join(self.folders[-1], f"slot-{number}"))

    def _close_idle(self) -> None:
        latest = time.monotonic() - IDLE_SECONDS
        with self._lock:
            old = [slot for slot in self._idle if slot.idle_since < latest]
            self._idle = [slot for slot in self._idle if slot.idle_since >= latest]
            self._all.difference_update(old)
            if not self._all:  # what is secret in jobs goes with the last worker
                self._discard_unused(0)
        for slot in old:
            slot.close()


def _settle(call: Callable[[], Any], future: Future[Any] | None) -> None:
    """Call it, and tell what became of it: whoever waits, else the log."""
    try:
        result = call()
    except BaseException as fault:  # noqa: BLE001  # it is raised where the result is asked for, if it is
        if future is None:
            _log.warning("the pool of worker processes could not tidy up", exc_info=True)
        else:
            future.set_exception(fault)
    else:
        if future is not None:
            future.set_result(result)
    finally:
        del future  # the traceback of a fault refers to this frame: what it holds would never be freed


_pool_lock = threading.Lock()
_made: tuple[int, Future[Pool]] | None = None  # by which process, and the pool


def shared_pool() -> Pool:
    """The pool of this process, made on first use; a forked child makes its own.

    It is made in a thread, so a Ctrl-C, which may hit the main thread anywhere, leaves no half-made pool.
    """
    global _made
    with _pool_lock:
        if (made := _current()) is None:
            # In a process that multiprocessing made, this ends the workers before their end is awaited there.
            # In other processes it serves a pool that never started a worker; otherwise the workers have
            # ended before.
            multiprocessing.util.Finalize(None, shutdown, exitpriority=SHUTDOWN_PRIORITY)
            _made = os.getpid(), (made := Future())
            _begin(made)
    return made.result()


def _begin(made: Future[Pool]) -> None:
    try:  # not by threading, whose start waits for the thread and can be interrupted at that
        _thread.start_new_thread(_settle, (_make, made))
    except RuntimeError as fault:  # the system has no thread to give
        made.set_exception(unavailable(fault))


def _make() -> Pool:
    try:
        return Pool()
    except (OSError, RuntimeError) as fault:  # no folder, no process for loky's tracker, no thread
        raise unavailable(fault) from fault


def current_pool() -> Pool | None:
    """The pool of this process if there is one."""
    with _pool_lock:
        made = _current()
    return made.result() if made is not None else None


def _current() -> Future[Pool] | None:
    """Under the lock: the pool that is there or about to be, unless making it failed."""
    if _made is None or _made[0] != os.getpid():
        return None
    made = _made[1]
    return None if made.done() and made.exception() is not None else made


def shutdown() -> None:
    """End all idle worker processes now; the next batch starts new ones."""
    global _made
    with _pool_lock:
        made, _made = _current(), None
    if made is not None and made.exception() is None:  # else whoever asked for it was told
        made.result().close()
