"""The seam between dispatching and transport: what dispatching asks of a worker, and what it is told.

A worker may be a process of this machine or whatever else runs chunks. What comes back from it is plain data:
results as a block, a refusal as an error, a death as what was finished and what may have brought it about. So
the rules for what becomes of a chunk know no pipes, no shared memory and no pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from batchmill.block import Block
from batchmill.errors import BatchmillError
from batchmill.executors.contract import Chunk
from batchmill.executors.running.progress import Position
from batchmill.outcome import ErrorInfo

CANCELLED, TIMED_OUT, TOO_LARGE = "cancelled", "timed out", "over its memory limit"  # why we end a worker


class Results(NamedTuple):
    """A chunk was run, or as many of its first items as there was time for. The worker took ``seconds``; what
    came back had ``n_bytes``."""

    block: Block
    seconds: float
    n_bytes: int


class Refusal(NamedTuple):
    """No item of a chunk was run: ``job`` cannot be loaded there, or the ``items`` cannot, for the reason in
    ``error``. Without one the worker has to be given the job once more, which it had once."""

    what: str
    error: ErrorInfo | None = None


class Death(NamedTuple):
    """The worker ended before the chunk did.

    ``worker`` names it, such as ``worker process 4711``, and ``reason`` says how it ended; ``verdict`` is
    why we ended it, None where we did not. ``newborn`` says that it had never taken a chunk. ``finished``
    is what it had run of this one, None where it was not on it. ``suspects`` are the offsets of the items
    of which it may have died: one where it was running it, more where several were being pickled. Of the
    only one, ``attempt`` is the number of the attempt under way, which had begun at the second ``began`` of
    :func:`time.perf_counter`, and with a deadline ``age`` seconds ago; each None where nobody knows.
    ``pid`` and ``exit_code`` (negative: a signal) are those of its process.
    """

    worker: str
    reason: str
    verdict: str | None = None
    newborn: bool = False
    finished: Block | None = None
    suspects: range = range(0)
    attempt: int = 0
    began: float | None = None
    age: float | None = None
    pid: int = 0
    exit_code: int | None = None


class Failure(NamedTuple):
    """Something of ours went wrong, and no item is to blame."""

    fault: BaseException


End = Results | Refusal | Death | Failure
Ended = Callable[[End], None]
Send = Callable[[Ended], None]
"""Sends what was packed. ``ended`` is called once with what came of it, from any thread. Raises
:class:`LinkBroken` where the worker is dead already."""


class LinkBroken(BatchmillError):  # named for what is broken
    """Raised when a chunk is sent to a worker that is known to be dead."""


class CannotTravel(Exception):  # says what it is
    """The items of a chunk cannot be sent anywhere, for the reason in ``error``."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


class WorkerLink(Protocol):
    """One worker, on lease to one batch. ``served`` counts the items it was sent in all its life.

    One thread packs and sends. Everything else may be called by any thread.
    """

    served: int

    @property
    def healthy(self) -> bool:
        """Whether it can be given chunks, as far as anybody knows."""

    @property
    def has_job(self) -> bool:
        """Whether it has the job of the batch already."""

    @property
    def next_number(self) -> int:
        """The number that the next chunk which is packed will have; from 1, and no worker has one twice."""

    def pack(self, chunk: Chunk, seconds: float) -> Send:
        """Make a chunk ready to be sent, of which the worker is to hand in what it has after some
        ``seconds``. Raises :class:`CannotTravel`."""

    def position(self) -> Position:
        """Which item of which chunk it is on."""

    def age(self) -> float:
        """For how many seconds what it runs has been running, where that has a deadline; else 0."""

    def resident(self) -> int:
        """The memory it takes, in bytes; 0 where that cannot be told."""

    def stop_items(self) -> None:
        """Let it start no further item, for good."""

    def hold(self) -> None:
        """Let it start no item until :meth:`go_on`."""

    def go_on(self) -> None:
        """Let it start items again that was held."""

    def kill(self, verdict: str) -> None:
        """End it and all it started."""

    def retire(self) -> None:
        """Have it ended when it is given back."""

    def give_back(self) -> None:
        """The batch needs it no more. Nothing else may be called after this."""


class Lender(Protocol):
    """Where the workers of a batch come from."""

    @property
    def shared(self) -> bool:
        """Whether others wait for what this batch does not need."""

    def lease(self, given_up: Callable[[], bool]) -> WorkerLink | None:
        """A worker; None when there is none to be had and the batch can do without, or ``given_up`` says so.

        Raises :class:`~batchmill.errors.ExecutorUnavailable` when the batch has no other and gets none."""
