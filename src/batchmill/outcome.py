"""The outcome of one item, as plain data: its value or error, its attempts, and its waits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from batchmill.bad_row import as_text
from batchmill.errors import NodeError
from batchmill.sourced import bare

V = TypeVar("V")
ErrorKind = Literal["exception", "error_result", "timeout", "worker_died", "cancelled", "not_picklable"]


class Refusals(NamedTuple):
    """How often an item was refused, and the seconds that it was made to wait for that, all together."""

    times: int = 0
    seconds: float = 0.0


NO_REFUSALS = Refusals()
NANO = 1_000_000_000  # of a dollar
WAITING = "Waiting"
"""The ``type`` of an error that is none: the item is done once a service has answered."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests, tokens and billionths of a dollar; adds up."""

    requests: int = 0
    tokens: int = 0
    nano_usd: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.requests + other.requests, self.tokens + other.tokens, self.nano_usd + other.nano_usd
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.requests - other.requests, self.tokens - other.tokens, self.nano_usd - other.nano_usd
        )


def nano_usd(cost: float | None) -> int:
    """A cost in dollars as whole billionths, the part of one counting as one; 0 where it is not known."""
    return math.ceil(round((cost or 0.0) * NANO, 6))


NOTHING_SPENT = Spent()


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why an attempt failed, without the exception object.

    ``type`` is the exception's class name. ``outputs`` are those that a node reported along with an error
    result. ``retry_after`` is in seconds; ``refused`` says that a service asked for fewer calls, or none for
    a while; ``denied`` is as in :class:`~batchmill.errors.NodeError`. ``traceback`` is text, of the user's
    own code, and may be empty. ``address`` is the node inside a sub-workflow that failed, empty if it is the
    task itself. ``refusals`` are those that have cost the item no attempt so far, ``used`` is the use by its
    attempts that the next one's worker does not know of. ``cause`` leads to the exception if that was
    requested (see :mod:`batchmill.executors.running.cause`).
    """

    type: str
    message: str
    kind: ErrorKind = "exception"
    traceback: str = ""
    retryable: bool = True
    retry_after: float | None = None
    refused: bool = False
    denied: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    refusals: Refusals = NO_REFUSALS
    used: Spent = NOTHING_SPENT
    cause: object = field(default=None, compare=False, repr=False)

    @classmethod
    def of_node(cls, error: NodeError, message: str) -> ErrorInfo:
        """The description of an error result; ``message`` is its message as far as it is kept."""
        return cls(
            error.type_name,
            message,
            "error_result",
            retryable=error.retryable,
            retry_after=error.retry_after,
            refused=error.refused or error.retry_after is not None,
            denied=error.denied,
            outputs=error.outputs,
            address=error.address,
        )

    @property
    def waiting(self) -> bool:
        """Whether the item waits for a service that answers later, and has not failed."""
        return self.type == WAITING and self.kind == "cancelled"

    @property
    def status(self) -> int | None:
        """The HTTP status of an answer, where there was one."""
        found = self.outputs.get("status_code")
        return found if type(found) is int else None


class Tried(NamedTuple):
    """One attempt of an item: it began at ``began``, a second of :func:`time.perf_counter`, and took ``wall``
    seconds. ``worker`` is the number of its worker, None if that is the one with which the item ended. Its
    failure is described as in :class:`ErrorInfo`; ``error`` is its ``type``, empty for a success, ``refused``
    says that a service asked for fewer calls, and ``status`` is the HTTP status of an answer. ``waited`` is
    the seconds that it waited for a limit before it began."""

    began: float
    wall: float
    worker: int | None = None
    error: str = ""
    message: str = ""
    kind: str = ""
    retry_after: float | None = None
    waited: float = 0.0
    refused: bool = False
    status: int | None = None

    @classmethod
    def of(cls, began: float, wall: float, worker: int | None, error: ErrorInfo | None) -> Tried:
        """The attempt that ended in ``error``, or well."""
        if error is None:
            return cls(began, wall, worker)
        return cls(
            began,
            wall,
            worker,
            error.type,
            error.message,
            error.kind,
            error.retry_after,
            refused=error.refused,
            status=error.status,
        )


class Waits(NamedTuple):
    """Seconds that an item waited while a worker was free, over all its attempts: for a ``limit`` on how
    often or how many may start, and for a ``permit`` of the run."""

    limit: float = 0.0
    permit: float = 0.0

    def plus(self, other: Waits) -> Waits:
        """Both together."""
        return Waits(self.limit + other.limit, self.permit + other.permit)


class Commands(NamedTuple):
    """The resources of the commands that an item ran, in all its attempts: ``cpu`` seconds, including their
    child processes that they waited for, None if unknown; and ``bytes_out`` bytes written to stdout, kept or
    not."""

    cpu: float | None = None
    bytes_out: int = 0

    def plus(self, other: Commands) -> Commands:
        """Both together."""
        known = [one.cpu for one in (self, other) if one.cpu is not None]
        return Commands(sum(known) if known else None, self.bytes_out + other.bytes_out)


NO_COMMANDS = Commands()
NO_WAITS = Waits()
LEAST_WAIT = 1e-3  # seconds: what is shorter is no waiting, but what it takes to be let through


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final state of one item: a value, or an error after ``attempts`` attempts.

    ``index`` is the item's 0-based position, ``wall`` the seconds of its attempts together, ``records`` those
    of its node (LLM calls), in order. ``began`` is the second of :func:`time.perf_counter` at which its
    attempts here began, and ``worker`` the number of their worker, each None if unknown; ``tried`` are the
    attempts of an item that had several, in order, as far as their begin is known. ``again`` is set, in
    seconds to wait, if this was one attempt and another one will follow. ``kept`` says that it comes from an
    earlier run. ``waits`` are its waits. ``cpu`` covers the block whose first item it is, and its own earlier
    attempts. ``commands`` are the resources of its commands, None if it ran none.
    """

    index: int
    value: Any = None
    error: ErrorInfo | None = None
    attempts: int = 1
    wall: float = 0.0
    records: tuple[Any, ...] = ()
    again: float | None = None
    kept: bool = False
    began: float | None = None
    worker: int | None = None
    tried: tuple[Tried, ...] = ()
    waits: Waits = NO_WAITS
    cpu: float | None = None
    commands: Commands | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def plain(self) -> bool:
        """Whether it is only a value: success at the first attempt, no records."""
        return self.error is None and self.attempts == 1 and not self.records

    def as_tried(self) -> tuple[Tried, ...]:
        """Its attempts, as far as they are known."""
        if self.tried or self.began is None:
            return self.tried
        return (Tried.of(self.began, self.wall, self.worker, self.error)._replace(waited=self.waits.limit),)

    def as_error(self, item: object) -> dict[str, object]:
        """The entry of a batch's ``errors`` list; with ``item`` unchanged, or the text of a bad row."""
        if self.error is None:
            raise ValueError("a success has no error entry")
        return {
            "index": self.index,
            "item": as_text(bare(item)),
            "type": self.error.type,
            "message": self.error.message,
            "attempts": self.attempts,
            "kind": self.error.kind,
            "traceback": self.error.traceback,
        }


class Skipped:
    """The value of an item whose condition is false, so it did not run. There is one, :data:`SKIPPED`."""

    def __reduce__(self) -> str:
        return "SKIPPED"

    def __repr__(self) -> str:
        return "skipped"


SKIPPED = Skipped()


def cancelled(index: int, attempts: int = 0) -> Outcome:
    """The Outcome of an item that was not started (``attempts`` 0) or not finished."""
    why = "ended by force while it ran" if attempts else "the batch was stopped before the item started"
    return Outcome(index, error=ErrorInfo("Cancelled", why, "cancelled", retryable=False), attempts=attempts)


def interrupted(index: int, attempts: int, error: ErrorInfo) -> Outcome:
    """The Outcome of an item that waited for another attempt, after ``error``, when the batch stopped
    starting items: it has neither failed for good nor succeeded."""
    why = f"stopped while it waited for another attempt, after {error.type}: {error.message}"
    return Outcome(index, error=ErrorInfo("Cancelled", why, "cancelled", retryable=False), attempts=attempts)
