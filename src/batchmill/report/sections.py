"""A report in sections of sentences and tables of text, the same for every writer that is read by people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from batchmill.report import text
from batchmill.report.measured import NodeSeries, Notable
from batchmill.report.model import Report
from batchmill.report.parts import SHARE_NAMES, ReportNode
from batchmill.report.rows import FAILURES
from batchmill.report.words import bytes_, clock, dollars, duration, number, percent, share

TITLES = {
    "time": "Where the time went",
    "nodes": "Nodes",
    "timeline": "Over time",
    "items": "Every item",
    "durations": "Durations",
    "failures": "Failures",
    "retries": "Retries",
    "calls": "Calls and cost",
    "resources": "Resources",
    "passes": "Passes",
    "provenance": "What ran, and where",
}
LONGEST_CELL = 120
MOST_ROWS = 200
TIMES = 20  # rows of a table over time


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of text. The first ``words`` columns are words, those behind them figures; ``caption`` may be
    empty. ``more`` is the number of rows behind these that are left out."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    caption: str = ""
    more: int = 0

    def cut(self, most: int) -> Table:
        """The table with ``most`` rows at most."""
        left_out = len(self.rows) - most
        if left_out <= 0:
            return self
        return replace(self, rows=self.rows[:most], more=self.more + left_out)


@dataclass(frozen=True, slots=True)
class Section:
    """A section. ``key`` is that of :attr:`Report.told`; ``missing`` says why it has nothing to show."""

    key: str
    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = field(default_factory=list)
    missing: str = ""


def sections(report: Report) -> list[Section]:
    """The sections that have something to show, or that say why they do not."""
    makers = {
        "time": _time, "nodes": _nodes, "timeline": _timeline, "items": _items, "durations": _durations,
        "failures": _failures, "retries": _retries, "calls": _calls, "resources": _resources,
        "passes": _passes, "provenance": _provenance,
    }  # fmt: skip
    found = []
    for key, title in TITLES.items():
        tables = [table.cut(MOST_ROWS) for table in makers[key](report) if table.rows]
        missing = text.line(report.missing.get(key, ""))
        sentences = [] if missing and not tables else report.told.get(key, [])
        if tables or sentences or missing:
            found.append(Section(key, title, sentences, tables, missing))
    return found


def _cell(value: str) -> str:
    return text.line(value, LONGEST_CELL)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _time(report: Report) -> Iterator[Table]:
    told = [(node, node.shares) for node in report.nodes if node.shares is not None and node.shares.capacity]
    names = [name for name in SHARE_NAMES if any(getattr(shares, name) for _, shares in told)]
    rows = [
        [
            _cell(node.id),
            duration(shares.capacity),
            *(percent(getattr(shares, name), shares.capacity) for name in names),
        ]
        for node, shares in told
    ]
    yield Table(("node", "slot time", *(SHARE_NAMES[name] for name in names)), rows)


def _nodes(report: Report) -> Iterator[Table]:
    head = ("node", "type", "executor", "items", "failed", "retried", "wall", "work", "p50", "p95", "max")
    yield Table((*head, "cost"), [_node(node) for node in report.nodes], words=3)


def _node(node: ReportNode) -> list[str]:
    told = node.durations
    failed = sum(count for state, count in node.counts.items() if state in FAILURES)
    counts = (node.items, failed, node.counts.get("retried", 0)) if node.batch else (None, None, None)
    spans = (told.p50, told.p95, told.most) if told is not None and node.batch else (None, None, None)
    return [
        _cell(node.id), _cell(node.type), _cell(node.executor or ("" if node.batch else node.status)),
        *map(_figure, counts), duration(node.wall or None), duration(node.work or None),
        *map(duration, spans), dollars(node.cost),
    ]  # fmt: skip


def _timeline(report: Report) -> Iterator[Table]:
    series = report.series
    for line in series.nodes:
        yield Table(
            ("from", "ok", "retried", "failed", "in flight"),
            list(_over_time(line, series.seconds)),
            caption=_cell(line.node),
        )
    for limit in series.limits:
        steps = [
            [duration(at), _figure(most), "–" if rate is None else number(rate), _cell(reason)]
            for at, most, rate, reason in limit.steps[-TIMES:]
        ]
        yield Table(("from", "at once", "a second", "why"), steps, caption=f"limit {_cell(limit.key)}")
    refused = [[_cell(one.key), _figure(one.total)] for one in series.refusals]
    yield Table(("refused by", "calls"), refused)


def _over_time(line: NodeSeries, seconds: float) -> Iterator[list[str]]:
    width = -(-len(line.ok) // TIMES)
    for at in range(0, len(line.ok), width):
        part = slice(at, at + width)
        counts = (sum(column[part]) for column in (line.ok, line.retried, line.failed))
        busy = line.in_flight[part]
        yield [duration(at * seconds), *map(_figure, counts), number(sum(busy) / len(busy))]


def _items(report: Report) -> Iterator[Table]:
    counts = report.counts
    total = sum(counts.values())
    rows = [[state, _figure(count), share(count / total)] for state, count in counts.items()]
    yield Table(("state", "items", "share"), rows)


def _durations(report: Report) -> Iterator[Table]:
    head = ("node", "items", "sum", "least", "p50", "p90", "p95", "p99", "most")
    rows = [
        [
            _cell(node.id), _figure(told.count), duration(told.total), duration(told.least),
            duration(told.p50), duration(told.p90), duration(told.p95), duration(told.p99),
            duration(told.most),
        ]
        for node in report.nodes
        if node.batch and (told := node.durations) is not None
    ]  # fmt: skip
    yield Table(head, rows)
    waits = [
        [_cell(node.id), _figure(node.waits.count), duration(node.waits.total), duration(node.waits.most)]
        for node in report.nodes
        if node.waits is not None
    ]
    yield Table(("node", "waited", "sum", "most"), waits, caption="Waiting for a limit")
    yield _notable("The slowest", report.slowest)


def _notable(caption: str, found: Sequence[Notable]) -> Table:
    rows = [
        [
            _cell(one.place), one.state, _cell(one.input or ""), duration(one.wall), _figure(one.attempts),
            dollars(one.cost),
        ]
        for one in found
    ]  # fmt: skip
    return Table(("item", "state", "input", "wall", "attempts", "cost"), rows, words=3, caption=caption)


def _failures(report: Report) -> Iterator[Table]:
    failures = report.failures
    rows = [
        [
            _cell(one.node), _cell(one.type), _cell(one.pattern), _figure(one.count),
            percent(one.count, failures.total), duration(one.first), duration(one.last),
        ]
        for one in failures.groups
    ]  # fmt: skip
    yield Table(("node", "type", "message", "count", "share", "first", "last"), rows, words=3)


def _retries(report: Report) -> Iterator[Table]:
    told = report.retries
    if len(told.by_attempts) > 1 or (told.by_attempts and told.by_attempts[0][0] > 1):
        rows = [list(map(_figure, one)) for one in told.by_attempts]
        yield Table(("attempts", "items", "of them failed"), rows, words=0)
    causes = [
        [
            _cell(one.cause),
            _figure(one.attempts),
            duration(one.lost),
            duration(one.waited),
            _figure(one.saved),
        ]
        for one in told.causes
    ]
    yield Table(("cause", "attempts", "lost in them", "waited after", "items saved"), causes)


def _calls(report: Report) -> Iterator[Table]:
    head = ("node", "model", "calls", "failed", "input", "cached", "output", "cost", "without a price")
    rows = [
        [
            _cell(one.node), _cell(one.model), _figure(one.calls), _figure(one.failed),
            _figure(one.input_tokens), _figure(one.cached_tokens), _figure(one.output_tokens),
            dollars(one.cost if one.unpriced < one.calls else None), _figure(one.unpriced),
        ]
        for one in report.calls
    ]  # fmt: skip
    yield Table(head, rows, words=2)
    yield _notable("The dearest", report.dearest)


def _resources(report: Report) -> Iterator[Table]:
    rows = [
        [_cell(node.id), duration(node.cpu), bytes_(node.peak_rss), bytes_(node.bytes_out)]
        for node in report.nodes
        if any(value is not None for value in (node.cpu, node.peak_rss, node.bytes_out))
    ]
    yield Table(("node", "CPU", "peak memory", "printed"), rows)
    hosts = [
        [_cell(node.id), _cell(one.name or "this machine"), *map(_figure, (one.slots, one.items)),
         duration(one.seconds)]
        for node in report.nodes
        for one in node.hosts
    ]  # fmt: skip
    yield Table(("node", "host", "slots", "items", "busy"), hosts, words=2)
    deaths = [
        [
            _cell(one.node), _cell(one.reason), _cell(one.host or "this machine"), duration(one.at),
            _figure(one.slot), _figure(one.pid),
            _figure(one.exit_code), _figure(one.signal), _figure(one.items), _figure(one.index),
        ]
        for one in report.deaths
    ]  # fmt: skip
    head = (
        "worker died in", "because", "on", "at", "slot", "pid", "exit code", "signal", "items", "first",
    )  # fmt: skip
    yield Table(head, deaths, words=3)


def _passes(report: Report) -> Iterator[Table]:
    if len(report.passes) < 2:
        return
    rows = [
        [
            str(place), clock(one.began), _cell(one.ended), f"{'≥ ' * one.at_least}{duration(one.wall)}",
            *map(_figure, (one.kept, one.redone, one.new, one.changed)),
        ]
        for place, one in enumerate(report.passes, 1)
    ]  # fmt: skip
    yield Table(("pass", "began", "ended", "wall", "kept", "redone", "new", "changed"), rows, words=3)


def _provenance(report: Report) -> Iterator[Table]:
    told = report.provenance
    known: list[tuple[str, str]] = [
        ("document", told.document), ("digest", told.digest), ("command", told.argv),
        ("folder", told.folder), ("host", told.host), ("system", told.system), ("Python", told.python),
        *((f"input {name}", value) for name, value in told.inputs.items()),
        *((f"setting {name}", value) for name, value in told.settings.items()),
        *((name, version) for name, version in told.versions.items()),
    ]  # fmt: skip
    yield Table(("what", "which"), [[_cell(name), _cell(value)] for name, value in known if value], words=2)
