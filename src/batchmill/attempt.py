"""What a task is told about the attempt it is running."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from batchmill.concurrency.cancel import CancelToken
from batchmill.events import AnswerPart
from batchmill.record import CallsUnderWay, Recorder
from batchmill.warned import Warned


def _no_one_waits(seconds: float) -> None:
    """Without a timeout nobody gives an attempt up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one item.

    ``number`` counts from 1. ``deadline`` is the :func:`time.monotonic` second at which the attempt
    times out, ``timeout`` the seconds that it was given then; None without a timeout. ``recorder`` takes
    what the attempt records. ``cancel`` is cancelled when the run is being ended by force, and when the
    attempt was given up. ``calls`` is where calls of language models are entered before they are made, None
    where nothing is kept of them. ``folder`` is the item's own, which commands run in; None where it has
    none. ``tell`` takes the parts of answers as they come, None where nobody listens.

    ``ending`` is for whoever keeps to the deadline and has to end something then, a command say: told that
    this takes up to so many seconds, the executor does not give the attempt up before they have passed.
    """

    number: int = 1
    deadline: float | None = None
    recorder: Recorder = field(default_factory=Recorder)
    cancel: CancelToken = field(default_factory=CancelToken)
    timeout: float | None = None
    calls: CallsUnderWay | None = None
    tell: Callable[[AnswerPart], object] | None = None
    ending: Callable[[float], None] = _no_one_waits
    folder: str | None = None

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Have the run tell something that is no error and hardly meant; see
        :class:`~batchmill.warned.Warned`. Of many items of a node one is told."""
        self.recorder.append(Warned(code, message, hint))

    def remaining(self) -> float | None:
        """Seconds until the deadline, at least 0; None where there is none."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def within(self, seconds: float | None) -> float | None:
        """The smaller of ``seconds`` and what remains; None where neither is set."""
        if self.deadline is None:
            return seconds
        bounds = [bound for bound in (seconds, self.remaining()) if bound is not None]
        return min(bounds) if bounds else None

    def given(self, seconds: float | None) -> float:
        """The smaller of ``seconds`` and the whole time that the attempt was given: what messages tell, and
        not what was left of it. Infinite where neither is set."""
        return min((bound for bound in (seconds, self.timeout) if bound is not None), default=math.inf)
