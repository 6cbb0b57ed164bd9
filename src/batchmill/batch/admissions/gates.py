"""The state that the gates of a run share: a lane for each key of a limit, and the budgets."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from batchmill.batch.admissions.shared_limits import SharedLimits
from batchmill.concurrency.clock import SYSTEM_CLOCK, Clock
from batchmill.policy.budget import Budget, BudgetLimits
from batchmill.policy.limits import Limiter, Limits

if TYPE_CHECKING:  # few runs have adaptive limits
    from batchmill.policy.adaptive.controller import LimitChange

OnDecision = Callable[[str, "LimitChange"], None]


class Expected(NamedTuple):
    """The estimated use of an attempt: tokens of language models and US dollars. ``free`` says that it will
    call no service; ``booked`` that its request was made before: it counts as estimated, and no limit delays
    its answer."""

    tokens: float
    usd: float
    free: bool
    booked: bool = False

    @property
    def unbound(self) -> bool:
        """Whether no budget keeps it from starting."""
        return self.free or self.booked


@dataclass(slots=True)
class Lane:
    """The limiter of one key and its waiting line, first come first served."""

    key: str
    limiter: Limiter
    waiting: deque[threading.Condition] = field(default_factory=deque)
    asked: list[Limits] = field(default_factory=list)  # by gates that are open
    refused: int = 0  # attempts, ever
    shared: SharedLimits | None = None  # with all runs of the machine

    def held(self, clock: Clock) -> AbstractContextManager[None]:
        """The limiter in its present state, to read and to count in; no other run changes it meanwhile."""
        return nullcontext() if self.shared is None else self.shared.held(self.limiter, clock)

    def end_slot(self, slot: int | None) -> None:
        """An attempt with this number among those of all runs has ended."""
        if slot is not None and self.shared is not None:
            self.shared.release(slot)

    def wake(self) -> None:
        """Have the first in line look again."""
        if self.waiting:
            self.waiting[0].notify()


class Gates:
    """The state that all gates of one run share.

    ``on_decision`` is called with each change of an adaptive limit and its key; ``on_exhausted`` with the
    reason, in words, when a budget lets nothing more start. Both are called outside the lock.

    Concurrency: any thread may call any method. ``lock`` guards lanes, limiters and budgets; gates take it.
    """

    def __init__(
        self,
        on_decision: OnDecision | None = None,
        on_exhausted: Callable[[str], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.lock = threading.Lock()
        self.clock = clock
        self.on_decision = on_decision or (lambda key, decision: None)
        self.on_exhausted = on_exhausted or (lambda reason: None)
        self.exhausted: str | None = None
        self._lanes: dict[str, Lane] = {}
        self._budgets: dict[str, Budget] = {}

    def lane(self, key: str, limits: Limits, *, shared: bool = False) -> Lane:
        """The lane of ``key``, with ``limits`` added to those of other users. ``shared`` makes it hold for
        all runs of this user on this machine; then raises :class:`~batchmill.errors.StorageError` if that is
        impossible.
        """
        now = self.clock.monotonic()
        with self.lock:
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = Lane(key, Limiter(limits, now))
            else:
                lane.limiter.tighten(limits, now)
            if shared and lane.shared is None:
                lane.shared = SharedLimits(key)
            return lane

    def look(self) -> list[dict[str, object]]:
        """Each lane in its present state: attempts in flight and waiting, all refused ones so far, and its
        limits."""
        with self.lock:
            return [
                {
                    "key": lane.key,
                    "in_flight": lane.limiter.in_flight,
                    "waiting": len(lane.waiting),
                    "refused": lane.refused,
                    "limit": lane.limiter.most,
                    "rate": lane.limiter.rate,
                }
                for lane in self._lanes.values()
            ]

    def budget(self, owner: str, limits: BudgetLimits) -> Budget:
        """The budget of ``owner``, the same one each time."""
        with self.lock:
            return self._budgets.setdefault(owner, Budget(limits, owner))

    def exhaust(self, reason: str) -> None:
        """A budget lets nothing start any more."""
        with self.lock:
            self.exhausted = self.exhausted or reason
        self.on_exhausted(reason)

    def wake_all(self) -> None:
        """Under the lock: a budget changed, which may let somebody start in any lane."""
        for lane in self._lanes.values():
            lane.wake()
