"""A run in sentences: the text of each section of a report before its figures. All writers use them."""

from __future__ import annotations

from collections.abc import Callable

from batchmill.report import text
from batchmill.report.commands import errors
from batchmill.report.measured import Failures
from batchmill.report.model import Report
from batchmill.report.parts import SHARE_NAMES, ReportNode
from batchmill.report.rows import DONE, FAILURES
from batchmill.report.words import bytes_, count, day, dollars, duration, number, percent, rate

STATUS = {
    "success": "Everything is done",
    "degraded": "Done, with failures",
    "failed": "The run failed",
    "running": "The run is under way",
    "interrupted": "The run was interrupted",
    "waiting": "The run waits for batches of a service",
}


def tell(report: Report) -> dict[str, list[str]]:
    """Sentences by section; sections that have nothing to show have none."""
    told = {section: writer(report) for section, writer in SECTIONS.items()}
    return {section: sentences for section, sentences in told.items() if sentences}


def _name(node: ReportNode) -> str:
    return f"`{text.line(node.id, 60)}`"


def _head(report: Report) -> list[str]:
    told = [_counts(report)]
    ended = sum(n for state, n in report.counts.items() if state in DONE | FAILURES and state != "kept")
    again = f" in {count(len(report.passes), 'pass')[:-1]}es" if len(report.passes) > 1 else ""
    if any(one.at_least for one in report.passes):
        told.append(f"It took at least {duration(report.run.wall)}{again}.")
    elif ended and report.run.wall > 0:
        told.append(f"{rate(ended / report.run.wall)} over {duration(report.run.wall)}{again}.")
    else:
        told.append(f"It took {duration(report.run.wall)}{again}.")
    if report.run.why:
        told.append(f"It ended because of this: {text.line(report.run.why, 200)}.")
    spent = sum(one.cost for one in report.calls)
    if report.calls:
        told.append(f"{count(sum(one.calls for one in report.calls), 'call')} cost {dollars(spent)}.")
    return told


def _counts(report: Report) -> str:
    counts = report.counts
    total = sum(counts.values())
    if not total:
        nodes = [node for node in report.nodes if not node.nested]
        failed = sum(node.status == "failed" or bool(node.error) for node in nodes)
        return (
            f"{count(len(nodes), 'node')}, {failed:,} failed."
            if failed
            else f"{count(len(nodes), 'node')} ran."
        )
    done = sum(number_of for state, number_of in counts.items() if state in DONE)
    parts = [f"{done:,} of {count(total, 'item')} {'is' if done == 1 else 'are'} done"]
    if report.failed:
        groups = _groups(report.failures)
        among = f" in {groups}" if groups else ""
        parts.append(f"{report.failed:,} failed{among}")
    if counts.get("degraded"):
        parts.append(f"{counts['degraded']:,} with failures inside")
    missing = counts.get("not run", 0) + counts.get("cancelled", 0)
    if missing:
        parts.append(f"{missing:,} not run")
    if report.retries.saved:
        parts.append(f"{report.retries.saved:,} saved by another attempt")
    return ", ".join(parts) + "."


def _time(report: Report) -> list[str]:
    shares = report.shares
    if shares.capacity <= 0:
        return []
    parts = sorted(((getattr(shares, name), words) for name, words in SHARE_NAMES.items()), reverse=True)
    most = [f"{percent(value, shares.capacity)} {words}" for value, words in parts[:3] if value > 0]
    slots = f"{duration(shares.capacity)} of slot time"
    return [f"Time went to {', '.join(most)}.", f"All slots of all nodes together had {slots}."]


def _nodes(report: Report) -> list[str]:
    nodes = [node for node in report.nodes if not node.nested]
    if not nodes:
        return []
    longest = max(nodes, key=lambda node: node.wall)
    told = f"{count(len(report.nodes), 'node')}"
    if len(nodes) > 1 and report.run.wall > 0 and longest.wall > 0:
        busy = percent(min(longest.wall, report.run.wall), report.run.wall)
        told += f"; {_name(longest)} was under way {busy} of the time"
    return [f"{told}."]


def _timeline(report: Report) -> list[str]:
    series = report.series
    ended = [0] * series.bins
    for node in series.nodes:
        for place in range(series.bins):
            ended[place] += node.ok[place] + node.failed[place] + node.retried[place]
    if not any(ended) or report.run.wall <= 0:
        return []
    width = max(1, series.bins // 60)
    rates = [
        sum(ended[place : place + width]) / (width * series.seconds) for place in range(0, series.bins, width)
    ]
    best = max(range(len(rates)), key=rates.__getitem__)
    told = [
        f"{rate(sum(ended) / report.run.wall)} on average, {rate(rates[best])} at best, "
        f"after {duration(best * width * series.seconds)}."
    ]
    refused = sum(one.total for one in series.refusals)
    if refused:
        told.append(f"Services refused {count(refused, 'call')}.")
    return told


def _items(report: Report) -> list[str]:
    total = sum(one.items for one in report.items)
    if not total:
        return []
    failed = report.failed
    if not failed:
        return [f"None of {count(total, 'item')} failed."]
    return [f"{percent(failed, total)} of {count(total, 'item')} failed; each is a cell, in input order."]


def _durations(report: Report) -> list[str]:
    batches = [node for node in report.nodes if node.batch and node.durations is not None]
    if not batches:
        return []
    node = max(batches, key=lambda one: one.work)
    told = node.durations
    if told is None:
        return []
    many = " takes" if told.count > 1 else " took"
    return [
        f"Half of the items of {_name(node)} took no longer than {duration(told.p50)}, 95 % no longer than "
        f"{duration(told.p95)}; the longest{many.replace('takes', 'took')} {duration(told.most)}."
    ]


def _failures(report: Report) -> list[str]:
    failures = report.failures
    inside = report.counts.get("degraded", 0)
    if not failures.total and inside:
        listed = f": `{errors(report.run)}` lists that" if report.run.kept else ""
        return [f"No item failed, but something inside {count(inside, 'item')} did{listed}."]
    if not failures.total:
        return ["Nothing failed."]
    first = failures.groups[0]
    worst = f"{percent(first.count, failures.total)} with {text.line(first.type or 'an error', 60)}"
    where = f" in `{text.line(first.node, 60)}`"
    groups = _groups(failures)
    among = f", in {groups}" if groups else ""
    return [f"{count(failures.total, 'failure')}{among}: {worst}{where}."]


def _groups(failures: Failures) -> str:
    """How many groups there are, empty for one. With failures in none of them nobody knows exactly."""
    known = len(failures.groups)
    if failures.ungrouped:
        return f"more than {count(known, 'group')}"
    return count(known, "group") if known > 1 else ""


def _retries(report: Report) -> list[str]:
    again = sum(items for attempts, items, _ in report.retries.by_attempts if attempts > 1)
    if not again:
        return []
    told = f"{count(again, 'item')} needed more than one attempt, {report.retries.saved:,} of them were saved"
    lost = report.retries.lost
    return [f"{told}; attempts that failed took {duration(lost)}." if lost else f"{told}."]


def _calls(report: Report) -> list[str]:
    if not report.calls:
        return []
    calls = sum(one.calls for one in report.calls)
    spent = sum(one.cost for one in report.calls)
    tokens = sum(one.input_tokens + one.output_tokens for one in report.calls)
    told = [f"{count(calls, 'call')} with {number(tokens)} tokens cost {dollars(spent)}."]
    unpriced = sum(one.unpriced for one in report.calls)
    if unpriced:
        told.append(f"{count(unpriced, 'call')} have no price and are not in this sum.")
    for budget in report.budgets:
        where = f" of `{text.line(budget.node, 60)}`" if budget.node else ""
        told.append(
            f"{percent(budget.spent, budget.amount)} of the budget{where} of {number(budget.amount)} "
            f"{budget.unit} is used."
        )
    return told


def _resources(report: Report) -> list[str]:
    known = [node.cpu for node in report.nodes if node.cpu is not None and not node.nested]
    peaks = [node.peak_rss for node in report.nodes if node.peak_rss is not None]
    told = []
    cores_seen = [one for one in report.series.cores if one is not None]
    rss_seen = [one for one in report.series.rss if one is not None]
    if cores_seen and rss_seen:
        told.append(
            f"All its processes together kept up to {number(max(cores_seen))} cores busy and had up to "
            f"{bytes_(max(rss_seen))}, what they share counted for each."
        )
    if known and report.run.wall > 0:
        cores = f" of {number(report.provenance.cores)}" if report.provenance.cores else ""
        told.append(f"{number(sum(known) / report.run.wall)}{cores} cores were busy with items on average.")
    if peaks:
        told.append(f"The largest worker had {bytes_(max(peaks))}.")
    if report.deaths_total:
        told.append(f"{count(report.deaths_total, 'worker')} died.")
    return told


def _passes(report: Report) -> list[str]:
    if len(report.passes) < 2:
        return []
    began, last = report.passes[0].began, report.passes[-1]
    return [f"Begun {day(began)}, resumed {count(len(report.passes) - 1, 'time')}, last {day(last.began)}."]


SECTIONS: dict[str, Callable[[Report], list[str]]] = {
    "head": _head,
    "time": _time,
    "nodes": _nodes,
    "timeline": _timeline,
    "items": _items,
    "durations": _durations,
    "failures": _failures,
    "retries": _retries,
    "calls": _calls,
    "resources": _resources,
    "passes": _passes,
}
