"""The attempt that a task is running, as the task sees it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchmill.concurrency.cancel import CancelToken
from batchmill.record import Recorder
from batchmill.warned import Warned

if TYPE_CHECKING:  # each worker process would pay for them
    from batchmill.events import AnswerPart
    from batchmill.record import CallsUnderWay


def _no_one_waits(seconds: float) -> None:
    """Does nothing: without a timeout an attempt is never abandoned."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt of one item.

    - ``number``: counts from 1.
    - ``deadline``: the :func:`time.monotonic` second at which the attempt times out. ``timeout``: the seconds
      it was given in total. Both None without a timeout.
    - ``recorder``: takes what the attempt records.
    - ``cancel``: cancelled when the run ends by force, and when the attempt is abandoned.
    - ``calls``: enter calls of language models here before you make them; None if nothing saves them.
    - ``folder``: the item's working folder, in which commands run; None if it has none.
    - ``tell``: takes the parts of answers as they come; None if nobody listens.
    - ``ending``: for tasks that keep the deadline themselves and must then clean up, such as end a command.
      Tell it how many seconds that takes at most, and the executor abandons the attempt only after them.
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
        """Have the run report a likely mistake that is no error; see :class:`~batchmill.warned.Warned`. If
        many items of a node warn alike, one warning is shown."""
        self.recorder.append(Warned(code, message, hint))

    def remaining(self) -> float | None:
        """Seconds until the deadline, at least 0; None without a deadline."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def within(self, seconds: float | None) -> float | None:
        """The smaller of ``seconds`` and the remaining time; None if neither is set."""
        if self.deadline is None:
            return seconds
        bounds = [bound for bound in (seconds, self.remaining()) if bound is not None]
        return min(bounds) if bounds else None

    def given(self, seconds: float | None) -> float:
        """The smaller of ``seconds`` and the attempt's whole timeout, for messages: not what was left of it.
        Infinite if neither is set."""
        return min((bound for bound in (seconds, self.timeout) if bound is not None), default=math.inf)
