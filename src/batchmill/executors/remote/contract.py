"""The messages between us and an agent, and the carrier that brings them.

A carrier knows no items. It takes bytes to some worker, calls :func:`batchmill.executors.remote.agent.run`
with them there, and brings back the returned bytes, or the news that they will not come.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import NamedTuple, Protocol

from batchmill.executors.contract import Chunk, WorkerDeath
from batchmill.executors.remote.offer import Offer
from batchmill.outcome import ErrorInfo, Tried

FORM = 5  # raised with every change of what travels
WIRE = f"{FORM} of Python {sys.version_info[0]}.{sys.version_info[1]}"
"""The format that both sides must share: code can only travel to the same minor version of Python."""


class RemoteOrder(NamedTuple):
    """A chunk as it is sent. ``job`` is left out if the agent probably has it by its ``digest``; ``items`` is
    the pickle of a list of ``n_items``, ``plain`` if they are numbers, text and the like, which an agent may
    open. After ``seconds`` the agent returns its results so far."""

    wire: str
    batch: str
    digest: bytes
    job: bytes | None
    start: int
    n_items: int
    items: bytes
    plain: bool
    attempts: int
    lost: ErrorInfo | None
    wait: float
    seconds: float


class Help(NamedTuple):
    """Lends a seat to the order of a ``batch`` whose first item is ``start``, at the agent that has it: it
    runs items which nobody has begun there, and the order begins items for ``seconds`` more. Their outcomes
    come with the reply to that order."""

    wire: str
    batch: str
    start: int
    seconds: float


class Rest(NamedTuple):
    """The unfinished items of an order: by index, with the state of their retries."""

    start: int
    n_items: int
    attempts: int
    lost: ErrorInfo | None
    tried: tuple[Tried, ...]
    wait: float

    @classmethod
    def of(cls, chunk: Chunk) -> Rest:
        """A whole chunk in this form."""
        return cls(chunk.start, len(chunk), chunk.attempts, chunk.lost, chunk.tried, chunk.wait)


class Ended(NamedTuple):
    """Outcomes of neighbouring items: the index of the first, the packed columns, ``cpu`` and ``peak`` of
    their block, and the ``slot`` of the agent that ran them, None if none did."""

    start: int
    columns: bytes
    cpu: float | None
    peak: int | None
    slot: int | None


class Stay(NamedTuple):
    """Where and when an order was: on ``host``, with an ``agent`` of that name which had other orders in its
    other slots; it ``came`` and its reply ``left`` at seconds of :func:`time.perf_counter` there."""

    host: str
    agent: str
    slot: int
    came: float
    left: float


class RemoteReply(NamedTuple):
    """The reply to an order: ``done``, with ``blocks`` and the ``rest``, the ``deaths`` of worker processes
    and its ``stay``; ``no_job`` if the job is missing; ``unable``, with the ``reason``, if this worker can
    run nothing of the batch. ``seconds`` is the time of the items, ``logs`` holds the pickles of their log
    records. ``helped`` says of a :class:`Help` that there was something to do."""

    status: str
    host: str
    blocks: tuple[Ended, ...] = ()
    rest: tuple[Rest, ...] = ()
    seconds: float = 0.0
    logs: tuple[bytes, ...] = ()
    reason: str = ""
    deaths: tuple[WorkerDeath, ...] = ()
    stay: Stay | None = None
    helped: bool = False


class Lost(NamedTuple):
    """An order was lost with its ``worker``; ``expected`` if the worker was asked to leave."""

    worker: str
    expected: bool = False


class Gone(NamedTuple):
    """The carrier itself is lost, and with it all orders."""

    reason: str


End = bytes | Lost | Gone


class Done(Protocol):
    """What an order's sender is called with at its end."""

    def __call__(self, end: End, worker: str = "") -> None:
        """``worker`` is the carrier's name for the worker that replied, "" if it cannot tell."""


class Ticket(Protocol):
    """An order on its way."""

    def drop(self) -> None:
        """Give up the order: its running items must end. Never raises, and may be repeated."""


class Carrier(Protocol):
    """Takes orders to workers. Any thread may call every method, and only ``send`` and ``offer`` may wait.

    ``here`` says that all workers belong to this machine and this user, and we started them: they get our
    environment and folder unchanged.
    """

    @property
    def here(self) -> bool:
        """See the class."""

    @property
    def exposed(self) -> bool:
        """Whether what is sent is known to be readable on the way."""

    @property
    def gone(self) -> bool:
        """Whether it no longer works: the next batch connects anew."""

    def seats(self, without: Collection[str] = ()) -> int:
        """How many orders can be at work at once, as far as is known now, on workers that are not in
        ``without``; 0 while there are none."""

    def offer(self, call: bytes) -> Offer:
        """The present workers. ``call`` is the pickle of an
        :class:`~batchmill.executors.remote.calls.FactsCall`, which is unpickled on each worker that can be
        addressed, otherwise on one of them. Waits at most some seconds.

        Raises :class:`~batchmill.errors.ExecutorUnavailable`.
        """

    def send(self, order: bytes, done: Done, without: Collection[str] = ()) -> Ticket:
        """Send an order, to none of the workers ``without``; ``done`` is called once with its result, in any
        thread, unless it was dropped. Raises :class:`~batchmill.errors.ClusterLost`."""

    def beside(self, ticket: Ticket, order: bytes, done: Done) -> Ticket | None:
        """Send an order to the very worker that has the one of ``ticket``. None if that is not known, or the
        worker has no seat without an order. Raises :class:`~batchmill.errors.ClusterLost`."""

    def stop(self, batch: str) -> None:
        """Prevent further items of a batch from starting; orders come back with their results so far."""

    def cancel(self, batch: str) -> None:
        """End the items of a batch that run, too."""

    def close(self) -> None:
        """Free what the carrier holds; orders still on their way are lost."""
