"""What can happen in a run, as frozen dataclasses. Every figure of time is in seconds.

Events are for people and tools that watch; nothing in the engine reads them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from batchmill.warned import Warned

Status = Literal["success", "degraded", "failed", "cancelled", "skipped", "waiting"]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; ``source`` is the document's path or another name for it, ``nodes`` how many it has."""

    run: str
    source: str = ""
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class Finishing:
    """All but the nodes of ``finally`` has ended with ``status``, and ``nodes`` of those run now; ``within``
    is the address of the node whose sub-workflow they belong to."""

    status: str
    nodes: int
    within: str = ""


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins. For a batch node ``executor`` is set, ``workers`` is how many items may be in
    flight, and ``total`` the number of items, None while nobody knows it."""

    node: str
    total: int | None = None
    executor: str = ""
    workers: int = 0

    @property
    def is_batch(self) -> bool:
        return bool(self.executor)


@dataclass(frozen=True, slots=True)
class NodeRetried:
    """A node's attempt number ``attempt`` (from 1) failed and is tried again after ``after`` seconds."""

    node: str
    attempt: int
    reason: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """``done`` items of a batch reached their final state, ``failed`` of them as errors; all took ``retries``
    attempts beyond each one's first, and used ``tokens`` of language models for ``cost`` US dollars, as far
    as they have prices.

    Sent at a bounded rate (:class:`batchmill.events.pace.ProgressThrottle`), not once per item.
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
    """Items of a batch, from number ``start`` on, took ``walls`` seconds each.

    Sent for every block of items, and only where a listener has ``wants_items = True``.
    """

    node: str
    start: int
    walls: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A part of a model's answer, as it came: further ``text`` of what it says or thinks (``kind``) in the
    answer number ``choice`` to the call with this id. ``index`` is the item's, None where the node is no
    batch.

    Sent where a node says ``stream``, but not from worker processes. Parts of a call that fails, of an answer
    that is asked for again or of an attempt that is followed by another were sent all the same: the node's
    outputs are what counts.
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
    """A node reached its end. A batch node counts its items, those of the ``succeeded`` ones inside of which
    something failed (``degraded``), the attempts beyond each item's first (``retries``), and carries its
    ``errors`` entries as they stand in its result; a plain node that failed says why in ``error``."""

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


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something worth a line that is no error: a template left as it stands."""

    message: str
    node: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """``exec`` of a node of a flow published a piece of what it is making; ``index`` is that of the item of a
    batch node. Pieces of an ``attempt`` (from 1) that failed stay published."""

    node: str
    piece: Any
    index: int | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """Adaptive concurrency decided anew for ``key``: ``limit`` attempts at once from now on, ``rate`` of them
    a second (None: as they come), for ``reason``."""

    key: str
    limit: int
    rate: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker process of a node died: its number, its process id, and how it ended, by itself with an
    ``exit_code`` or by a ``signal``; ``reason`` says why batchmill killed it, empty where it did not. It cost
    ``items`` items an attempt, from the index ``item`` on; None where it cost none."""

    node: str
    worker: int
    pid: int
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    item: int | None = None
    items: int = 0


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run reached its end after ``wall`` seconds."""

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
    | RunFinished
)
