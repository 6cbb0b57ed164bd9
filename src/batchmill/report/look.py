"""What is shown of a run while it is under way, as plain data with the schema id ``batchmill.watch/1``."""

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
    """A node. ``status`` is ``running`` or how it ended; ``total`` its items, None while nobody knows;
    ``retried`` items took more than one attempt. ``rate`` is items a second over the last ten seconds and
    ``mean_rate`` since this pass began it; ``p50``, ``p95`` and ``most`` are seconds of an item. ``left`` is
    from how many seconds to how many it will take yet, None if nobody can tell. ``oldest`` are items that
    are under way for the longest, ``in_flight`` the items that workers have now, None if the run did not
    say so lately. ``hosts`` are those of a cluster, each with the number of its slots that sent results."""

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
    """Failures alike: how many, the last of them with its time (seconds since the epoch, None if nobody
    knows) and the command that shows it."""

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
    """A limit: ``limit`` attempts at once, None for as many as come, ``rate`` of them a second, None for as
    they come; of one that adapts the ``reason`` for what it decided last. Of attempts so many are in flight,
    wait for it and were ever ``refused``, as far as the run has said so lately."""

    key: str
    limit: int | None
    rate: float | None
    reason: str = ""
    in_flight: int | None = None
    waiting: int | None = None
    refused: int | None = None


@dataclass(frozen=True, slots=True)
class MachineNow:
    """What all processes of the run took in the last second or so: ``cores`` is CPU seconds a second, ``rss``
    their memory in bytes, ``processes`` how many there are."""

    cores: float
    rss: int
    processes: int


@dataclass(frozen=True, slots=True)
class Look:
    """A run at the time ``at``, seconds since the epoch; ``wall`` is seconds since the ``passes``-th pass
    began, or how long that took. ``failures`` are groups, the latest first; ``spent`` what calls of models
    used in all passes, None if there were none. ``machine`` is None if nobody looked lately. ``died``
    is how many worker processes died in this pass, ``waiting`` are the batches of services it waits for."""

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
