"""A run as it is now, read from its journal alone, again and again: see :mod:`batchmill.report.look`.

Data that no longer changes is read once, so a look at a run of many items costs only what is new. Nodes
inside items are not here; the batch around them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from batchmill.journal.contract import RunRecord
from batchmill.journal.reading import Reader
from batchmill.journal.records import Glance, Glances
from batchmill.report.commands import show
from batchmill.report.counted import RECENT, Counted, Group
from batchmill.report.look import FailuresNow, LimitNow, Look, MachineNow, NodeNow, Unfinished
from batchmill.report.parts import Run
from batchmill.runs.batch_api import as_json
from batchmill.runs.ledger import sum_of

MOST_OLDEST = 3
MOST_GROUPS = 20
STALLED = 5  # times the 95th percentile
FRESH = 5.0  # seconds for which what a run says that it is at is taken for what it is at now


@dataclass(slots=True)
class _Node:
    """What events say of a node: when it began, when it ended and how."""

    began: float = 0.0
    ended: float | None = None
    status: str = "running"
    batch: bool = False
    total: int | None = None
    at_once: int = 1
    hosts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Visit:
    """A visit while it is read: the sums ``settled`` up to the position ``upto``, and those of all items."""

    upto: int = 0
    settled: Counted = field(default_factory=Counted)
    whole: Counted = field(default_factory=Counted)
    missing: list[tuple[int, float | None]] = field(default_factory=list)


class Watched:
    """Looks at a run. ``title`` is its name for people, ``option`` names its journal in commands. Used by one
    thread, as its reader is."""

    def __init__(self, reader: Reader, record: RunRecord, title: str = "", option: str = "") -> None:
        self._reader, self._record, self._title = reader, record, title
        self._shown = Run(record.name, record.source, "running", record.started_at, 0.0, journal=option)
        self._nodes: dict[str, _Node] = {}
        self._limits: dict[str, LimitNow] = {}
        self._visits: dict[int, _Visit] = {}
        self._last_event = 0
        self._died = 0
        self._began = record.started_at

    def look(self, now: float) -> Look:
        """The run at the time ``now``, seconds since the epoch. Raises
        :class:`~batchmill.errors.StorageError` where the journal cannot be read, and
        :class:`~batchmill.errors.UnknownRun` where the run was forgotten."""
        record = self._record = self._reader.again(self._record)  # first: what comes later is in what follows
        self._read_events()
        counted = self._read_visits()
        over = record.status != "running"
        beat = self._beat(now, over)
        last = self._last(now, over)
        wall = record.wall if over and record.wall is not None else max(0.0, last - self._began)
        return Look(
            record.name, self._title, record.status, now, wall, record.passes,
            [
                _at_work(self._node(name, node, counted.get(name, ()), last), beat)
                for name, node in self._nodes.items()
            ],
            self._failures(counted), _limits(self._limits, beat),
            sum_of(call for _, call in self._reader.calls(record)), self._machine(now, over),
            self._died, list(map(as_json, self._reader.batches(record))),
        )  # fmt: skip

    def _machine(self, now: float, over: bool) -> MachineNow | None:
        found = None if over else self._reader.last_sample(self._record)
        if found is None or now - found.at > FRESH:
            return None
        return MachineNow(round(found.cores, 3), found.rss, found.processes)

    def _beat(self, now: float, over: bool) -> dict[str, Any]:
        """The last state that the run recorded; empty if there is none."""
        found = None if over else self._reader.heartbeat(self._record)
        if found is None or now - found[0] > FRESH:
            return {}
        return {"ago": max(0.0, now - found[0]), **found[1]}

    def _last(self, now: float, over: bool) -> float:
        """The time now or, for a run that was killed, the time of its last sign of life."""
        if not over:
            return now
        signs = [visit.whole.last_end for visit in self._visits.values()]
        signs.append(self._reader.last_sign(self._record, self._began, now))
        return max([self._began, *(sign for sign in signs if sign is not None)])

    def _read_events(self) -> None:
        for number, at, kind, detail in self._reader.events_after(self._record, self._last_event):
            self._last_event = number
            match kind:
                case "RunStarted":
                    self._began = at
                    self._nodes.clear()
                    self._died = 0
                    self._limits.clear()
                case "NodeStarted":
                    workers = max(1, int(detail.get("workers") or 1))
                    batch = bool(detail.get("executor"))
                    began = _Node(at, batch=batch, total=detail.get("total"), at_once=workers)
                    self._nodes[str(detail["node"])] = began
                case "NodeFinished":
                    node = self._nodes.setdefault(str(detail["node"]), _Node(at))
                    node.ended, node.status = at, str(detail["status"])
                case "WorkerJoined" if (joined := self._nodes.get(str(detail["node"]))) is not None:
                    joined.at_once = max(joined.at_once, int(detail["workers"]))
                    host = str(detail["host"])
                    joined.hosts[host] = max(joined.hosts.get(host, 0), int(detail["slot"]) + 1)
                case "WorkerDied":
                    self._died += 1
                case "LimitChanged":
                    key = str(detail["key"])
                    self._limits[key] = LimitNow(key, detail["limit"], detail["rate"], detail["reason"])

    def _read_visits(self) -> dict[str, list[_Visit]]:
        """The visits of batches, by node, as far as they have come."""
        found: dict[str, list[_Visit]] = {}
        for identity, address, is_batch, total in self._reader.outer_visits(self._record):
            if not is_batch and address in self._nodes and self._nodes[address].status != "failed":
                continue
            visit = self._visits.setdefault(identity, _Visit())
            self._read(identity, visit)
            node = self._nodes.setdefault(address, _Node(self._began, status="", batch=is_batch))
            if total is not None and is_batch:
                node.total = total
            found.setdefault(address, []).append(visit)
        return found

    def _read(self, identity: int, visit: _Visit) -> None:
        """Read the outcomes that may have changed. An outcome stays, except one of an earlier pass that may
        be made again."""
        number, settled = self._record.passes, True
        visit.missing, rest = [], Counted()
        expected = visit.upto
        for page in self._reader.glances(identity, visit.upto):
            if settled and page.gapless and page.first == visit.upto and self._stay(page):
                visit.settled.add_page(page, number)
                visit.upto = expected = page.last + 1
            elif not settled and page.gapless and page.first == expected:
                rest.add_page(page, number)
                expected = page.last + 1
            else:
                for row in page.one_by_one():
                    settled = settled and row.index == visit.upto and self._stays(row)
                    if settled:
                        visit.settled.add(row, number)
                        visit.upto = expected = row.index + 1
                        continue
                    rest.add(row, number)
                    expected = _behind(row, expected, visit.missing)
        visit.whole = visit.settled + rest

    def _stay(self, page: Glances) -> bool:
        number = self._record.passes
        certain = page.certain or self._record.status != "running"
        known = certain or all(one == number for one in page.made_in)
        return known and all(map(self._stays, page.others))

    def _stays(self, row: Glance) -> bool:
        return row.state == "ok" or row.made_in == self._record.passes or self._record.status != "running"

    def _node(self, name: str, node: _Node, visits: Sequence[_Visit], now: float) -> NodeNow:
        status = node.status
        if status in ("running", "") and self._record.status != "running":
            status = self._record.status if status == "running" else "not run"
        seen = NodeNow(
            name, status or "waiting", node.batch, node.total, at_once=node.at_once, hosts=dict(node.hosts)
        )
        if not node.batch or not visits:
            return seen
        whole = sum((visit.whole for visit in visits[1:]), visits[0].whole)
        total = node.total if len(visits) == 1 else None
        spent = max(1e-3, (now if node.ended is None else node.ended) - node.began)
        running = status == "running"
        recent = whole.since(now - RECENT) / max(1e-3, min(RECENT, spent)) if running else 0.0
        durations = whole.walls.durations()
        told = replace(
            seen, total=total, done=whole.done, failed=whole.failed, degraded=whole.degraded,
            retried=whole.retried, rate=recent, mean_rate=whole.fresh / spent,
        )  # fmt: skip
        if durations is not None:
            told = replace(told, p50=durations.p50, p95=durations.p95, most=durations.most)
        if not running:
            return told
        oldest = [_unfinished(*one, node.began, now, told.p95) for one in visits[-1].missing]
        return replace(told, left=_left(told), oldest=oldest)

    def _failures(self, counted: dict[str, list[_Visit]]) -> list[FailuresNow]:
        found: list[FailuresNow] = []
        for name, visits in counted.items():
            whole = sum((visit.whole for visit in visits[1:]), visits[0].whole)
            found += [self._group(name, key, group) for key, group in whole.groups.items()]
        return sorted(found, key=lambda one: (one.at or 0.0, one.count), reverse=True)[:MOST_GROUPS]

    def _group(self, node: str, key: tuple[str, str], group: Group) -> FailuresNow:
        command = show(self._shown, node, group.index)
        return FailuresNow(node, *key, group.count, group.index, group.message, group.at, command)


def _behind(row: Glance, expected: int, missing: list[tuple[int, float | None]]) -> int:
    """The position behind a row; those before it, from the ``expected`` one on, are ``missing``."""
    for index in range(expected, min(row.index, expected + MOST_OLDEST)):
        if len(missing) < MOST_OLDEST:
            missing.append((index, row.began))
    return row.index + 1


def _at_work(node: NodeNow, beat: dict[str, Any]) -> NodeNow:
    """The node with the run's record of its items in flight."""
    found = beat.get("nodes", {}).get(node.id)
    if found is None or node.status != "running":
        return node
    oldest = [(index, seconds + beat["ago"]) for index, seconds in found["oldest"][:MOST_OLDEST]]
    told = [Unfinished(*one, one[1] > STALLED * node.p95 > 0, at_least=False) for one in oldest]
    return replace(node, in_flight=found["in_flight"], oldest=told)


def _limits(decided: dict[str, LimitNow], beat: dict[str, Any]) -> list[LimitNow]:
    """The decisions of limits, and their present state."""
    now = {one["key"]: LimitNow(**one) for one in beat.get("limits", ())}
    return [
        *(
            replace(now[key], limit=one.limit, rate=one.rate, reason=one.reason) if key in now else one
            for key, one in decided.items()
        ),
        *(one for key, one in now.items() if key not in decided),
    ]


def _left(node: NodeNow) -> tuple[float, float] | None:
    """The remaining seconds at the present rate and at the mean rate, the smaller first."""
    rates = [rate for rate in (node.rate, node.mean_rate) if rate > 0]
    if node.total is None or not rates:
        return None
    left = max(0, node.total - node.done)
    return left / max(rates), left / min(rates)


def _unfinished(index: int, next_began: float | None, began: float, now: float, p95: float) -> Unfinished:
    """Items begin in order: it was begun before the next that has ended."""
    seconds = max(0.0, now - max(began, next_began or now))
    return Unfinished(index, seconds, seconds > STALLED * p95 > 0)
