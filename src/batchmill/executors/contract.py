r"""The contract of executors: their input, their work and their output.

An executor knows neither nodes nor documents. It takes numbered items out of a :class:`Channel`, has a
:class:`Task` run on each, and delivers :class:`~batchmill.block.Block`\ s into the same channel; the
channel's owner puts them in order. The same code, :mod:`batchmill.executors.running.runner`, runs each item
under every executor.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from batchmill.attempt import Attempt
from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.executors.worker_numbers import WorkerNumbers
from batchmill.outcome import ErrorInfo, Tried
from batchmill.policy import Decides, RetryPolicy


class Task:
    """The work to do on every item. One object serves many items, one after another.

    For threads it is deep-copied once per worker thread, for processes pickled once per batch.
    """

    @property
    def share(self) -> bool:
        """Whether threads may use this very object: it holds no state, or means to share it."""
        return False

    @property
    def awaits(self) -> bool:
        """Whether an executor that has an event loop may await :meth:`run_async`, of many items at once."""
        return False

    @property
    def only_function(self) -> Callable[..., object] | None:
        """The function, if the task consists only of it, else None."""
        return None

    @property
    def needs_folder(self) -> str:
        """Why it can run nowhere but in the folder of the run, in words that follow "and"; "" where what it
        works on comes and goes with the items."""
        return ""

    @property
    def folders_here(self) -> bool:
        """Whether it makes folders by their paths in the folder of the run: another one would not do."""
        return False

    @property
    def secret(self) -> str:
        """A secret that travels with the task, in words such as "its `api_key`"; "" if none is known."""
        return ""

    @property
    def only_files(self) -> bool:
        """Whether all it does is with files in that folder."""
        return False

    def load(self) -> None:
        """Import what every item needs, in any thread, before limits let the first one start or its time
        begins. Raises nothing."""

    def prepare(self) -> None:
        """Set up a worker, once before its first item. Raises nothing."""

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        """Run one attempt; any exception becomes the attempt's error."""
        raise NotImplementedError

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> object:
        """The same as a coroutine, of a task that ``awaits``."""
        raise NotImplementedError


@dataclass(slots=True)
class Chunk:
    """Neighbouring items on their way to a worker.

    ``lost`` is set for an item to retry, whose ``attempts``-th attempt was lost with its worker, or failed if
    the channel starts attempts; such a chunk holds only this item. ``wait`` is the pause before its next
    attempt, in seconds. ``tried`` are the lost attempts whose start is known.

    ``more`` yields the items and then further ones, which it adds to ``items``: each is read once the one
    before it was run. Close it before you settle the items. Without it, ``items`` are all.
    """

    start: int
    items: Sequence[Any]
    attempts: int = 0
    lost: ErrorInfo | None = None
    tried: tuple[Tried, ...] = ()
    wait: float = 0.0
    more: Generator[Any, None, None] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def close(self) -> None:
        """Read no further items into it."""
        if self.more is not None:
            self.more.close()

    def part(self, start: int, end: int | None = None) -> Chunk:
        """The items from offset ``start`` to before ``end``; all of them are this very chunk."""
        if start <= 0 and (end is None or end >= len(self.items)):
            return self
        return Chunk(self.start + start, self.items[start:end])


class WorkerDeath(NamedTuple):
    """A worker process that died: the number of the ``worker`` and its process id. ``exit_code`` and
    ``signal`` say how, each None if it does not apply; ``reason`` is why we killed it, empty if we did not.
    ``items`` items, from the index ``item`` on, lost an attempt; ``item`` is None if none did. ``host`` is
    its machine, empty for this one.

    If a cluster loses a whole worker, ``worker`` and ``pid`` are None, ``host`` is its name there, and the
    items are those that it had."""

    worker: int | None
    pid: int | None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    item: int | None = None
    items: int = 0
    host: str = ""


OnDeath = Callable[[WorkerDeath], None]


class WorkerPlace(NamedTuple):
    """Where a worker of a batch on a cluster is: the one of that number, on ``host`` at its ``slot``, from 0.
    ``workers`` is how many items the batch may have in flight now."""

    worker: int
    host: str
    slot: int
    workers: int


OnWorker = Callable[[WorkerPlace], None]


class Seat(Protocol):
    """A scarce resource that running items needs: a permit, a worker process."""

    def get(self) -> bool:
        """Wait for it; False if the waiter gives up. Called when an item could start."""

    def give_back(self) -> None:
        """Return it unused."""


class Channel(Protocol):
    """The source of items and the target of their outcomes. Any thread may call any method."""

    @property
    def stopped(self) -> bool:
        """Whether no new item may start."""

    @property
    def instant(self) -> bool:
        """Whether the items already exist, so ``take`` only ever waits for the consumer."""

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        """Take up to ``most`` items; wait while more may come, and return None if none ever will.

        The ``seat`` is held when the items are returned; None too if the seat is not available.

        A thread that both takes items and ``consumes`` the outcomes gets an empty chunk when it would wait
        for itself: it must first consume outcomes that are known without running anything.

        Also waits while ``ahead`` or more taken items have not reached the consumer, so a slow consumer
        limits the items in memory.
        """

    def give_back(self, chunk: Chunk) -> None:
        """Return items that were taken and not run; they are taken again first."""

    def deliver(self, *blocks: Block) -> None:
        """Hand over outcomes (``block.items`` set): final ones or, if the channel starts attempts, those with
        :attr:`Outcome.again`. Deliver or give back each taken item once. Blocks that are there together cost
        less together."""

    def fail(self, error: BaseException) -> None:
        """End the batch with an error of the executor itself."""

    def more(self) -> bool:
        """Whether there is something to take, or may be after reading more of the source."""

    def remaining(self) -> int | None:
        """The number of items that were not taken, None if unknown."""

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` once when no new item may start any more; returns a function that removes it."""

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Each worker that finds nothing to take calls ``callback`` before it waits."""

    def before_first(self, callback: Callable[[], None]) -> None:
        """Call ``callback``, which raises nothing, once there is an item to run and before limits let it
        start; at once if the channel has no limits."""

    @property
    def starving(self) -> bool:
        """Whether a worker waits for items while there are none."""

    def blocks(self) -> Iterator[Block]:
        """Yield the delivered blocks, in the owner's order, until all have come; waits for more.

        Raises the failure of the source of items or the executor, after everything before it.
        """

    def ready(self) -> Iterator[Block]:
        """Yield what can be delivered now, without waiting."""

    def stop(self) -> None:
        """Let no new item start; items that have not started end as cancelled."""

    def wait_idle(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until no taken item runs any more; returns whether that happened."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An executor's name, the ``reason`` for it in words, and how many items it has in flight.

    ``final`` is False while a later check may still choose another.
    """

    executor: str
    reason: str
    workers: int
    final: bool = True


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """How to run a batch; seconds and bytes.

    - ``max_concurrent``: items in flight at once, None for the executor's default.
    - ``chunk_size``: items that travel together, None sizes chunks by time.
    - ``max_items_per_worker``: a worker process is replaced after this many items, of all batches.
    - ``stop_on_failure``: start nothing after a failure. ``judges_failures``: a chunk ends with a failed
      item, so that the failure is counted before the next item starts. ``judges_results``: the channel may
      find that a delivered result is a failure.
    - ``memory_limit_bytes``: the limit of one worker process.
    - ``on_choice``: called, from any thread, with the executor that ``auto`` has chosen. ``on_death``: called
      with each worker process that died, except those ended with the batch. ``on_worker``: called with each
      worker of a cluster, once, when the first results of it have come.
    - ``by_attempt``: the channel starts each attempt: a worker makes one attempt of an item and hands it back
      with what happens next (:attr:`Outcome.again`). ``by_permit``: taking waits until the run has a free
      worker.
    - ``slots``: the worker processes that batches of a run share; each is returned between two chunks.
    - ``worker_numbers``: numbers the workers of the batch.
    - ``keep_exceptions``: keep the exceptions of failed items themselves.
    - ``cluster``: where workers on other machines are (see :mod:`batchmill.executors.remote.where`), None for
      what the environment says, or a local one.
    """

    max_concurrent: int | None = None
    chunk_size: int | None = None
    max_items_per_worker: int | None = None
    timeout: float | None = None
    retry: Decides = field(default_factory=RetryPolicy)
    stop_on_failure: bool = False
    judges_failures: bool = False
    judges_results: bool = False
    memory_limit_bytes: int | None = None
    on_choice: Callable[[Choice], None] | None = None
    on_death: OnDeath | None = None
    on_worker: OnWorker | None = None
    by_attempt: bool = False
    by_permit: bool = False
    slots: FairSemaphore | None = None
    cluster: str | dict[str, Any] | None = None
    worker_numbers: WorkerNumbers = field(default_factory=WorkerNumbers, compare=False)
    keep_exceptions: bool = False

    @property
    def keeps_exceptions(self) -> bool:
        """Whether somebody will ask for the exception of an item that failed."""
        return self.stop_on_failure or self.keep_exceptions


class Executor(Protocol):
    """One way to run items. An executor object holds no state of a batch and can serve many at once."""

    name: str

    def workers(self, settings: ExecutorSettings) -> int:
        """How many items may be in flight at once under ``settings``."""

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        """Run every item of ``channel`` and yield the channel's blocks.

        Closing the iterator early stops the batch. ``cancel`` ends running items by force. When the iterator
        has ended, no part of the batch is running, except threads that were abandoned because their item
        timed out.
        """
