"""Work stealing: items that a worker has not begun go to idle workers.

A chunk is sized by the expected time of its items. If one takes long, the others wait behind it, and near the
end of a batch, or while the source gives nothing, no other worker has work left. Then the worker is held: it
begins no further item. A moment later its progress shows for certain which items it has begun, and the rest
is given back.

The moment replaces a memory barrier: a worker writes which item it is on before it checks whether it is held.
So either it sees the hold, or the stealer, which looks much later than any write takes to become visible,
finds the item begun. The worker continues meanwhile, and no thread waits for it: it may be in an item that
takes an hour.

A worker that still starts has begun nothing. Its items go to others that are free: starting an interpreter
takes many seconds on a crowded machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a first worker process is started before these are imported
    from batchmill.executors.contract import Channel
    from batchmill.executors.running.progress import Position

LOOK_SECONDS = 0.005  # an item this long is worth a look at who else is waiting
LINGER_LOOKS = 20  # that a thread stays without anything to look at: a next batch wakes nobody
HOLD_SECONDS = 0.002
END_SECONDS = 1.0
WATCHING = "batchmill-pool-watch"  # the name of a thread


class Holder(Protocol):
    """A worker that may have more items than the one it is running."""

    def spare(self) -> bool:
        """Whether it has."""

    def at(self) -> Position | None:
        """Which item of which chunk it is on, chunk 0 while it still starts; None while it is on none or was
        held."""

    def hold(self) -> None:
        """Prevent it from beginning further items, so :meth:`take_back` can have them."""

    def take_back(self) -> None:
        """Return what a worker that was held a little while ago has not begun."""


class Watch:
    """One thread, from ``run``, that looks at all batches every few milliseconds while there are any, and
    ``linger`` times more. So a short batch that follows another one starts no thread.

    Concurrency: any thread may call any method; ``_lock`` guards ``_looks`` and ``_running``.
    """

    def __init__(self, run: Callable[[Callable[[], None]], None], linger: int = LINGER_LOOKS) -> None:
        self._run = run
        self._linger = linger
        self._lock = threading.Lock()
        self._looks: list[Callable[[], bool]] = []
        self._running = False

    def add(self, look: Callable[[], bool]) -> None:
        """Call ``look``, which must not raise, every :data:`LOOK_SECONDS` until it returns False. Raises
        RuntimeError when the system has no thread to give."""
        with self._lock:
            self._looks.append(look)
            if self._running:
                return
            self._running = True
        try:
            self._run(self._keep_looking)
        except RuntimeError:
            with self._lock:
                self._running = False
                self._looks.remove(look)
            raise

    def _keep_looking(self) -> None:
        threading.current_thread().name = WATCHING
        unused = 0
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                looks = list(self._looks)
                unused = 0 if looks else unused + 1
                if unused > self._linger:
                    self._running = False
                    return
            for look in looks:
                if not look():
                    with self._lock:
                        self._looks.remove(look)


class WorkStealer:
    """Shares the items of one batch while one worker waits for items and another has several.

    ``holders`` are the active workers, ``several`` says quickly whether one of them may have more than one
    item and there can be another worker, ``idle`` whether one that is up has none. ``widen`` adds workers if
    there may be more. ``watch`` has the thread.

    Concurrency: any thread may call any method; ``_lock`` guards ``_watched``, ``_asked`` and ``_over``. The
    thread of the watch looks, under ``_looking``, and alone has ``_before``.
    """

    def __init__(
        self,
        channel: Channel,
        watch: Watch,
        holders: Callable[[], Sequence[Holder]],
        several: Callable[[], bool],
        widen: Callable[[], None] = lambda: None,
        idle: Callable[[], bool] = lambda: False,
    ) -> None:
        self._channel = channel
        self._watch = watch
        self._holders = holders
        self._several = several
        self._widen = widen
        self._idle = idle
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._watched = False
        self._asked = False  # once more, since the last look
        self._over = False
        self._before: dict[Holder, Position] = {}

    def begin(self) -> None:
        """Watch, if there is anything to share: somebody has nothing to do, or has got several items."""
        if self._over or not self._several():
            return
        with self._lock:
            self._asked = True
            if self._watched or self._over:
                return
            self._watched = True
        try:
            self._watch.add(self._look)
        except RuntimeError:  # the system has no thread to give: each worker keeps what it has
            with self._lock:
                self._watched = False

    def share(self) -> None:
        """Take back what no worker has begun, and add workers for it, without waiting for a look."""
        with self._looking:
            with self._lock:
                over = self._over
            if over:
                return
            self._take_back([holder for holder in self._holders() if holder.spare()])
        self.begin()

    def end(self) -> None:
        """The batch is over: when this returns, the watch no longer looks at it."""
        with self._lock:
            self._over = True
        if self._looking.acquire(timeout=END_SECONDS):
            self._looking.release()

    def _look(self) -> bool:
        """Look once; whether to look again."""
        with self._looking:
            try:
                if not self._goes_on():
                    self._before = {}
                    return False
                now = {holder: at for holder in self._holders() if holder.spare() and (at := holder.at())}
                stuck = [holder for holder, at in now.items() if self._before.get(holder) == at]
                if any(not now[holder].seq for holder in stuck) and not self._idle():
                    stuck = [holder for holder in stuck if now[holder].seq]  # nobody would be quicker
                self._before = now
                if stuck and self._wanted():
                    self._take_back(stuck)
            except BaseException as fault:  # noqa: BLE001  # the batch must hear of it
                self._channel.fail(fault)
                with self._lock:
                    self._watched = False
                return False
        return True

    def _goes_on(self) -> bool:
        """Whether there may be items to share, now or later; else the watch can stop."""
        with self._lock:
            asked, self._asked, over = self._asked, False, self._over
        over = over or self._channel.stopped
        if not over and (asked or (self._several() and self._wanted())):
            return True
        with self._lock:
            if self._asked and not over:  # just now
                return True
            self._watched = False
            return False

    def _wanted(self) -> bool:
        """Whether workers have nothing to do, or could be added that would."""
        return self._channel.starving or not self._channel.more()

    def _take_back(self, holders: list[Holder]) -> None:
        for holder in holders:
            holder.hold()
        time.sleep(HOLD_SECONDS)
        for holder in holders:
            holder.take_back()
        self._widen()
