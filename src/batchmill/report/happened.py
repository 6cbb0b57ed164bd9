"""Facts from the events of a journal: passes, the times at which nodes ran, the decisions of limits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from batchmill.batch.engine import CUT_SHORT
from batchmill.journal.contract import RunRecord
from batchmill.journal.records import VisitRecord
from batchmill.report.parts import Pass, Visit
from batchmill.report.rows import DeathRow, LimitStep
from batchmill.report.slot_names import SlotNames
from batchmill.traits import TRAITS
from batchmill.values.words import is_inside_item

_POSITION = re.compile(r"\[\d+\]")

Event = tuple[float, str, dict[str, Any]]
"""When (seconds since the epoch), what kind, and its fields."""


def _nothing(since: float, before: float) -> float | None:
    return None


def outline_of(address: str) -> str:
    """The address of a node without the positions of the items around it."""
    return _POSITION.sub("[*]", address)


@dataclass
class Happened:
    """By node: when it was under way, and of the last time its executor, its status and its error."""

    passes: list[Pass] = field(default_factory=list)
    limits: list[LimitStep] = field(default_factory=list)
    visits: dict[str, list[Visit]] = field(default_factory=dict)
    executors: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    deaths: list[DeathRow] = field(default_factory=list)
    slot_names: SlotNames = field(default_factory=SlotNames)

    def under_way(self, node: str, visits: Sequence[VisitRecord]) -> list[Visit]:
        """The times a node was under way, with as many slots as there are workers: those that ran its items,
        and of those that it might have had no more than there were items for. An executor that chooses as it
        goes did not know their number when it began. The items of a cluster go to any of its workers, in turn
        to more than are in use at once."""
        under_way, executor = self.visits.get(node, []), self.executors.get(node, "")
        seen = max((visit.workers for visit in visits), default=0)
        if not seen:
            return list(under_way)
        if self.slot_names.names(node):
            seen = 1
        items = max(visit.done if visit.total is None else visit.total for visit in visits)
        most = 1 if executor in TRAITS and TRAITS[executor].chooses else max(1, items)
        return [replace(one, slots=max(seen, min(one.slots, most))) for one in under_way]


def happened(
    events: Iterable[Event],
    run: RunRecord,
    now: float,
    last_end: Callable[[int], float | None],
    last_sign: Callable[[float, float], float | None] = _nothing,
) -> Happened:
    """The facts that the events of ``run`` give, in their order, at the time ``now``. Events of nodes inside
    items are skipped, as there may be very many. ``last_end`` maps a pass, by its number from 1, to the time
    of its last outcome; ``last_sign`` is the last time at which the run recorded its state. A pass that was
    killed lasted at least as long."""
    reading = _Reading(run, last_end, last_sign)
    for at, kind, detail in events:
        reading.read(at, kind, detail)
    return reading.end(now if run.status == "running" else None)


class _Reading:
    def __init__(
        self,
        run: RunRecord,
        last_end: Callable[[int], float | None],
        last_sign: Callable[[float, float], float | None],
    ) -> None:
        self._run = run
        self._last_end, self._last_sign = last_end, last_sign
        self._told = Happened()
        self._begun: float | None = None  # when the pass that is read began
        self._at = 0.0  # the same in run time
        self._last = run.started_at  # when the last event was
        self._open: dict[str, tuple[float, int]] = {}  # nodes under way: since when, and their slots
        self._stopped = False  # whether somebody stopped a batch of this pass

    def read(self, at: float, kind: str, detail: dict[str, Any]) -> None:
        if kind == "RunStarted":
            self._end_pass("killed", self._last, at)
            self._begun = at
        if self._begun is None:
            self._begun = self._run.started_at
        self._last = max(at, self._begun)
        moment = self._at + self._last - self._begun
        match kind:
            case "NodeStarted" | "NodeFinished" | "WorkerJoined" if is_inside_item(str(detail.get("node"))):
                pass
            case "NodeStarted":
                self._start(str(detail["node"]), moment, detail)
            case "NodeFinished":
                self._finish(str(detail["node"]), moment, detail)
            case "LimitChanged":
                step = LimitStep(moment, detail["key"], detail["limit"], detail["rate"], detail["reason"])
                self._told.limits.append(step)
            case "WorkerDied":
                self._told.deaths.append(self._death(moment, detail))
            case "WorkerJoined":
                self._join(str(detail["node"]), detail)
            case "RunFinished":
                self._end_pass(self._ended(str(detail["status"])), self._begun + float(detail["wall"]))

    def _ended(self, status: str) -> str:
        """Why a pass ended, if it recorded that. A stopped pass has not failed."""
        if status == "failed" and self._stopped:
            return "interrupted"
        return "finished" if status in ("success", "degraded") else status

    def _start(self, node: str, moment: float, detail: dict[str, Any]) -> None:
        if detail.get("executor"):
            self._told.executors[node] = str(detail["executor"])
        self._open[node] = (moment, max(1, int(detail.get("workers") or 1)))
        self._told.slot_names.begin(node, self._last)

    def _join(self, node: str, detail: dict[str, Any]) -> None:
        """A cluster may have more workers by now than when the node began."""
        names = self._told.slot_names
        names.join(node, int(detail["worker"]), str(detail["host"]), int(detail["slot"]))
        if node in self._open:
            begun, slots = self._open[node]
            self._open[node] = (begun, max(slots, int(detail["workers"])))

    def _death(self, at: float, detail: dict[str, Any]) -> DeathRow:
        node, reason, items = (str(detail.get(name) or "") for name in ("node", "reason", "items"))
        pid, code, number = (detail.get(name) for name in ("pid", "exit_code", "signal"))
        slot = self._told.slot_names.slot(node, self._last, detail.get("worker"))
        lost = slot, int(items or 0), reason, str(detail.get("host") or "")
        return DeathRow(at, outline_of(node), detail.get("item"), pid, code, number, *lost)

    def _finish(self, node: str, moment: float, detail: dict[str, Any]) -> None:
        begun, slots = self._open.pop(node, (max(0.0, moment - float(detail["wall"])), 1))
        self._told.visits.setdefault(node, []).append(Visit(begun, moment - begun, slots))
        self._told.statuses[node] = str(detail["status"])
        self._told.errors[node] = str(detail.get("error") or "")
        self._stopped |= detail.get("error") == CUT_SHORT and bool(detail.get("cancelled"))

    def _end_pass(self, ended: str, at: float, before: float = math.inf) -> None:
        """``before`` is when the next one began."""
        if self._begun is None:
            return
        if ended == "killed":
            signs = self._last_end(len(self._told.passes) + 1), self._last_sign(self._begun, before)
            at = max(at, *(sign for sign in signs if sign is not None), at)
        wall = max(0.0, at - self._begun)
        for node, (begun, slots) in self._open.items():  # what a killed run was at
            self._told.visits.setdefault(node, []).append(Visit(begun, self._at + wall - begun, slots))
            self._told.statuses[node] = ended
        self._open.clear()
        self._told.passes.append(Pass(self._begun, self._at, wall, ended, at_least=ended == "killed"))
        self._at += wall
        self._begun = None
        self._stopped = False

    def end(self, now: float | None) -> Happened:
        """No more will come; ``now`` is None for a run that is not running any more."""
        if now is None:
            self._end_pass("killed", self._last)
        else:
            self._end_pass("running", now)
        return self._told
