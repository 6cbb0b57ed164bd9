"""When items of a journal ran, in run time: seconds since the run began, without pauses between passes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from batchmill.journal.records import ItemRecord
from batchmill.report.parts import Pass
from batchmill.report.rows import AttemptRow

ROUNDING = 1e-6  # seconds: a time of day is not told more exactly
Times = tuple[float | None, float, tuple[AttemptRow, ...]]


class RunTime:
    """Turns times of day into run time. A time of day is rounded, so an item may seem to begin before the end
    of the one before it on the same worker, by less than :data:`ROUNDING`."""

    def __init__(self, passes: Sequence[Pass]) -> None:
        self._passes = passes
        self._begins = [one.began for one in passes]

    def of(self, moment: float) -> float | None:
        """A time of day in run time; None for one before the run."""
        number = bisect_right(self._begins, moment + ROUNDING) - 1
        if number < 0:
            return None
        here = self._passes[number]
        return here.at + max(0.0, moment - here.began)

    def of_all(self, moments: Sequence[float]) -> list[float] | None:
        """Times of day in run time, as :meth:`of` has them; None if one of them is before the run."""
        numbers = {bisect_right(self._begins, one + ROUNDING) - 1 for one in (min(moments), max(moments))}
        if len(numbers) > 1 or -1 in numbers:
            found = [at for moment in moments if (at := self.of(moment)) is not None]
            return found if len(found) == len(moments) else None
        here = self._passes[numbers.pop()]
        at, began = here.at, here.began
        return [at + moment - began if moment > began else at for moment in moments]

    def times(self, item: ItemRecord) -> Times:
        """The begin of an item, its seconds from the begin of the first attempt to the end of the last, and
        its attempts if there were several or the only one failed. If the begin is unknown, the seconds are
        those of its attempts together."""
        tried = self._attempts(item)
        if tried:
            return tried[0].at, tried[-1].at + tried[-1].wall - tried[0].at, tried
        start = None if item.began is None else self.of(item.began)
        if start is None:
            return None, item.wall, ()
        if item.error is None or item.attempts != 1:
            return start, item.wall, ()
        names = ("type", "message", "kind", "retry_after", "waited", "refused", "status")
        told = {**item.error, "waited": item.for_limit}
        why = (told.get(one) for one in names)
        return start, item.wall, (_attempt(start, item.wall, 0.0, item.worker, *why),)

    def _attempts(self, item: ItemRecord) -> tuple[AttemptRow, ...]:
        made: list[AttemptRow] = []
        for at, seconds, worker, *error in item.tried:
            start = self.of(at)
            if start is not None:
                slot = item.worker if worker is None else int(worker)
                between = start - made[-1].at - made[-1].wall if made else 0.0
                attempt = _attempt(start, seconds, 0.0, slot, *error)
                made.append(attempt._replace(paused=max(0.0, between - attempt.waited)))
        return tuple(made)


def _attempt(
    at: float,
    wall: float,
    paused: float,
    slot: int | None,
    error: Any = None,
    message: Any = None,
    kind: Any = None,
    retry_after: float | None = None,
    waited: float | None = None,
    refused: Any = None,
    status: int | None = None,
) -> AttemptRow:
    why = (str(error or ""), str(message or ""), str(kind or ""))
    return AttemptRow(at, wall, *why, status, waited or 0.0, paused, retry_after, slot, bool(refused))
