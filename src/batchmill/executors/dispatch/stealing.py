"""Work stealing: items that a worker has not begun go to idle workers.

A chunk is sized by the expected time of its items. When one takes long the others wait behind it, and near
the end of a batch, or while the source gives nothing, no other worker has work left. Then the worker is held:
it begins nothing more. A moment later its progress shows for certain what it has begun, and the rest is given
back.

The moment replaces a memory barrier: a worker writes which item it is on before it checks whether it is held.
So either it sees the hold, or the stealer, which looks much later than any write takes to become visible,
finds the item begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from batchmill.executors.contract import Channel
from batchmill.executors.running.progress import Position

LOOK_SECONDS = 0.005  # an item this long is worth a look at who else is waiting
HOLD_SECONDS = 0.002
END_SECONDS = 1.0


class Holder(Protocol):
    """A worker that may have more items than the one it is running."""

    def spare(self) -> bool:
        """Whether it has."""

    def at(self) -> Position | None:
        """Which item of which chunk it is on; None while it is on none or was held."""

    def hold(self) -> None:
        """Let it begin nothing more of what it has, so that :meth:`take_back` can have it."""

    def take_back(self) -> None:
        """Give back what a worker that was held a little while ago has not begun."""


class WorkStealer:
    """Watches one batch while one worker waits for items and another has several.

    ``holders`` are the active workers, ``several`` says quickly whether one of them may have more than one
    item, ``widen`` adds one if workers may be idle that have none yet. ``run`` provides a thread.

    Concurrency: any thread may call any method; ``_lock`` guards ``_watching`` and ``_asked``. The rest runs
    in the thread that ``run`` provides.
    """

    def __init__(
        self,
        channel: Channel,
        run: Callable[[Callable[[], None]], None],
        holders: Callable[[], Sequence[Holder]],
        several: Callable[[], bool],
        widen: Callable[[], None] = lambda: None,
    ) -> None:
        self._channel = channel
        self._run = run
        self._holders = holders
        self._several = several
        self._widen = widen
        self._lock = threading.Lock()
        self._watching = False
        self._asked = False  # once more, since the watching thread looked
        self._over = threading.Event()
        self._away = threading.Event()  # nobody watches
        self._away.set()

    def begin(self) -> None:
        """Watch, if there is anything to share: somebody has nothing to do, or has got several items."""
        if self._over.is_set() or not self._several():
            return
        with self._lock:
            self._asked = True
            if self._watching:
                return
            self._watching = True
            self._away.clear()
        try:
            self._run(self._watch)
        except RuntimeError:  # the system has no thread to give: each worker keeps what it has
            self._leave()

    def end(self) -> None:
        """The batch is over."""
        self._over.set()
        self._away.wait(END_SECONDS)

    def _watch(self) -> None:
        before: dict[Holder, Position] = {}
        try:
            while self._goes_on():
                now = {holder: at for holder in self._holders() if holder.spare() and (at := holder.at())}
                stuck = [holder for holder, at in now.items() if before.get(holder) == at]
                before = now
                if stuck and self._wanted():
                    self._take_back(stuck)
        except BaseException as fault:  # noqa: BLE001  # the batch must hear of it
            self._leave()
            self._channel.fail(fault)

    def _goes_on(self) -> bool:
        """Whether to look again, after a while; else this thread has left."""
        with self._lock:
            asked, self._asked = self._asked, False
        over = self._over.wait(LOOK_SECONDS) or self._channel.stopped
        if not over and (asked or (self._several() and self._wanted())):
            return True
        return not self._leave(unless_asked=not over)

    def _leave(self, *, unless_asked: bool = False) -> bool:
        with self._lock:
            if unless_asked and self._asked:
                return False
            self._watching = False
            self._away.set()
            return True

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
