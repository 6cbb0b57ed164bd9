"""Search for the highest value that a service does not refuse, when the limit is unknown and may change.

The value found is kept for a time of patience. Then the search goes up, in steps that double, until the next
refusal: a small step shows that the limit is still where it was, the later ones catch up with a limit that
rose. (Compare the convex part of Ha, Rhee and Xu, "CUBIC", ACM SIGOPS Operating Systems Review, 2008.) The
cost of a refusal sets the patience, and each refusal that leads back to the same place makes it longer.
"""

from __future__ import annotations

PATIENCE_SECONDS = 1.0
PATIENCE_CALLS, MOST_PATIENCE_CALLS, MORE_CALLS = (
    24.0,
    32.0,
    1.2,
)  # a try may cost one refusal in so many calls
SHORTEST_PER_PAUSE, LONGEST_PER_PAUSE, MORE_PAUSES = 2.5, 24.0, 3.0  # and a second of waiting in so many
AFTER_FALL = 1.5  # instead of MORE_PAUSES: a wait is about half as long as the value has been low
LONGEST_PATIENCE = 60.0
BOLD_STEP = 0.3  # where hardly anything is known
LONGEST_STEP = 0.5  # a limit that rose eightfold is found in two seconds, and hardly overshot
SAME = 0.2  # share by which two limits differ that may be one
FALLEN = 0.5  # of what was found before: a service that has trouble, not one whose limit is not quite known


def patience(failures: int, rate: float, pause: float, *, fallen: bool = False) -> float:
    """Seconds to keep a found value, after ``failures`` tries in a row that led back to it; with ``rate``
    calls a second, and ``pause`` seconds asked for with a refusal. A value that has ``fallen`` is likely to
    come back, so it is tried more often at first."""
    more = AFTER_FALL if fallen else MORE_PAUSES
    waits = pause * min(LONGEST_PER_PAUSE, SHORTEST_PER_PAUSE * more**failures)
    calls = min(MOST_PATIENCE_CALLS, PATIENCE_CALLS * MORE_CALLS**failures)
    return min(LONGEST_PATIENCE, max(PATIENCE_SECONDS, calls / max(rate, 1e-3), waits))


class LimitSearch:
    """``value`` applies now; nothing above it is tried before ``held_until``. Steps are fractions of the
    value, at least ``grain``."""

    def __init__(self, value: float, least: float, most: float, step: float, grain: float) -> None:
        self.value = value
        self.least, self.most = least, most
        self.held_until = 0.0
        self.good = 0.0  # was in force for a while
        self.previous = 0.0  # what the value was before it was raised last
        self.raised = False  # since the last refusal
        self.failures = 0  # tries in a row that led back to the same place
        self.found: float | None = None  # what the last refusal led back to
        self._highest = 0.0  # that was found
        self._grain = grain
        self._first_step = self._step = step

    @property
    def bold(self) -> bool:
        """Whether so little is known that steps are large."""
        return self._step >= BOLD_STEP

    @property
    def fallen(self) -> bool:
        """Whether the value is far below one that was found before."""
        return self.value < FALLEN * self._highest

    def higher(self, now: float) -> bool:
        """Try the next value. False where there is none."""
        if now < self.held_until or self.value >= self.most:
            return False
        if not self.raised:
            self.good = self.value
        self.raised = True
        self.previous = self.value
        self.value = min(self.most, self.value + max(self._grain, self._step * self.value))
        self._step = min(LONGEST_STEP, 2 * self._step)
        return True

    def find(self, value: float, step: float | None = None) -> None:
        """Something above ``value`` was refused: go there."""
        value = min(self.most, max(self.least, value))
        same = self.found is not None and abs(value - self.found) <= max(self._grain, SAME * self.found)
        self.failures = min(self.failures + 1, 10) if same else 0
        self.found = value
        self._highest = max(self._highest, value)
        self.put(value, step)

    def put(self, value: float, step: float | None = None) -> None:
        """Jump to ``value``, which is untested; continue from there with ``step``."""
        self.value = min(self.most, max(self.least, value))
        self.good = 0.0
        self.raised = False
        self.previous = 0.0
        self._step = self._first_step if step is None else step
