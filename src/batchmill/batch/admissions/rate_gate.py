"""The gate: attempts wait here until limits and budgets let them start.

It is in the parent, before items go to workers, so limits hold across threads, processes and branches of a
run. Waiting attempts occupy no thread and no process of a worker. All gates of a run share one
:class:`Gates`, which has a lane for each key; a lane serves its line in the order of arrival.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from batchmill.batch.admissions.gates import Expected, Gates, Lane
from batchmill.batch.admissions.shared_limits import POLL_SECONDS
from batchmill.outcome import Spent, nano_usd
from batchmill.policy.budget import Budget
from batchmill.policy.limits import EndedAttempt, Limits, Reservation

CHUNK_SECONDS = 0.005  # starts that may travel together: later than this none of them begins
LOOK_SECONDS = 0.5  # between two looks at a limit to which other runs may give back what they did not use
RECENT = 0.05  # weight of one call in what calls are expected to cost

Expect = Callable[[Any, int], float]


@dataclass(slots=True)
class AttemptPass:
    """Permission for one attempt, with its reservation in each budget. ``guess`` is the use to count if it
    never reports any; ``uncounted`` says that budgets have counted it before. ``slot`` is its number among
    the attempts running in all runs of the machine, None if those are not counted. ``expected`` are the
    tokens of its estimate, before what calls have shown of estimates."""

    permit: Reservation
    reserved: list[Spent] = field(default_factory=list)
    guess: Spent = field(default_factory=Spent)
    slot: int | None = None
    uncounted: bool = False
    expected: float = 0.0


class Gate:
    """The way of one batch through a lane and past some budgets.

    - ``budgets``: each budget, and whether every attempt counts as a request in it. If not, only attempts of
      nodes that make requests (``requests``) and recorded calls count.
    - ``expect``, ``expect_usd``: estimate the tokens and the cost of an attempt; ``is_free``: whether it will
      call no service. None means unknown.
    - ``models``: attempts call language models, so a lost one counts as its estimate. Other attempts count so
      once one of them has recorded a call.
    - ``longest_pause`` (seconds): the longest pause that a service may ask for.
    - ``limits``: apply in the lane while this gate is open, beside those of other open gates.
    - ``is_booked``: whether an item's request was made before and is answered later; if given, a call costs
      its estimate. ``counts_booked``: budgets count such items too, as no other pass of the run did.

    Concurrency: any thread may call any method; the lock of ``gates`` guards the state here too.
    """

    def __init__(
        self,
        gates: Gates,
        lane: Lane,
        budgets: Sequence[tuple[Budget, bool]] = (),
        *,
        expect: Expect | None = None,
        expect_usd: Expect | None = None,
        is_free: Callable[[Any, int], bool] | None = None,
        requests: bool = True,
        models: bool = False,
        longest_pause: float = math.inf,
        limits: Limits | None = None,
        is_booked: Callable[[Any, int], bool] | None = None,
        counts_booked: bool = False,
    ) -> None:
        self._counts_booked = counts_booked
        self._is_booked = is_booked
        self._gates = gates
        self._lane = lane
        self._budgets = tuple(budgets)
        self._expect = expect
        self._expect_usd = expect_usd
        self._is_free = is_free
        self._requests = requests
        self._models = models
        self._longest_pause = longest_pause
        self._limits = None if limits == Limits() else limits
        self._factor = 1.0  # real tokens for each expected one
        self._nano_usd = 0.0  # what a call is expected to cost
        # a call that is answered later does not show its cost: each counts as its estimate
        self._by_estimate = is_booked is not None
        self._known = self._by_estimate or not any(budget.needs_tokens for budget, _ in budgets)

    def open(self) -> None:
        """The batch begins."""
        if self._limits is not None:
            with self._gates.lock:
                self._lane.asked.append(self._limits)
                self._hold_to_what_is_asked()

    def close(self) -> None:
        """The batch has ended. Its limits stay in an empty lane until somebody comes with other ones; used-up
        starts and a pause stay in any case."""
        if self._limits is not None:
            with self._gates.lock:
                self._lane.asked.remove(self._limits)
                if self._lane.asked:
                    self._hold_to_what_is_asked()
                    self._lane.wake()

    def _hold_to_what_is_asked(self) -> None:
        limits = functools.reduce(Limits.stricter, self._lane.asked)
        self._lane.limiter.hold_to(limits, self._gates.clock.monotonic())

    @property
    def most(self) -> int:
        """How many items may start together at the most."""
        per_second = self._lane.limiter.limits.per_second
        if self._budgets or self._lane.limiter.one_by_one or per_second is None:
            return 1
        return max(1, int(per_second * CHUNK_SECONDS))

    def join(self) -> threading.Condition:
        """A place at the end of the lane's line."""
        waiter = threading.Condition(self._gates.lock)
        with self._gates.lock:
            self._lane.waiting.append(waiter)
        return waiter

    def part(self, waiter: threading.Condition) -> None:
        """Leave the line."""
        with self._gates.lock:
            self._lane.waiting.remove(waiter)
            self._lane.wake()

    def wait_turn(self, waiter: threading.Condition, expected: Expected, stopped: Callable[[], bool]) -> bool:
        """Wait until the first in line could start; False if none will any more."""
        with self._gates.lock:
            refusal: str | None = None
            while refusal is None and not stopped():
                seconds: float | None = None
                if self._lane.waiting[0] is waiter:
                    with self._lane.held(self._gates.clock):
                        seconds, refusal = self._look(expected)
                    if seconds == 0.0:
                        return True
                if refusal is None:
                    if seconds is not None and self._lane.shared is not None:
                        seconds = min(seconds, LOOK_SECONDS)
                    waiter.wait(seconds)
        if refusal is not None:
            self._gates.exhaust(refusal)
        return False

    def let_through(self, expected: Sequence[Expected], stopped: Callable[[], bool]) -> list[AttemptPass]:
        """Passes for the first attempts with these estimates that may start now."""
        passes: list[AttemptPass] = []
        with self._gates.lock, self._lane.held(self._gates.clock):
            for each in expected:
                if stopped() or self._look(each)[0] != 0.0:
                    break
                slot = self._slot()
                passes.append(self._pass(each))
                passes[-1].slot = slot
        return passes

    def expected(self, item: object, index: int) -> Expected:
        """The estimated use of an attempt at an item."""
        if self._is_free is not None and self._is_free(item, index):
            return Expected(0.0, 0.0, free=True)
        tokens = 0.0 if self._expect is None else self._expect(item, index)
        usd = 0.0 if self._expect_usd is None else self._expect_usd(item, index)
        booked = self._is_booked is not None and self._is_booked(item, index)
        return Expected(tokens, usd, free=False, booked=booked)

    def _look(self, expected: Expected) -> tuple[float | None, str | None]:
        """Under the lock: how long to wait (0.0: not at all, None: until woken), or why no attempt will start
        any more."""
        tokens = expected.tokens * self._factor
        if seconds := self._lane.limiter.wait(tokens, self._gates.clock.monotonic()):
            return None if seconds == math.inf else seconds, None
        if not self._has_slot():
            return POLL_SECONDS, None
        for budget, amount in self._amounts(tokens, expected.usd):
            why = None if expected.unbound else budget.refusal(amount)
            if why is not None:
                return None, None if budget.outstanding else why
        return 0.0, None

    def _has_slot(self) -> bool:
        most, shared = self._lane.limiter.limits.max_concurrent, self._lane.shared
        return shared is None or most is None or shared.is_free(most)

    def _slot(self) -> int | None:
        """Under the lock, after a look: a number among the attempts of all runs, where those are counted.
        Slots are taken under the lock on the limit, so that one that was free still is."""
        most, shared = self._lane.limiter.limits.max_concurrent, self._lane.shared
        return None if shared is None or most is None else shared.take(most)

    def _pass(self, expected: Expected) -> AttemptPass:
        """Under the lock, after a look: count an attempt as started."""
        tokens = expected.tokens * self._factor
        reserved: list[Spent] = []
        for budget, amount in self._amounts(tokens, expected.usd):
            reserved.append(Spent() if expected.unbound else amount)
            budget.set_aside(reserved[-1])
        usd = self._nano_usd if self._known and not self._by_estimate else nano_usd(expected.usd)
        guess = Spent(1, round(tokens), round(usd))
        start = self._lane.limiter.start(tokens, self._gates.clock.monotonic())
        uncounted = expected.booked and not self._counts_booked
        return AttemptPass(start, reserved, guess, uncounted=uncounted, expected=expected.tokens)

    def _amounts(self, tokens: float, usd: float) -> Iterator[tuple[Budget, Spent]]:
        """The reservation in each budget. While the cost of a call is unknown, it is all that is left, so the
        first one runs alone."""
        for budget, every in self._budgets:
            left = budget.left()
            requests = int(every or self._requests)
            if self._by_estimate:
                yield budget, Spent(requests, round(tokens), nano_usd(usd))
            elif self._known or not budget.needs_tokens:
                yield budget, Spent(requests, round(tokens), round(self._nano_usd))
            else:
                yield budget, Spent(requests, max(left.tokens, round(tokens)), left.nano_usd)

    def wake(self) -> None:
        """Make all threads that wait here check whether they are stopped."""
        with self._gates.lock:
            for waiter in self._lane.waiting:
                waiter.notify()

    def withdraw(self, leave: AttemptPass) -> None:
        """An attempt that was let through was not made."""
        with self._gates.lock, self._lane.held(self._gates.clock):
            self._lane.end_slot(leave.slot)
            self._lane.limiter.withdraw(leave.permit, self._gates.clock.monotonic())
            for (budget, _), reserved in zip(self._budgets, leave.reserved, strict=True):
                budget.release(reserved)
            self._settled()

    def leave(
        self,
        leave: AttemptPass,
        ended: EndedAttempt,
        calls: int = 0,
        nano_usd: int = 0,
        *,
        unpriced: str | None = None,
    ) -> None:
        """An attempt ended: it made ``calls`` of language models, which cost ``nano_usd``. If its use is
        unknown (``ended`` has no tokens) it counts as its estimate. ``unpriced`` names a called model without
        a price: then no budget in dollars can be kept."""
        if ended.pause > self._longest_pause:
            ended = replace(ended, pause=self._longest_pause)
        with self._gates.lock, self._lane.held(self._gates.clock):
            self._lane.end_slot(leave.slot)
            self._models = self._models or calls > 0
            self._lane.refused += ended.refused
            tokens = ended.tokens
            if tokens is None:
                tokens, nano_usd = (leave.guess.tokens, leave.guess.nano_usd) if self._models else (0, 0)
            ended = replace(ended, tokens=tokens)
            decision = self._lane.limiter.end(leave.permit, ended, self._gates.clock.monotonic())
            for (budget, every), reserved in zip(self._budgets, leave.reserved, strict=True):
                requests = max(calls, int(ended.asked and (every or self._requests)))
                real = Spent(requests, round(tokens), nano_usd)
                budget.settle(reserved, Spent() if leave.uncounted else real)
            self._learn(leave.expected, tokens, calls, nano_usd)
            self._settled()
        if decision is not None:
            self._gates.on_decision(self._lane.key, decision)
        if unpriced is not None:
            self._refuse_unpriced(unpriced)

    def _refuse_unpriced(self, model: str) -> None:
        """A call was made whose cost in dollars is unknown: it is the last one under a budget in dollars."""
        for budget, _ in self._budgets:
            if budget.limits.usd is not None:
                self._gates.exhaust(f"{budget.named('usd')} cannot be held: the model {model!r} has no price")
                return

    def _settled(self) -> None:
        if self._budgets:
            self._gates.wake_all()
        else:
            self._lane.wake()

    def _learn(self, expected: float, real: float, calls: int, nano_usd: int) -> None:
        """Under the lock: expect of the next call what recent ones cost, rather too much than too little."""
        if not calls:
            return
        self._known = True
        if expected > 0:
            ratio = real / expected
            self._factor = max(ratio, self._factor + RECENT * (ratio - self._factor))
        self._nano_usd = max(nano_usd, self._nano_usd + RECENT * (nano_usd - self._nano_usd))
