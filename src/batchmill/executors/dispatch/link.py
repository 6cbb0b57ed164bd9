"""The interface between dispatching and transport: the requests to a worker, and its answers.

A worker may be a process of this machine or anything else that runs chunks. It answers with plain data:
results as a block, a refusal as an error, a death with the finished items and the possible causes. So the
rules for lost chunks know no pipes, no shared memory and no pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from batchmill.errors import BatchmillError, ExecutorUnavailable

if TYPE_CHECKING:  # a first worker process is started before these are imported
    from batchmill.block import Block
    from batchmill.executors.contract import Chunk
    from batchmill.executors.running.progress import Position
    from batchmill.outcome import ErrorInfo

CANCELLED, TIMED_OUT, TOO_LARGE = "cancelled", "timed out", "over its memory limit"  # why we end a worker


class Results(NamedTuple):
    """A chunk was run, or as many of its first items as time allowed. The worker took ``seconds``; the reply
    had ``n_bytes``."""

    block: Block
    seconds: float
    n_bytes: int


class Refusal(NamedTuple):
    """No item of a chunk was run: the worker cannot load the ``job``, or the ``items``, for the reason in
    ``error``. Without an error, send the job again: the worker had it once."""

    what: str
    error: ErrorInfo | None = None


class Death(NamedTuple):
    """The worker ended before the chunk did.

    - ``worker``: its name, such as ``worker process 4711``. ``reason``: how it ended. ``verdict``: why we
      ended it, None if we did not. ``newborn``: it had never taken a chunk.
    - ``finished``: the finished part of this chunk, None if the worker had not begun it.
    - ``suspects``: the offsets of the items that may have killed it: one if it was running the item, more if
      several were being pickled. For a single one, ``attempt`` is the number of its current attempt,
      ``began`` its start as a second of :func:`time.perf_counter`, and ``age``, with a deadline, the seconds
      since then; each None if unknown.
    - ``pid`` and ``exit_code`` (negative: a signal): those of its process.
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
    """A fault of batchmill itself; no item is to blame."""

    fault: BaseException


End = Results | Refusal | Death | Failure
Ended = Callable[[End], None]
Send = Callable[[Ended], None]
"""Sends a packed chunk. ``ended`` is called once with the result, from any thread. Raises :class:`LinkBroken`
if the worker is already dead."""


RunThread = Callable[[Callable[[], None]], None]
"""Runs something in a thread. Raises RuntimeError where the system has none to give."""


class LinkBroken(BatchmillError):  # named for what is broken
    """Raised when a chunk is sent to a worker that is known to be dead."""


class CannotTravel(Exception):  # says what it is
    """The items of a chunk cannot be sent anywhere, for the reason in ``error``."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


def no_thread(fault: RuntimeError) -> ExecutorUnavailable:
    """The error where the system has no thread to give."""
    return ExecutorUnavailable(f"no thread can be started to feed a worker process: {fault}")


class WorkerLink(Protocol):
    """One worker, leased to one batch. ``served`` counts the items it was sent in its whole life, but
    for those that were taken back from it.

    One thread packs and sends. Any thread may call everything else.
    """

    served: int

    @property
    def healthy(self) -> bool:
        """Whether it can take chunks, as far as is known."""

    @property
    def has_job(self) -> bool:
        """Whether it has the job of the batch already."""

    @property
    def next_number(self) -> int:
        """The number that the next chunk which is sent will have; from 1, and no worker has one twice. It is
        another one as soon as the worker is given the chunk, even if sending it fails after that."""

    def pack(self, chunk: Chunk, seconds: float) -> Send:
        """Prepare a chunk for sending; the worker should return its results after some ``seconds``. Raises
        :class:`CannotTravel`."""

    def position(self) -> Position:
        """Which item of which chunk it is on."""

    def age(self) -> float:
        """For how many seconds what it runs has been running, where that has a deadline; else 0."""

    def resident(self) -> int:
        """The memory it uses, in bytes; 0 if unknown."""

    def stop_items(self) -> None:
        """Let it start no further item, for good."""

    def hold(self) -> None:
        """Let it start no item until :meth:`go_on`."""

    def go_on(self) -> None:
        """Let it start items again that was held."""

    def kill(self, verdict: str) -> None:
        """End it and all it started."""

    def retire(self) -> None:
        """Have it ended when it is returned."""

    def give_back(self) -> None:
        """The batch no longer needs it. No other method may be called after this."""


class Lender(Protocol):
    """Lends the workers of a batch."""

    @property
    def shared(self) -> bool:
        """Whether others wait for workers that this batch does not need."""

    def wait_for_start(self, given_up: Callable[[], bool]) -> None:
        """Wait while a worker still starts that nobody needs any more, unless ``given_up`` returns True: it
        can be had sooner than another one."""

    def lease(self, given_up: Callable[[], bool]) -> WorkerLink | None:
        """A worker; None if none is available and the batch can do without, or ``given_up`` returns True.
        Raises :class:`~batchmill.errors.ExecutorUnavailable` if the batch has no other and gets none."""
