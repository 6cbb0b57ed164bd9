"""Advice: why a run was slow, with figures and the setting to change. There is one rule for each use of
slot-seconds.

A rule looks at one node. It applies if its subject took a fair share of the slot-seconds of the whole run, so
trouble in a small node is not reported. Shares are those of :class:`~batchmill.report.parts.Shares`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from batchmill.report import text
from batchmill.report.model import Finding, Report
from batchmill.report.parts import ReportNode, Shares
from batchmill.report.words import count, duration, number, percent, share

WORTH = 0.15  # of the run's slot-seconds: less is not worth a change
WORTH_TRYING_AGAIN = 0.08  # what is lost to failures costs more than time
BUSY = 0.8  # of a node's own slot-seconds: its slots are what there is too little of
COMPUTES, WAITS = 0.8, 0.2  # CPU seconds a second
UNEVEN = 1.5  # of the longest item to the median: from there on their order matters
REPLACING = 1.0  # seconds of a slot for a new worker process, at most, where the machine is busy
SHORT = 0.001  # seconds of an item: handing it over takes as long
MOST = 5
# the CPU seconds of these types belong to other programs, which no GIL holds back
MAP_TYPE = "batchmill.nodes.command:CommandNode"  # of the node of `batchmill map`
IN_COMMANDS = frozenset({"shell", "command", MAP_TYPE})

Rule = Callable[[Report, ReportNode, Shares], tuple[float, str, str] | None]


def advise(report: Report) -> list[Finding]:
    """Findings about what held the run back, the worst first, or one that says that nothing stands out. Empty
    if the time was not recorded."""
    whole = report.shares.capacity
    if whole <= 0:
        return []
    found = sorted(_findings(report, whole), key=lambda one: -one.share)
    if found:
        return list(_told_once(found[:MOST]))
    return [
        Finding("nothing", "", 0.0, 0.0, "Nothing stands out: no wait or loss took a fair part of the time.")
    ]


def _told_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give each setting of a node only once."""
    said = set()
    for one in findings:
        yield replace(one, switch="") if (one.node, one.switch) in said else one
        said.add((one.node, one.switch))


def _findings(report: Report, whole: float) -> Iterator[Finding]:
    for node in report.nodes:
        shares = node.shares
        if shares is None:
            continue
        for kind, (worth, rule) in RULES.items():
            told = rule(report, node, shares)
            if told is not None and told[0] >= worth * whole:
                seconds, sentence, switch = told
                yield Finding(kind, node.id, seconds / whole, seconds, sentence, switch)


def _name(node: ReportNode) -> str:
    return f"`{text.line(node.id, 60)}`"


def _slots(number_of: int) -> str:
    return "its slot" if number_of == 1 else f"its {number_of} slots"


def _limit(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str]:
    refused = sum(one.total for one in report.series.refusals)
    slots = "the slots that it opened" if node.adaptive else _slots(node.slots)
    sentence = (
        f"The limit on {_name(node)} held it back: for {percent(shares.limit_waits, shares.capacity)} of the "
        f"time of {slots} items waited for it ({duration(shares.limit_waits)} in all)."
    )
    if refused:
        sentence += f" The service refused {refused:,} calls, so it takes no more than this."
        return shares.limit_waits, sentence, "" if node.adaptive else 'max_concurrent: "auto"'
    sentence += " The service refused nothing, so it may well take more."
    switch = "a higher rate_limit.per_second"
    return (
        shares.limit_waits,
        sentence,
        f"{switch}, or upper bound of max_concurrent" if node.adaptive else switch,
    )


def _permits(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str]:
    sentence = (
        f"Other nodes used the whole concurrency limit of the run while items of {_name(node)} waited: for "
        f"{percent(shares.permit_waits, shares.capacity)} of the time of {_slots(node.slots)} "
        f"({duration(shares.permit_waits)} in all)."
    )
    return shares.permit_waits, sentence, "a higher --jobs"


def _retry_waits(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str]:
    sentence = (
        f"Slots of {_name(node)} stood empty for {duration(shares.retry_waits)} while items waited to be "
        "tried again."
    )
    if report.series.refusals and not node.adaptive:
        return shares.retry_waits, f"{sentence} A limit spares the refusals.", 'max_concurrent: "auto"'
    return shares.retry_waits, sentence, "a shorter retry_wait"


def _failed(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str]:
    causes = report.retries.causes
    worst = f", most of it to {causes[0].cause}" if causes else ""
    sentence = (
        f"Attempts of {_name(node)} that failed took {duration(shares.failed_attempts)}, "
        f"{percent(shares.failed_attempts, shares.capacity)} of its slot time{worst}."
    )
    late = bool(causes) and causes[0].cause == "timeout"
    return shares.failed_attempts, sentence, "a shorter timeout" if late else ""


def _tail(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str] | None:
    if node.durations is None or not node.batch:
        return None
    ran = node.durations.count
    if ran < node.slots:
        sentence = (
            f"{_name(node)} had {ran:,} items for {node.slots} slots, so most stood empty."
            if ran * 2 <= node.slots
            else f"{_name(node)} had hardly more slots than items."
        )
        return shares.tail, sentence, f"max_concurrent: {ran}" if ran else ""
    # one item cannot keep slots empty for longer than it takes, but a chunk may hold many
    explained = node.durations.most * (node.slots - 1) * max(1, len(node.visits))
    if node.executor != "process" and explained < shares.tail / 2:
        return None
    typical = node.durations.p50
    times = f", {number(node.durations.most / typical)} times the median" if typical > 0 else ""
    sentence = (
        f"At the end of {_name(node)} slots stood empty for {duration(shares.tail)} while the last items "
        f"were at work; the longest took {duration(node.durations.most)}{times}."
    )
    if shares.failed_attempts > shares.work:  # nobody knows beforehand which items will fail
        return shares.tail, sentence, ""
    if typical > 0 and node.durations.most < UNEVEN * typical:  # their order hardly matters
        return shares.tail, sentence, "chunk_size: 1" if node.executor == "process" else ""
    if node.executor == "process":
        return shares.tail, sentence, "chunk_size: 1, or the largest items first"
    return shares.tail, sentence, "the largest items first"


def _at_once(node: ReportNode, number_of_items: int) -> str:
    """The setting for so many items at once: for a node of ``batchmill map``, which has no document, an
    option."""
    return f"-j {number_of_items}" if node.type == MAP_TYPE else f"max_concurrent: {number_of_items}"


def _start(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str] | None:
    if not node.batch:
        return None
    died = any(death.node == node.id for death in report.deaths)
    again = ", or until a worker replaced one that died" if died else ""
    sentence = (
        f"Slots of {_name(node)} stood empty for {duration(shares.start)} before their first item{again}: "
        "workers started, or items came late."
    )
    return shares.start, sentence, "executor: thread" if node.executor == "process" else ""


def _input(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str]:
    feeding = [edge.source for edge in report.edges if edge.stream and edge.target == node.id]
    before = f"`{text.line(feeding[0], 60)}`" if feeding else "the node before it"
    sentence = (
        f"{_name(node)} had nothing to do for {percent(shares.input, shares.capacity)} of its slot time: "
        f"{before} could not keep up."
    )
    return shares.input, sentence, f"a higher max_concurrent on {before}"


def _between(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str] | None:
    if node.durations is None or not node.batch:
        return None
    sentence = (
        f"Between items {_slots(node.slots)} of {_name(node)} stood empty for "
        f"{duration(shares.between)}; an item takes {duration(node.durations.p50)}."
    )
    died = _died(report, node)
    if died * REPLACING > shares.between / 2:
        cause = f"In that time {count(died, 'worker')} that had died or been killed were replaced."
        return shares.between, f"{sentence} {cause}", ""
    if node.durations.p50 < SHORT:
        less = {"process": ", or chunk_size: 100", "thread": ", or executor: sequential"}.get(
            node.executor, ""
        )
        return shares.between, f"{sentence} Handing it over takes as long.", f"batch_size: 100{less}"
    return (
        shares.between,
        f"{sentence} Their source, or the consumer of their results, could not keep up.",
        "",
    )


def _died(report: Report, node: ReportNode) -> int:
    """About how many workers of a node died: only the first deaths of a run are told one by one."""
    if not report.deaths:
        return 0
    listed = sum(death.node == node.id for death in report.deaths)
    return round(listed * report.deaths_total / len(report.deaths))


def _work(report: Report, node: ReportNode, shares: Shares) -> tuple[float, str, str] | None:
    """Slots that are always busy: advice that depends on what they do."""
    if not node.batch or shares.work < BUSY * shares.capacity or node.wall <= 0:
        return None
    busy = (
        f"{_slots(node.slots).capitalize()} of {_name(node)} worked {share(shares.work / shares.capacity)} "
        "of the time"
    )
    if node.cpu is None or shares.work <= 0:
        return None if node.slots > 1 else (shares.work, f"{busy}.", "executor: auto")
    each, cores = node.cpu / shares.work, node.cpu / node.wall
    found = (
        _held_by_the_gil(report, node, cores) or _waiting(node, each) or _computing(report, node, each, cores)
    )
    if found is None:
        return None
    what, switch = found
    return shares.work, f"{busy}{what}", switch


def _held_by_the_gil(report: Report, node: ReportNode, cores: float) -> tuple[str, str] | None:
    """What threads did that computed one at a time, on so many ``cores``, and what to set."""
    if node.executor != "thread" or not report.provenance.gil:
        return None
    if node.type not in IN_COMMANDS and cores > COMPUTES:
        return " and computed: the GIL gave them one core between them.", "executor: process"
    if _kept_busy(report, node) > COMPUTES:
        return (
            ", most of it waiting for each other: with the GIL one of them computes at a time.",
            "executor: process",
        )
    return None


def _waiting(node: ReportNode, each: float) -> tuple[str, str] | None:
    """What slots did that mostly waited, with ``each`` CPU seconds a second, and what to set."""
    if each >= WAITS:
        return None
    if node.executor == "process":
        what = f", {share(1 - each)} of which they waited: threads wait as well, and more of them."
        return what, "executor: thread"
    what = f" and waited for {share(1 - each)} of that: more items could wait at once."
    if node.executor == "sequential":
        return what, "executor: thread"
    if node.type in ("http", "llm", "embeddings", "mcp"):
        return what, 'max_concurrent: "auto"'
    return what, _at_once(node, node.slots * 2)


def _computing(report: Report, node: ReportNode, each: float, cores: float) -> tuple[str, str] | None:
    """What slots did that computed, on so many ``cores`` in all, and what to set; None if nothing helps."""
    free = (report.provenance.cores or 0) - cores
    if node.executor == "process" and free >= 1:
        return (
            f" and computed, and {number(free)} cores were idle.",
            f"max_concurrent: {node.slots + int(free)}",
        )
    if node.executor == "sequential" and each > COMPUTES:
        return " and computed, one item after another.", "executor: process"
    return None


def _kept_busy(report: Report, node: ReportNode) -> float:
    """How many cores the process of the run kept busy while the node was under way, on average; 0 if nobody
    knows, as where there were other processes too."""
    if any(one.executor in ("process", "dask") or one.type in IN_COMMANDS for one in report.nodes):
        return 0.0
    known = [
        cores
        for number, cores in enumerate(report.series.cores)
        if cores is not None
        and any(0 <= number * report.series.seconds - one.at <= one.wall for one in node.visits)
    ]
    return sum(known) / len(known) if known else 0.0


RULES: dict[str, tuple[float, Rule]] = {
    "limit": (WORTH, _limit),
    "permits": (WORTH, _permits),
    "retry waits": (WORTH_TRYING_AGAIN, _retry_waits),
    "failed attempts": (WORTH_TRYING_AGAIN, _failed),
    "tail": (WORTH, _tail),
    "start": (WORTH, _start),
    "input": (WORTH, _input),
    "between": (WORTH, _between),
    "work": (WORTH, _work),
}
