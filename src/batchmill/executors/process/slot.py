"""One worker process, and everything the parent knows of it.

The worker is a process that loky starts. It only runs `child.serve`, and chunks go to it over a pipe of our
own:

    link --send--> pipe --> worker --> pipe --> receiver thread --settle--> link's callback

which costs a fifth of a trip through an executor's queues. When the worker dies the pipe ends; the receiver
settles the chunks in flight with the cause of the death. Only this slot is then broken, another replaces it,
and the other workers never notice.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from batchmill.executors.dispatch.link import CANCELLED, LinkBroken
from batchmill.executors.process.family import exists, has_children, kill_family
from batchmill.executors.process.leftovers import remove_leftovers
from batchmill.executors.process.logs import Logged, handle
from batchmill.executors.process.loky_private import WorkerHandle
from batchmill.executors.process.message_pipe import MessagePipe
from batchmill.executors.process.orders import Order, Reply
from batchmill.executors.process.shared_area import SharedArea
from batchmill.executors.running.progress import MOST_CHUNKS, Position

_log = logging.getLogger("batchmill.pool")
SERVING = "batchmill.executors.process.child"  # only the worker imports it
EXIT_SECONDS = 5.0
NO_MODULES: frozenset[str] = frozenset()
GRACE_SECONDS = 1.0  # that commands of a cancelled batch have from SIGTERM to SIGKILL
LOOK_SECONDS = 1  # between looks at a silent worker, for one whose pipe somebody else holds open


class Remains(NamedTuple):
    """The remains of a dead worker: its process id, exit code (negative: signal) and last progress."""

    pid: int
    exit_code: int | None
    position: Position
    phase: int
    attempt: int
    kept: int
    started: int
    timed: int
    began: int = 0

    @property
    def reason(self) -> str:
        """The end in words, such as ``killed by signal 9 (SIGKILL)``."""
        if self.exit_code is None:
            return "ended without an exit code"
        if self.exit_code >= 0:
            return f"exited with code {self.exit_code}"
        try:
            name = signal.Signals(-self.exit_code).name
        except ValueError:
            name = "unknown"
        return f"was killed by signal {-self.exit_code} ({name})"


Settle = Callable[[Reply | Remains], None]
Heard = Callable[[Logged], None]


class Slot:
    """See the module. ``known`` holds the digests of jobs the worker has; ``idle_since`` is the pool's;
    ``served`` belongs to the driver that leased the slot. ``heard`` gets the log records of the worker.
    ``modules`` name the files of the user's modules that the worker may have imported, with their content.

    Concurrency: ``open`` and ``close`` run in the pool's thread, ``send`` in one driver, the callbacks in the
    receiver's thread, ``kill`` in any. ``_lock`` guards ``_verdict``, ``_under_way``, ``_dead``, ``_retired``
    and ``_closed``. The driver that leased the slot adds to ``known`` before it sends the job, and the
    receiver's thread clears it when the worker has forgotten one: at worst a job is sent twice.
    """

    def __init__(self, area: SharedArea, folders: list[str]) -> None:
        self.area = area
        self._folders = folders
        self.known: set[bytes] = set()
        self.heard: Heard = handle
        self.modules = NO_MODULES
        self.idle_since = 0.0
        self.pid = 0
        self.served = 0  # items that were sent to it, but for those taken back
        self._seq = 0
        self._retired = False
        self._lock = threading.Lock()
        self._verdict: str | None = None
        self._under_way: dict[int, Settle] = {}
        self._dead = False
        self._closed = False
        self._wire, self._far_end = MessagePipe.pair()
        self._worker = WorkerHandle(SERVING, "serve", (self._far_end, area.path, folders, os.getpid()))
        self._process: Any = None
        self._receiver = threading.Thread(target=self._receive, name="batchmill-pool-receiver", daemon=True)

    def open(self) -> None:
        """Start the worker process, which boots in the background. Raises OSError without room for
        one more."""
        self._process = self._worker.start()
        self.pid = self._process.pid
        self._far_end.close()  # so that the pipe ends with the worker
        self._wire.look_every(LOOK_SECONDS)
        self._receiver.start()

    @property
    def healthy(self) -> bool:
        """Whether the worker can take chunks, as far as is known."""
        with self._lock:
            return not (self._dead or self._retired) and self._seq + 1 < MOST_CHUNKS

    @property
    def starting(self) -> bool:
        """Whether the worker has not yet begun a chunk, as far as is known, and may do so."""
        return self.healthy and not self.area.progress.position.seq

    def retire(self) -> None:
        """Have it closed when it is returned."""
        with self._lock:
            self._retired = True

    def reset(self, modules: frozenset[str]) -> None:
        """Make ready for another batch, with its modules."""
        self.modules = modules
        self.area.progress.reset()
        with self._lock:
            self._verdict = None

    @property
    def next_seq(self) -> int:
        """The number of the next chunk; it decides which half of the shared area the chunk uses."""
        return self._seq + 1

    def send(self, order: Order, settle: Settle) -> None:
        """Hand a chunk to the worker; ``settle`` is called once with its reply or with the worker's death.

        Raises :class:`~batchmill.executors.dispatch.link.LinkBroken` when the worker is dead already.
        """
        packed = order.packed()
        with self._lock:
            if self._dead:
                raise LinkBroken(f"worker process {self.pid} is dead")
            self._under_way[order.seq] = settle
            self._seq = order.seq
        try:
            self._wire.send(packed)
        except OSError:  # it died just now: the receiver is about to settle the chunk
            pass

    def stop_items(self) -> None:
        """Let the worker start no further item of the chunks it has."""
        self.area.progress.stop()

    def hold(self) -> None:
        """Keep the worker from starting items until :meth:`go_on`, unless it was stopped for good."""
        self.area.progress.pause()

    def go_on(self) -> None:
        """Let the worker start items again that was held."""
        self.area.progress.resume()

    def kill(self, verdict: str) -> None:
        """End the worker and its descendants; ``verdict`` says why, and the first one counts.

        Commands of a cancelled batch are asked to end first; this does not wait for them.
        """
        with self._lock:
            first, self._verdict = self._verdict is None, self._verdict or verdict
        if verdict == CANCELLED and first and has_children(self.pid):
            ending = threading.Thread(
                target=kill_family, args=(self.pid, GRACE_SECONDS), name="batchmill-pool-ending"
            )
            try:
                ending.start()
            except RuntimeError:  # no thread to give, or the interpreter is ending: there is no grace then
                kill_family(self.pid)
        elif first:
            kill_family(self.pid)

    @property
    def verdict(self) -> str | None:
        """Why we killed the worker, None when we did not."""
        with self._lock:
            return self._verdict

    def close(self) -> None:
        """End the worker, idle or not, and free what the slot held; waits until that is done.

        Closing it again, at the same time too, does nothing more. Raises nothing, as most callers have nobody
        to tell: what cannot be freed is logged, and keeps nothing else from being freed.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            with ExitStack() as steps:  # from the last to the first, each whatever becomes of the others
                if self.pid:
                    steps.callback(remove_leftovers, self.pid, set(map(os.path.dirname, self._folders)))
                steps.callback(self.area.remove)
                steps.callback(self._far_end.close)
                steps.callback(self._wire.close)
                if self._receiver.ident is not None:
                    steps.callback(self._receiver.join, EXIT_SECONDS)
                if self.pid:
                    steps.callback(self._end)
        except Exception:  # noqa: BLE001  # see above
            _log.warning("worker process %d left something behind", self.pid, exc_info=True)

    def _end(self) -> None:
        """End the process and wait for that."""
        if self._exit_code() is None:  # else its number may be another's by now
            kill_family(self.pid)
            self._worker.wait()

    def _receive(self) -> None:
        """In the receiver's thread: settle replies while the worker lives, and the rest once it does not."""
        try:
            self._settle_replies()
        except Exception:  # noqa: BLE001  # else what is under way would never be settled
            _log.warning("worker process %d is ended: what it sent is no reply", self.pid, exc_info=True)
        death = self._death()
        with self._lock:
            self._dead = True
            left = [self._under_way.pop(seq) for seq in sorted(self._under_way)]
        for settle in left:
            _call(settle, death)

    def _settle_replies(self) -> None:
        while (reply := self._next_reply()) is not None:
            with self._lock:
                settle = self._under_way.pop(reply.seq)
            _call(settle, reply)
            del settle, reply  # they hold on to the batch, and the next reply may be that of another one

    def _next_reply(self) -> Reply | None:
        """The worker's next reply; None when there will be none any more."""
        while True:
            try:
                message = pickle.loads(self._wire.receive())  # noqa: S301  # our own worker's
            except BlockingIOError:  # nothing for a while
                if self._process.exitcode is not None:
                    return None
            except (EOFError, OSError):
                return None
            else:
                if not isinstance(message, Logged):
                    return Reply(*message)
                self.heard(message)

    def _death(self) -> Remains:
        """How the worker ended and what it was running. One that only closed the pipe is ended here."""
        if not self._ends_within(LOOK_SECONDS):
            kill_family(self.pid)
            self._ends_within(EXIT_SECONDS)
        last = self.area.progress
        seen = last.position, last.phase, last.attempt, last.published, last.started, last.timed, last.began
        return Remains(self.pid, self._exit_code(), *seen)

    def _ends_within(self, seconds: float) -> bool:
        """Whether the process ends within so many seconds. What multiprocessing takes for a sign of that is a
        descriptor, which an item may have closed or written to; it would wait without end for the process."""
        until, pause = time.monotonic() + seconds, 0.0005
        while self._process.exitcode is None and exists(self.pid):
            if time.monotonic() >= until:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return True

    def _exit_code(self) -> int | None:
        """The worker's exit code. Other code that lists the children of this process asks too, and if two
        threads ask at the same moment the system answers only one; the other reads the recorded answer a
        little later."""
        for _ in range(50):
            code: int | None = self._process.exitcode
            if code is not None or exists(self.pid):
                return code
            time.sleep(0.002)
        return None


def _call(settle: Settle, end: Reply | Remains) -> None:
    """Settle one chunk; what goes wrong there keeps no other from being settled."""
    try:
        settle(end)
    except Exception:  # noqa: BLE001  # such as a file of it that cannot be removed
        _log.warning("a chunk of items was settled, but left something behind", exc_info=True)


def close_together(slots: list[Slot]) -> None:
    """Close slots side by side; one after another where the interpreter is ending, as from Python 3.12 on
    no thread can be started then."""
    closing = []
    for slot in slots:
        thread = threading.Thread(target=slot.close)
        try:
            thread.start()
        except RuntimeError:
            slot.close()
        else:
            closing.append(thread)
    for thread in closing:
        thread.join()
