"""The events of a run, as frozen dataclasses. All times are in seconds.

Events are for people and tools that watch; the engine never reads them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from batchmill.warned import Warned

Status = Literal["success", "degraded", "failed", "cancelled", "skipped", "waiting"]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; ``source`` is the document's path or another name for it, ``nodes`` counts its nodes."""

    run: str
    source: str = ""
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class Finishing:
    """All nodes except those of ``finally`` have ended with ``status``, and ``nodes`` of these run now;
    ``within`` is the address of the node whose sub-workflow has them."""

    status: str
    nodes: int
    within: str = ""


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins. For a batch node ``executor`` is set, ``workers`` is how many items may run at the same
    time, and ``total`` is the number of items, None if unknown."""

    node: str
    total: int | None = None
    executor: str = ""
    workers: int = 0

    @property
    def is_batch(self) -> bool:
        return bool(self.executor)


@dataclass(frozen=True, slots=True)
class NodeRetried:
    """A node's attempt number ``attempt`` (from 1) failed; the next one starts after ``after`` seconds."""

    node: str
    attempt: int
    reason: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """``done`` items of a batch are final, ``failed`` of them with errors. Together they took ``retries``
    attempts beyond each item's first, and used ``tokens`` of language models for ``cost`` US dollars, as far
    as prices are known.

    Sent at a limited rate (:class:`batchmill.events.pace.ProgressThrottle`), not once per item.
    """

    node: str
    done: int
    failed: int = 0
    total: int | None = None
    retries: int = 0
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class ItemsTimed:
    """The items of a batch from index ``start`` on took ``walls`` seconds each.

    Sent for every block of items, and only if a listener has ``wants_items = True``.
    """

    node: str
    start: int
    walls: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A part of a model's answer, as it came: more ``text`` that the model says or thinks (``kind``), in
    answer number ``choice`` to the call with the id ``call``. ``index`` is the item's, None if the node is no
    batch.

    Sent for nodes with ``stream``, but not from worker processes. Parts are also sent for calls that fail,
    for answers that are asked for again and for attempts that are retried: only the node's outputs are final.
    """

    text: str
    kind: Literal["text", "reasoning"] = "text"
    choice: int = 0
    call: str = ""
    attempt: int = 1
    node: str = ""
    index: int | None = None


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node ended. A batch node counts its items; ``degraded`` are the ``succeeded`` items in which
    something failed, ``waiting`` those that wait for a service, ``retries`` the attempts beyond each item's
    first. ``errors`` has its entries as in the result. A plain node that failed says why in ``error``."""

    node: str
    status: Status
    wall: float
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    retries: int = 0
    error: str = ""
    errors: Sequence[Mapping[str, Any]] = ()
    is_batch: bool = False
    degraded: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Noticed:
    """A message worth a line that is no error, such as a template that stays unresolved."""

    message: str
    node: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """``exec`` of a flow's node published a piece of its result; ``index`` is that of the item in a batch
    node. Pieces of an ``attempt`` (from 1) that failed stay published."""

    node: str
    piece: object
    index: int | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """Adaptive concurrency changed the limit for ``key``: from now on ``limit`` attempts at once, at most
    ``rate`` of them per second (None: no rate limit), for ``reason``."""

    key: str
    limit: int
    rate: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker process of a node died: its number, its process id, and its ``exit_code`` or the ``signal``
    that ended it. ``reason`` says why batchmill killed it, empty if it did not. ``items`` items, from the
    index ``item`` on, lost an attempt; ``item`` is None if none did. ``host`` is the machine of a cluster,
    empty for this one. If a cluster lost a whole worker, ``worker`` and ``pid`` are None, ``host`` is its
    name there, and the items are those that it had."""

    node: str
    worker: int | None
    pid: int | None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    item: int | None = None
    items: int = 0
    host: str = ""


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """The first results of a worker of a cluster came: the number of the ``worker`` in the batch of the node,
    its ``host``, and its ``slot`` there, from 0. ``workers`` is how many items the batch may have in flight
    now."""

    node: str
    worker: int
    host: str
    slot: int
    workers: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended after ``wall`` seconds."""

    run: str
    status: Status
    wall: float


Event = (
    RunStarted
    | Finishing
    | NodeStarted
    | NodeRetried
    | BatchProgress
    | ItemsTimed
    | NodeFinished
    | AnswerPart
    | Noticed
    | LimitChanged
    | Published
    | Warned
    | WorkerDied
    | WorkerJoined
    | RunFinished
)
