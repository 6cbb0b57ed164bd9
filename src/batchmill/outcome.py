"""What became of an item, as plain data: the one form in which results cross threads and processes.

An :class:`Outcome` is one item. A :class:`Block` is the outcomes of neighbouring items in columns,
because a million successes are cheaper to carry as one list than as a million objects: only items
that failed, were tried again or recorded calls have an Outcome of their own in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

ErrorKind = Literal["exception", "error_result", "timeout", "worker_died", "cancelled", "not_picklable"]


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why an attempt failed, without the exception object.

    ``type`` is the exception's class name. ``outputs`` is what a node reported along with an error
    result. ``retry_after`` is in seconds; ``refused`` says that a service wanted fewer calls, or none for a
    while. ``traceback`` is text, of the user's own code, and may be empty. ``address`` is the node inside a
    sub-workflow that failed, empty where it is the task itself. ``cause`` leads to the exception where that
    was wanted (see :mod:`batchmill.executors.cause`).
    """

    type: str
    message: str
    kind: ErrorKind = "exception"
    traceback: str = ""
    retryable: bool = True
    retry_after: float | None = None
    refused: bool = False
    outputs: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    cause: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final state of one item: a value, or an error after ``attempts`` attempts.

    ``index`` is the item's 0-based position, ``wall`` the seconds its attempts took together,
    ``records`` what its node recorded (LLM calls), in order. ``again`` is set, in seconds to wait, where
    this was one attempt and another one is to be made. ``kept`` says that an earlier run made it, so that
    nothing was done for it now.
    """

    index: int
    value: Any = None
    error: ErrorInfo | None = None
    attempts: int = 1
    wall: float = 0.0
    records: tuple[Any, ...] = ()
    again: float | None = None
    kept: bool = False

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def plain(self) -> bool:
        """Whether there is nothing to tell but the value: success at the first attempt, no records."""
        return self.error is None and self.attempts == 1 and not self.records

    def as_error(self, item: Any) -> dict[str, Any]:
        """The entry of a batch's ``errors`` list; ``item`` is put in as it is."""
        if self.error is None:
            raise ValueError("a success has no error entry")
        return {
            "index": self.index,
            "item": item,
            "type": self.error.type,
            "message": self.error.message,
            "attempts": self.attempts,
            "kind": self.error.kind,
            "traceback": self.error.traceback,
        }


@dataclass(slots=True)
class Block:
    """Outcomes of the items ``start`` to ``start + len(values) - 1``.

    ``values`` and ``walls`` (seconds) are aligned; ``special`` maps an offset into them to the
    Outcome of an item that is more than a plain success at the first attempt. A failed item's
    place in ``values`` is None. ``items`` are the items themselves; they are added in the parent and
    never travel back from a worker.
    """

    start: int
    values: list[Any]
    walls: list[float]
    special: dict[int, Outcome] = field(default_factory=dict)
    items: Sequence[Any] = ()

    @classmethod
    def of(cls, outcome: Outcome, item: Any) -> Block:
        """A block of one item."""
        special = {} if outcome.plain else {0: outcome}
        return cls(outcome.index, [outcome.value], [outcome.wall], special, (item,))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that are errors, in index order."""
        return [self.special[k] for k in sorted(self.special) if self.special[k].error is not None]

    def outcomes(self) -> Iterator[Outcome]:
        """Every item's Outcome, in index order."""
        for offset, value in enumerate(self.values):
            outcome = self.special.get(offset) or Outcome(self.start + offset, value)
            yield replace(outcome, wall=self.walls[offset])


def cancelled(index: int, attempts: int = 0) -> Outcome:
    """The Outcome of an item that was not started (``attempts`` 0) or not run to its end."""
    why = "ended by force while it ran" if attempts else "the batch was stopped before the item started"
    return Outcome(index, error=ErrorInfo("Cancelled", why, "cancelled", retryable=False), attempts=attempts)


def interrupted(index: int, attempts: int, error: ErrorInfo) -> Outcome:
    """The Outcome of an item that waited for another attempt, after ``error``, when nothing was to start any
    more: it has neither failed for good nor succeeded."""
    why = f"stopped while it waited for another attempt, after {error.type}: {error.message}"
    return Outcome(index, error=ErrorInfo("Cancelled", why, "cancelled", retryable=False), attempts=attempts)
