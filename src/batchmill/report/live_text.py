"""A look at a run in lines."""

from __future__ import annotations

from collections.abc import Iterator

from batchmill.report import text
from batchmill.report.look import FailuresNow, LimitNow, Look, NodeNow
from batchmill.report.words import bytes_, count, duration, number, rate, share
from batchmill.runs.batch_api import in_words
from batchmill.values.words import spending

BAR = 24  # characters
LONG = 1.0  # seconds from which on an item that is under way is named
MOST_GROUPS = 3
MOST_NODES = 20
MOST_HOSTS = 8
ENDED_WELL = ("success",)


def lines(look: Look) -> Iterator[str]:
    """The whole view, line by line."""
    again = f", pass {look.passes}" if look.passes > 1 else ""
    run = f"run {text.line(look.run)} ({text.line(look.title, 70)}){again}"
    yield f"{look.status}: {run}, {duration(look.wall)}"
    batches = [node for node in look.nodes if node.batch]
    width = max((len(text.line(node.id, 30)) for node in batches), default=0)
    for node in batches[:MOST_NODES]:
        yield f"{text.line(node.id, 30).ljust(width)}  {bar(node)}  {told(node)}"
        yield from _hosts(node)
        yield from _oldest(node)
    if len(batches) > MOST_NODES:
        yield f"and {count(len(batches) - MOST_NODES, 'more batch node')}"
    yield from _others([node for node in look.nodes if not node.batch])
    for limit in look.limits:
        allows = _limit(limit)
        if allows:
            yield f"limit {text.line(limit.key, 30)}: {allows}"
    if look.machine is not None:
        taken = f"{number(look.machine.cores)} cores busy, {bytes_(look.machine.rss)}"
        several = "process" if look.machine.processes == 1 else "processes"
        yield f"machine: {taken} in {look.machine.processes:,} {several}"
    if look.waiting:
        yield text.line(in_words(look.waiting), 200)
    if look.died:
        yield f"{count(look.died, 'worker')} died"
    yield from _failures(look)
    if look.spent is not None:
        yield f"spent{' in all' if look.passes > 1 else ''}: {spending(**look.spent)}"


def bar(node: NodeNow) -> str:
    """The done share of a batch, as a bar and in percent; dots if its size is unknown."""
    if not node.total:
        return f"{'·' * BAR}      "
    part = min(1.0, node.done / node.total)
    full = int(part * BAR)
    return f"{'━' * full}{'─' * (BAR - full)} {share(part):>5}"


def told(node: NodeNow) -> str:
    """A batch in figures, on a line."""
    parts = [f"{node.done:,}" + ("" if node.total is None else f" of {node.total:,}")]
    for counted, word in ((node.failed, "failed"), (node.degraded, "degraded"), (node.retried, "retried")):
        if counted:
            parts.append(f"{counted:,} {word}")
    parts.append(_left(node) if node.status == "running" else node.status)
    if node.status == "running":
        parts.append(rate(node.rate) if node.rate else "no item in the last 10 s")
        under_way = "" if node.in_flight is None else f"{node.in_flight:,} under way, "
        parts.append(f"{under_way}{node.at_once:,} at once")
    elif node.mean_rate:
        parts.append(rate(node.mean_rate))
    if node.most:
        parts.append(f"p50 {duration(node.p50)}, p95 {duration(node.p95)}, max {duration(node.most)}")
    return ", ".join(part for part in parts if part)


def _left(node: NodeNow) -> str:
    if node.left is None:
        return ""
    least, most = (duration(round(one) if one >= 1 else one) for one in node.left)
    return f"{least} left" if least == most else f"{least} to {most} left"


def _hosts(node: NodeNow) -> Iterator[str]:
    """The machines of a cluster that sent results."""
    if node.hosts:
        named = [f"{text.line(host, 40)} ({count(n, 'slot')})" for host, n in node.hosts.items()]
        more = f" and {len(named) - MOST_HOSTS:,} more" if len(named) > MOST_HOSTS else ""
        yield f"  on {', '.join(named[:MOST_HOSTS])}{more}"


def _oldest(node: NodeNow) -> Iterator[str]:
    for one in node.oldest[:1] if node.in_flight is None else node.oldest:
        stalled = ": stalled?" if one.stalled else ""
        least = "at least " if one.at_least else ""
        if one.at_least or one.seconds >= LONG:
            yield f"  item {one.index} is under way for {least}{duration(one.seconds)}{stalled}"


def _limit(limit: LimitNow) -> str:
    """The value of a limit, the reason, and the attempts that it holds back."""
    allowed = [] if limit.limit is None else [f"{limit.limit} at once"]
    allowed += [] if limit.rate is None else [f"{limit.rate:.3g} a second"]
    for counted, word in ((limit.waiting, "waiting"), (limit.refused, "refused")):
        allowed += [f"{counted:,} {word}"] if counted else []
    why = f": {text.line(limit.reason, 100)}" if limit.reason else ""
    return f"{', '.join(allowed)}{why}"


def _others(nodes: list[NodeNow]) -> Iterator[str]:
    """Nodes that are no batches: the names of those that run or did not end well."""
    well = [node for node in nodes if node.status in ENDED_WELL]
    for node in [node for node in nodes if node.status not in ENDED_WELL][:MOST_NODES]:
        yield f"{text.line(node.id, 30)}: {node.status}"
    if well:
        yield f"{count(len(well), 'more node')} done"


def _failures(look: Look) -> Iterator[str]:
    for group in look.failures[:MOST_GROUPS]:
        yield _group(group)
        yield f"  {text.line(group.command)}"
    if len(look.failures) > MOST_GROUPS:
        yield f"and {count(len(look.failures) - MOST_GROUPS, 'more group')} of failures"


def _group(group: FailuresNow) -> str:
    where = f"{group.count:,} × {text.line(group.type, 60)} in {text.line(group.node, 30)}"
    said = f": {text.line(group.message, 120)}" if group.message else ""
    return f"{where}, last at item {group.index}{said}"
