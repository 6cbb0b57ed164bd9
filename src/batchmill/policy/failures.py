"""How failed items affect their batch: stop it at the first failure, or continue within a tolerance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from batchmill.errors import InvalidSetting
from batchmill.outcome import ErrorInfo
from batchmill.values.words import count


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """``fail_fast`` ends the batch at its first failure.

    Without it, more than ``tolerate_count`` failures, or more than ``tolerate_percent`` (0 to 100) of all
    items, fail the batch; None tolerates any number, as long as one item succeeds. ``watches_denials`` says
    that items may be denied for a reason that the others share (:class:`Denials`).
    """

    fail_fast: bool = True
    tolerate_count: int | None = None
    tolerate_percent: float | None = None
    watches_denials: bool = False

    def __post_init__(self) -> None:
        if self.tolerate_count is not None and self.tolerate_count < 0:
            raise InvalidSetting(f"tolerate.count must be 0 or more, not {self.tolerate_count}")
        if self.tolerate_percent is not None and not 0 <= self.tolerate_percent <= 100:
            raise InvalidSetting(f"tolerate.percent must be 0 to 100, not {self.tolerate_percent}")

    @property
    def tolerates(self) -> bool:
        """Whether it limits the number of failures."""
        return self.tolerate_count is not None or self.tolerate_percent is not None

    @property
    def judged_before_the_end(self) -> bool:
        """Whether some number of failures stops the batch, but not each."""
        return not self.fail_fast and (self.tolerates or self.watches_denials)


class Denials:
    """Counts items in a row that failed for a reason that the others share: rejected credentials, an empty
    quota, an extra that is not installed. After so many without a success between them, the rest would fail
    too. Not locked: its owner calls it under a lock."""

    def __init__(self) -> None:
        self._row = 0
        self._message = ""

    def add(self, succeeded: int, errors: Iterable[ErrorInfo]) -> None:
        """Count items that reached their final state together."""
        if succeeded:
            self._row = 0
        for error in errors:
            if error.denied:
                self._row += 1
                if self._row >= error.denied and not self._message:
                    self._message = f"{error.type}: {error.message}"

    @property
    def verdict(self) -> str | None:
        """Why nothing more should start, None while it may."""
        if not self._message:
            return None
        if self._row == 1:
            return f"every other item would fail in the same way, so the rest were not tried: {self._message}"
        return f"{self._row} items in a row were denied, so the rest were not tried: {self._message}"


class FailureWatch:
    """Counts failures of one batch against its policy. Not locked: its owner calls it under a lock.

    ``skipped``: how many of ``succeeded`` did not run, because their condition is false. Only the consumer of
    the outcomes knows and sets it, and only the verdict at the end reads it.
    """

    def __init__(self, policy: FailurePolicy, total: int | None) -> None:
        self.policy = policy
        self.total = total
        self.failed = 0
        self.succeeded = 0
        self.skipped = 0
        self._denials = Denials()

    def add(
        self, succeeded: int, failed: int, errors: Sequence[ErrorInfo] = (), *, answered: int | None = None
    ) -> None:
        """Count items that reached their final state; ``errors`` are those of items that did not succeed.

        ``answered`` of those that succeeded did run now, by default all. Others, such as skipped ones, tell
        nothing of what denies the rest.
        """
        self.succeeded += succeeded
        self.failed += failed
        if self.policy.watches_denials:
            self._denials.add(succeeded if answered is None else answered, errors)

    def must_stop(self) -> bool:
        """Whether no new item should start; a percentage can stop a batch before its end only if the total is
        known."""
        return bool(self._exceeded(self.total))

    def verdict(self, waiting: int = 0) -> str | None:
        """At the end: why the batch failed, None when it did not; so many items are ``waiting`` for a service
        and have not ended."""
        finished = self.succeeded + self.failed
        exceeded = self._exceeded(finished if self.total is None else self.total)
        if exceeded:
            return exceeded
        if self.failed and self.succeeded == self.skipped and not waiting:
            return f"all {self.failed} items {'that ran ' if self.skipped else ''}failed"
        return None

    def _exceeded(self, total: int | None) -> str | None:
        policy = self.policy
        if not self.failed:
            return None
        if self._denials.verdict is not None:
            return self._denials.verdict
        if policy.fail_fast:
            return f"{count(self.failed, 'item')} failed and error_handling is fail_fast"
        if policy.tolerate_count is not None and self.failed > policy.tolerate_count:
            return f"{count(self.failed, 'item')} failed, more than the {policy.tolerate_count} tolerated"
        if policy.tolerate_percent is not None and total:
            percent = 100.0 * self.failed / total
            if percent > policy.tolerate_percent:
                tolerated = f"more than the {policy.tolerate_percent:g} % tolerated"
                return f"{percent:.3g} % of the items failed, {tolerated}"
        return None
