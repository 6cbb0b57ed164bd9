"""The parts of the model that belong to the run as a whole and to its nodes.

Units in the whole model: times of day are seconds since the epoch; every other time is run time
(:mod:`batchmill.report.rows`); durations are seconds, sizes bytes, money US dollars, shares 0 to 1. None
means unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from batchmill.report.durations import Durations, Histogram
from batchmill.report.rows import State

RunStatus = Literal["success", "degraded", "failed", "running", "interrupted", "waiting"]


@dataclass(frozen=True, slots=True)
class Run:
    """The run and how it ended.

    ``name`` is its name in the journal, ``source`` its document. ``began`` is the time of day at which the
    first pass began, ``wall`` the seconds of all passes together, which is the length of the run time.
    ``exit_code`` is that of its last pass. ``why`` explains its end if the status does not. ``resume`` is the
    command that continues it, empty if it is complete. ``journal`` is the option that names its journal in
    further commands, empty if they find it themselves. ``kept`` is False if the journal is removed with the
    run, so no command finds it.
    """

    name: str
    source: str
    status: RunStatus
    began: float
    wall: float
    exit_code: int | None = None
    why: str = ""
    resume: str = ""
    journal: str = ""
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass: one time the run was begun or continued.

    It began at the time of day ``began``, which is ``at`` in run time, and took ``wall`` seconds, or longer
    if ``at_least`` is set, because the end of a killed pass may not be recorded. ``ended`` says why it ended:
    ``finished``, ``failed``, ``killed``, ... The counts are of nodes and items: ``kept`` from before,
    ``redone``, ``new`` and ``changed``."""

    began: float
    at: float
    wall: float
    ended: str = ""
    at_least: bool = False
    kept: int | None = None
    redone: int | None = None
    new: int | None = None
    changed: int | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What ran, where, and with what; texts, secrets masked, empty if unknown.

    ``document`` is the file and ``digest`` its content's; ``inputs`` by name as JSON text; ``argv`` the
    command line. ``cores`` are those the run may use; ``gil`` is False on a free-threaded
    interpreter. ``versions`` are those of batchmill and what it stands on; ``settings`` what was set
    otherwise than by the document."""

    document: str = ""
    digest: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    argv: str = ""
    folder: str = ""
    host: str = ""
    system: str = ""
    cores: float | None = None
    python: str = ""
    gil: bool = True
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shares:
    """The uses of slot-seconds: ``capacity`` is slots x seconds, and the other fields add up to it.

    ``work`` is attempts that succeeded, ``failed_attempts`` those that did not. ``limit_waits`` are slots
    left empty by a rate limit or an adaptive one, ``permit_waits`` by the run's ``--jobs`` (other nodes used
    them), ``retry_waits`` by pauses before another attempt. Slots are also empty at the ``start``, before
    their first item or until a dead worker is replaced; for lack of ``input`` from the node before; at the
    ``tail``, when no item is left; and ``between`` items, during the handover."""

    capacity: float = 0.0
    work: float = 0.0
    failed_attempts: float = 0.0
    limit_waits: float = 0.0
    permit_waits: float = 0.0
    retry_waits: float = 0.0
    input: float = 0.0
    between: float = 0.0
    tail: float = 0.0
    start: float = 0.0

    def __add__(self, other: Shares) -> Shares:
        return Shares(*(getattr(self, name) + getattr(other, name) for name in SHARE_FIELDS))


SHARE_FIELDS = (
    "capacity", "work", "failed_attempts", "limit_waits", "permit_waits", "retry_waits", "input", "between",
    "tail", "start",
)  # fmt: skip
SHARE_NAMES = {
    "work": "work",
    "failed_attempts": "failed attempts",
    "limit_waits": "waiting for a limit",
    "permit_waits": "waiting for --jobs",
    "retry_waits": "waiting to try again",
    "input": "no input yet",
    "between": "between items",
    "tail": "nothing left to start",
    "start": "getting started",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A time the node was under way: from ``at`` for ``wall`` seconds, with ``slots`` items at once at the
    most."""

    at: float
    wall: float
    slots: int = 1


@dataclass(frozen=True, slots=True)
class Host:
    """A machine of a cluster, ``name`` is empty for this one: how many ``slots`` of it ran items of the node,
    how many ``items`` ended there, and the ``seconds`` that all attempts took there."""

    name: str
    slots: int
    items: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ReportNode:
    """A node of the run, and the sums of its items.

    ``id`` is its address, without the positions of items around it. ``executor`` and ``reason`` belong to a
    batch node. ``total`` is the number of items, None if unknown. ``counts`` has the number of items by
    state; they add up to the items that were seen. ``visits`` are the times at which it ran (at most 100; the
    figures include the others), ``wall`` their seconds together. ``slots`` is how many items may be in flight
    at once. ``work`` is the seconds of all attempts together, ``attempts`` the number of recorded attempts.
    ``adaptive`` says that an adaptive limit decides how many of the slots may be used. ``shares`` is None for
    a node inside items, whose time belongs to its item. ``error`` is the error of a node that is no batch.
    ``cost`` and ``calls`` are those of language models, ``hosts`` the hosts of a cluster that ran its items.
    """

    id: str
    type: str
    batch: bool = False
    executor: str = ""
    reason: str = ""
    status: str = ""
    nested: bool = False
    slots: int = 1
    adaptive: bool = False
    total: int | None = None
    counts: dict[State, int] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    wall: float = 0.0
    work: float = 0.0
    attempts: int = 0
    durations: Durations | None = None
    waits: Durations | None = None
    histogram: Histogram | None = None
    shares: Shares | None = None
    cpu: float | None = None
    peak_rss: int | None = None
    bytes_out: int | None = None
    calls: int = 0
    cost: float | None = None
    error: str = ""
    hosts: list[Host] = field(default_factory=list)

    @property
    def items(self) -> int:
        """Its number of items, as far as it is known."""
        seen = sum(self.counts.values())
        return seen if self.total is None else max(self.total, seen)


@dataclass(frozen=True, slots=True)
class ReportEdge:
    """``target`` comes after ``source``; ``action`` leads there, mostly ``default``. ``stream`` says that
    items pass one by one."""

    source: str
    target: str
    action: str = "default"
    stream: bool = False
