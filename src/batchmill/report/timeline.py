"""The run over time, in bins: items that ended, items in flight, decisions of limits, money spent."""

from __future__ import annotations

import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

from batchmill.report.measured import Lanes, LimitSeries, NodeSeries, RefusalSeries, Series
from batchmill.report.occupancy import Occupancy
from batchmill.report.parts import ReportNode
from batchmill.report.plain import Plain
from batchmill.report.rows import CODES, CallRow, LimitStep, RefusalRow, Row, Sample
from batchmill.report.slot_names import SlotNames
from batchmill.report.slot_time import Attempted

BINS = 600
MOST_NODES = 12  # with a series of their own
MOST_LANES, MOST_LANES_OF_ALL = 64, 96
MOST_STEPS, MOST_SPANS, MOST_KEYS = 1000, 300, 20
OTHERS = "all other nodes"
NOTHING_ENDED = 255


class _NodeLine:
    def __init__(self, node: str, bins: int, seconds: float) -> None:
        self.node = node
        self.ok, self.failed, self.retried = ([0] * bins for _ in range(3))
        self.in_flight = Occupancy(bins, seconds)
        self.known = False  # whether anything of it has a time

    def series(self) -> NodeSeries:
        busy = [round(one, 3) for one in self.in_flight.means()]
        return NodeSeries(self.node, self.ok, self.failed, self.retried, busy)


class _NodeLanes:
    def __init__(
        self, node: str, names: Sequence[str], slots: int, lanes: int, bins: int, seconds: float
    ) -> None:
        self.node, self.names, self.slots, self.bins = node, names, slots, bins
        self.group = -(-slots // lanes)
        self.lanes = -(-slots // self.group)
        self.busy = [Occupancy(bins, seconds) for _ in range(self.lanes)]
        self.worst = array("B", [NOTHING_ENDED]) * (self.lanes * bins)
        self.known = False

    def lane(self, slot: int) -> int:
        return min(self.lanes - 1, slot // self.group)

    def mark(self, slot: int, at_bin: int, code: int) -> None:
        self.known = True
        place = self.lane(slot) * self.bins + at_bin
        known = self.worst[place]
        if known == NOTHING_ENDED or code > known:
            self.worst[place] = code

    def finished(self) -> Lanes:
        """The lanes up to the last used slot: most slots that an adaptive limit might have opened were never
        used."""
        means = [lane.means() for lane in self.busy]
        used = [number for number, lane in enumerate(means) if any(lane)]
        upto = max(used, default=0) + 1
        busy = bytearray()
        for number, lane in enumerate(means[:upto]):
            width = min(self.group, self.slots - number * self.group)
            # a slot that was busy at all must be visible
            busy.extend(min(200, max(1, round(200 * one / width))) if one else 0 for one in lane)
        data = zlib.compress(bytes(busy) + self.worst[: upto * self.bins].tobytes(), 9)
        names = list(self.names[: upto * self.group])
        return Lanes(self.node, self.slots, self.group, upto, self.bins, data, names)


class Timeline:
    """The run over ``wall`` seconds. ``nodes`` are all nodes known at the start; those with the most
    slot-seconds get lines and lanes of their own; ``names`` knows the slots of a cluster."""

    def __init__(self, wall: float, nodes: Sequence[ReportNode], names: SlotNames | None = None) -> None:
        self.bins, self.seconds = BINS, max(wall, 1e-6) / BINS
        ranked = sorted(nodes, key=lambda node: (node.nested, -_slot_seconds(node)))
        own = [node.id for node in ranked[:MOST_NODES]]
        self.left_out = len(nodes) - len(own)
        self._lines = {node: _NodeLine(node, self.bins, self.seconds) for node in own}
        self._others = _NodeLine(OTHERS, self.bins, self.seconds)
        self._lanes: dict[str, _NodeLanes] = {}
        room = MOST_LANES_OF_ALL
        for node in ranked[:MOST_NODES]:
            named = () if names is None else names.names(node.id)
            slots = max(node.slots, len(named))
            lanes = min(slots, MOST_LANES, room)
            if lanes and not node.nested:
                self._lanes[node.id] = _NodeLanes(node.id, named, slots, lanes, self.bins, self.seconds)
                room -= self._lanes[node.id].lanes
        self._steps: dict[str, list[LimitStep]] = {}
        self._refused: dict[str, RefusalSeries] = {}
        self._tokens = [0] * self.bins
        self._cost = [0.0] * self.bins
        self._samples: list[tuple[float, int, int]] = [(0.0, 0, 0)] * self.bins  # sum of cores, number, rss

    def bin(self, at: float) -> int:
        """The number of the bin that holds ``at``; outside the bins, the nearest."""
        return min(self.bins - 1, max(0, int(at / self.seconds)))

    def add(self, row: Row, attempted: Sequence[Attempted]) -> None:
        """Count a row that took time."""
        line = self._lines.get(row.node, self._others)
        line.known = True
        lanes = self._lanes.get(row.node)
        start = row.start or 0.0
        ended = self.bin(start + row.wall)
        if row.failed:
            line.failed[ended] += 1
        elif row.state == "retried":
            line.retried[ended] += 1
        elif row.state != "cancelled":
            line.ok[ended] += 1
        for at, wall, failed, slot in attempted:
            line.in_flight.add(at, at + wall)
            if lanes is not None and slot is not None:
                lanes.busy[lanes.lane(slot)].add(at, at + wall)
                if failed:
                    lanes.mark(slot, self.bin(at + wall), CODES["retried"])
        if lanes is not None and row.slot is not None:
            lanes.mark(row.slot, ended, CODES[row.state])

    def add_plain(self, items: Plain) -> None:
        """Count items that are done at the first attempt."""
        line = self._lines.get(items.node, self._others)
        line.known = True
        for at_bin, count in Counter(self._bins(items.ends)).items():
            line.ok[at_bin] += count
        line.in_flight.add_all(items.starts, items.ends)
        lanes = self._lanes.get(items.node)
        if lanes is None:
            return
        for slot, (_, starts, ends) in items.by_slot().items():
            lanes.busy[lanes.lane(slot)].add_all(starts, ends)
            for at_bin in set(self._bins(ends)):
                lanes.mark(slot, at_bin, CODES["ok"])

    def _bins(self, moments: Iterable[float]) -> list[int]:
        """The numbers of the bins that moments lie in, as :meth:`bin` has them."""
        seconds, last = self.seconds, self.bins - 1
        found = [int(at / seconds) for at in moments]
        if min(found) < 0 or max(found) > last:
            return [min(last, max(0, one)) for one in found]
        return found

    def add_call(self, call: CallRow) -> None:
        """Count a call of a language model."""
        if call.at is None:
            return
        self._tokens[self.bin(call.at)] += call.input_tokens + call.output_tokens
        self._cost[self.bin(call.at + call.wall)] += call.cost or 0.0

    def add_limit(self, step: LimitStep) -> None:
        """Note a change of a limit."""
        self._steps.setdefault(step.key, []).append(step)

    def add_refusal(self, refusal: RefusalRow) -> None:
        """Count a refusal."""
        at = self.bin(refusal.at)
        known = self._refused.get(refusal.key) or RefusalSeries(refusal.key, 0, [0] * self.bins)
        known.counts[at] += 1
        spans = known.spans
        more = 0
        if refusal.retry_after:
            more = 1
            if len(spans) < MOST_SPANS:
                spans.append((refusal.at, refusal.retry_after, refusal.status))
        self._refused[refusal.key] = RefusalSeries(
            refusal.key, known.total + 1, known.counts, spans, known.span_total + more
        )

    def add_sample(self, sample: Sample) -> None:
        """Note what the machine did."""
        at = self.bin(sample.at)
        cores, number, rss = self._samples[at]
        self._samples[at] = (cores + sample.cores, number + 1, max(rss, sample.rss))

    def steps(self, key: str) -> list[LimitStep]:
        """The changes of a limit, in order."""
        return sorted(self._steps.get(key, ()), key=lambda step: step.at)

    def lanes(self) -> list[Lanes]:
        """The lanes of the nodes whose items have recorded slots."""
        return [one.finished() for one in self._lanes.values() if one.known]

    def series(self) -> Series:
        """The counts."""
        lines = [line.series() for line in (*self._lines.values(), self._others) if line.known]
        total, cost = 0.0, []
        for spent in self._cost:
            total += spent
            cost.append(round(total, 9))
        refused = sorted(self._refused.values(), key=lambda one: -one.total)[:MOST_KEYS]
        sampled = any(number for _, number, _ in self._samples)
        return Series(
            self.seconds,
            self.bins,
            lines,
            OTHERS if self._others.known else "",
            [LimitSeries(key, self._thinned(key)) for key in sorted(self._steps)[:MOST_KEYS]],
            refused,
            self._tokens if any(self._tokens) else [],
            cost if total else [],
            [round(cores / number, 3) if number else None for cores, number, _ in self._samples]
            if sampled
            else [],
            [rss if number else None for _, number, rss in self._samples] if sampled else [],
        )

    def _thinned(self, key: str) -> list[tuple[float, int | None, float | None, str]]:
        """At most a thousand steps: of several within a bin only the last one is seen anyway."""
        steps = self.steps(key)
        if len(steps) > MOST_STEPS:
            steps = list({self.bin(step.at): step for step in steps}.values())
        return [(step.at, step.limit, step.rate, step.reason) for step in steps]


def _slot_seconds(node: ReportNode) -> float:
    return sum(visit.slots * visit.wall for visit in node.visits) or node.slots * node.wall
