"""One run of a flow: what all its nodes share while it lasts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import Stopped
from batchmill.events import Bus
from batchmill.events.happened import NodeFinished, NodeStarted, Status
from batchmill.flow.content import NodePlace, parts_of, places_in
from batchmill.journal.runlog import SqliteRunLog

_GRAPHS = 64  # flows whose places are remembered


@dataclass(slots=True)
class NodeTally:
    """The sums of a node's visits; ``wall`` in seconds; ``items`` and ``failed`` ones of a batch node."""

    type: str
    visits: int = 0
    wall: float = 0.0
    status: Status = "success"
    is_batch: bool = False
    items: int = 0
    failed: int = 0

    def as_json(self) -> dict[str, Any]:
        """The sums as an entry of a result's ``nodes``."""
        told = {"type": self.type, "status": self.status, "wall": round(self.wall, 6), "visits": self.visits}
        if not self.is_batch:
            return told
        done = self.items - self.failed
        return {**told, "count": self.items, "success_count": done, "error_count": self.failed}


@dataclass(slots=True)
class FlowRun:
    """``log`` saves results of ``exec`` and knows those of earlier passes, None if nothing is saved. ``bus``
    takes the events of nodes and the pieces that they publish. Once ``stop`` is cancelled no ``exec`` begins.
    ``told`` says that the store already has the calls of known results.

    Concurrency: any thread or task may call any method; ``_lock`` guards ``_graphs`` and ``tallies``.
    """

    log: SqliteRunLog | None = None
    bus: Bus = field(default_factory=Bus)
    stop: CancelToken = field(default_factory=CancelToken)
    told: bool = False
    tallies: dict[str, NodeTally] = field(default_factory=dict)
    _graphs: OrderedDict[tuple[int, str], tuple[Any, dict[int, NodePlace]]] = field(
        default_factory=OrderedDict
    )
    _lock: Any = field(default_factory=threading.Lock)

    def place_of(self, flow: Any, node: object, within: str) -> NodePlace:
        """The place of ``node`` of ``flow``. Nodes count as they were when the flow first ran: later
        additions by ``exec`` and ``post`` to their lists are not part of their content."""
        start = flow.start_node
        key = id(start), within
        with self._lock:
            known = self._graphs.get(key)
            if known is None:
                known = self._graphs[key] = start, places_in(start, within, keyed=self.log is not None)
                if len(self._graphs) > _GRAPHS:
                    self._graphs.popitem(last=False)
        return known[1].get(id(node)) or self.place_alone(node, within)

    def place_alone(self, node: object, within: str = "") -> NodePlace:
        """The place of a node that no flow holds."""
        return NodePlace(within + type(node).__name__, parts_of(node) if self.log is not None else {})

    def begin(self, place: NodePlace, executor: str = "", workers: int = 0) -> float:
        """A node begins; the second of :func:`time.perf_counter`. Raises :class:`Stopped`."""
        if self.stop.cancelled:
            raise Stopped(self.stop.reason or "the run is being ended")
        self.bus.emit(NodeStarted(place.address, None, executor, workers))
        return time.perf_counter()

    def end(
        self,
        place: NodePlace,
        node: object,
        began: float,
        error: BaseException | None,
        items: tuple[int, int] | None = None,
    ) -> None:
        """A node has ended; ``items`` of a batch node are how many there were, and how many failed."""
        wall = time.perf_counter() - began
        count, failed = items or (0, 0)
        status: Status = "failed" if error is not None else "degraded" if failed else "success"
        with self._lock:
            tally = self.tallies.setdefault(place.address, NodeTally(type(node).__name__))
            tally.visits += 1
            tally.wall += wall
            tally.is_batch = tally.is_batch or items is not None
            tally.items += count
            tally.failed += failed
            if tally.status == "success" or status == "failed":
                tally.status = status
        why = "" if error is None else f"{type(error).__name__}: {error}"
        self.bus.emit(
            NodeFinished(
                place.address, status, wall, count - failed, failed, error=why, is_batch=items is not None
            )
        )

    def unkept(self) -> FlowRun:
        """The run for nodes inside the items of a batch, which are saved as a whole."""
        return self if self.log is None else FlowRun(None, self.bus, self.stop)

    def nodes(self) -> Mapping[str, dict[str, Any]]:
        """The results of nodes, by address."""
        with self._lock:
            return {address: one.as_json() for address, one in self.tallies.items()}
