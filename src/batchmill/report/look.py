"""The view of a run in progress, as plain data with the schema id ``batchmill.watch/1``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

SCHEMA: Final = "batchmill.watch/1"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An item that is under way for ``seconds``, or one without a result while one behind it has one: then
    for that ``at_least``. ``stalled`` where that is more than five times what 95 of 100 items took."""

    index: int
    seconds: float
    stalled: bool
    at_least: bool = True


@dataclass(frozen=True, slots=True)
class NodeNow:
    """A node. ``status`` is ``running`` or how it ended; ``total`` is the number of items, None if unknown so
    far. ``retried`` counts items with more than one attempt. ``rate`` is items a second over the last ten
    seconds, ``mean_rate`` since this pass began the node. ``p50``, ``p95`` and ``most`` are seconds of an
    item. ``left`` is the least and the most remaining seconds, None if unknown. ``oldest`` are the items in
    flight for the longest, ``in_flight`` is the number of items that workers have now, None without a recent
    record. ``hosts`` are those of a cluster, each with the number of its slots that sent results."""

    id: str
    status: str
    batch: bool
    total: int | None = None
    done: int = 0
    failed: int = 0
    degraded: int = 0
    retried: int = 0
    at_once: int = 1
    rate: float = 0.0
    mean_rate: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    most: float = 0.0
    left: tuple[float, float] | None = None
    oldest: Sequence[Unfinished] = ()
    in_flight: int | None = None
    hosts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailuresNow:
    """A group of failures: how many, the last one with its time (seconds since the epoch, None if unknown)
    and the command that shows it."""

    node: str
    type: str
    pattern: str
    count: int
    index: int
    message: str
    at: float | None
    command: str


@dataclass(frozen=True, slots=True)
class LimitNow:
    """A limit: at most ``limit`` attempts at once and ``rate`` attempts a second, None for no such limit. For
    an adaptive limit, ``reason`` is that of its last decision. The other fields are the numbers of attempts
    that are in flight, that wait, and that were ``refused`` in all, by the latest record of the run."""

    key: str
    limit: int | None
    rate: float | None
    reason: str = ""
    in_flight: int | None = None
    waiting: int | None = None
    refused: int | None = None


@dataclass(frozen=True, slots=True)
class MachineNow:
    """The use of the machine by all processes of the run in the last second or so: ``cores`` is CPU seconds a
    second, ``rss`` memory in bytes, ``processes`` their number."""

    cores: float
    rss: int
    processes: int


@dataclass(frozen=True, slots=True)
class Look:
    """A run at the time ``at``, seconds since the epoch. ``wall`` is the seconds since the ``passes``-th pass
    began, or its length if it ended. ``failures`` are groups, the latest first. ``spent`` is the use of model
    calls over all passes, None if there were none. ``machine`` is None without a recent record. ``died`` is
    the number of worker processes that died in this pass, ``waiting`` the batches of services that the run
    waits for."""

    run: str
    title: str
    status: str
    at: float
    wall: float
    passes: int
    nodes: Sequence[NodeNow]
    failures: Sequence[FailuresNow] = ()
    limits: Sequence[LimitNow] = ()
    spent: dict[str, Any] | None = None
    machine: MachineNow | None = None
    died: int = 0
    waiting: Sequence[dict[str, Any]] = ()
    schema: Literal["batchmill.watch/1"] = SCHEMA

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.status != "running"

    def as_json(self) -> dict[str, Any]:
        """The look as plain data."""
        told = asdict(self)
        return {"schema": told.pop("schema"), **told}
