"""The at most eight lines that end a run: counts, time, throughput, the most common errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

from batchmill.events.happened import Event, NodeFinished, NodeRetried, RunFinished, RunStarted
from batchmill.values.tracebacks import at_own_line
from batchmill.values.words import count, is_inside_item, on_one_line, rate, seconds
from batchmill.warned import Warned

MOST_OF_ITEM = 200  # characters of a message
MOST_OF_NODE = 600  # the same where it is that of a whole node, which ends in what to do
MOST_LINES = 8
MOST_GROUPS = 3


@dataclass(slots=True)
class _Group:
    """Errors of one type in one node, and the first of them."""

    node: str
    type: str
    example: Mapping[str, Any]
    number: int = 0


def _untimed(node: str) -> str:
    return ""


def _unkept(node: str, index: int) -> str:
    return ""


@dataclass(slots=True)
class Summary:
    """A listener that summarises a run; :meth:`lines` is the summary once it has finished, with the
    tracebacks of the user's code if ``tracebacks`` is set.

    Concurrency: called by the bus, which delivers one event at a time; read after the run.
    """

    tracebacks: bool = False
    nodes: dict[str, str] = field(default_factory=dict)  # each node's last status
    batches: list[NodeFinished] = field(default_factory=list)
    retries: int = 0
    warnings: int = 0
    finished: RunFinished | None = None
    durations: Callable[[str], str] = _untimed
    """A line about the durations of a batch's items, by its node."""
    show: Callable[[str, int], str] = _unkept
    """The command that shows an item of a node; empty where there is none."""
    _groups: dict[tuple[str, str], _Group] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):  # of a run that waited for a service, and goes on
            self.nodes, self.batches, self.retries, self.warnings = {}, [], 0, 0
            self._groups.clear()
        elif isinstance(event, NodeFinished):
            self._add(event)
        elif isinstance(event, NodeRetried):
            self.retries += 1
        elif isinstance(event, Warned):
            self.warnings += 1
        elif isinstance(event, RunFinished):
            self.finished = event

    def _add(self, node: NodeFinished) -> None:
        if is_inside_item(node.node):
            return
        self.nodes[node.node] = node.status
        self.retries += node.retries
        if node.is_batch:
            self.batches.append(node)
        for entry in node.errors:
            if entry.get("kind") != "cancelled":  # those stand in the counts as not run
                self._count(node.node, entry)
        if node.error and not node.errors:
            kind, _, message = node.error.partition(": ")
            self._count(node.node, {"type": kind, "message": message})

    def take_errors(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Replace the errors of nodes by a finished run's own list: it also has those of the run itself, such
        as an output that cannot be resolved. An entry names its ``node``."""
        self._groups.clear()
        for entry in entries:
            if entry.get("kind") != "cancelled":
                self._count(entry.get("node") or "the run", entry)

    def _count(self, node: str, entry: Mapping[str, object]) -> None:
        key = (node, str(entry.get("type", "error")))
        self._groups.setdefault(key, _Group(*key, entry)).number += 1

    def lines(self) -> list[str]:
        """At most eight lines, not counting tracebacks and commands, the run's status first; none before the
        run has finished."""
        if self.finished is None:
            return []
        lines = [self._head(self.finished)]
        lines += self._batch_lines()
        if self.retries:
            lines.append(f"  {count(self.retries, 'more attempt')} after failures")
        room = MOST_LINES - len(lines)
        errors = self.errors(min(room, MOST_GROUPS + 1))
        return lines + [f"  {line}" for error in errors for line in error.splitlines()]

    def errors(self, most: int = MOST_GROUPS + 1) -> list[str]:
        """The commonest errors with an example each, in at most ``most`` lines."""
        groups = sorted(self._groups.values(), key=lambda group: -group.number)
        shown = groups if len(groups) <= most else groups[: most - 1]
        lines = [self._described(group) for group in shown]
        if len(shown) < len(groups):
            rest = sum(group.number for group in groups[len(shown) :])
            lines.append(f"and {count(rest, 'more error')}")
        return lines

    def _head(self, run: RunFinished) -> str:
        numbers = Counter(self.nodes.values())
        states = ", ".join(f"{number} {state}" for state, number in numbers.items())
        told = f" ({states})" if states else ""
        warned = f", {count(self.warnings, 'warning')}" if self.warnings else ""
        return f"{run.status}: {count(len(self.nodes), 'node')}{told} in {seconds(run.wall)}{warned}"

    def _batch_lines(self) -> list[str]:
        """A line for each of up to three batches; with more, one line for all together."""
        if len(self.batches) <= MOST_GROUPS:
            told = ((f"  {one.node}: {_counts([one])}{self._took(one.node)}", one) for one in self.batches)
            return [line for text, one in told for line in (text, *_why_not_run(one))]
        return [f"  {len(self.batches)} batches: {_counts(self.batches)}"]

    def _took(self, node: str) -> str:
        told = self.durations(node)
        return f", {told}" if told else ""

    def _described(self, group: _Group) -> str:
        """A group in a line, and below it the command that shows its example."""
        index = group.example.get("index")
        command = "" if index is None else self.show(group.node, int(index))
        return _described(group, self.tracebacks) + (f"\n  {command}" if command else "")


def _counts(batches: list[NodeFinished]) -> str:
    done = sum(batch.succeeded for batch in batches)
    failed = sum(batch.failed for batch in batches)
    cancelled = sum(batch.cancelled for batch in batches)
    wall = sum(batch.wall for batch in batches)
    degraded = sum(batch.degraded for batch in batches)
    parts = [f"{done:,} ok" + (f" ({degraded:,} of them degraded)" if degraded else "")]
    if failed:
        parts.append(f"{failed:,} failed")
    if skipped := sum(batch.skipped for batch in batches):
        parts.append(f"{skipped:,} skipped")
    if waiting := sum(batch.waiting for batch in batches):
        parts.append(f"{waiting:,} waiting")
    if cancelled:
        parts.append(f"{cancelled:,} not run")
    return f"{', '.join(parts)}, {seconds(wall)}, {rate(done + failed, wall)}"


def _why_not_run(batch: NodeFinished) -> list[str]:
    """A line that says why the rest of the items did not run, up to the example in it, which follows below.
    Under fail_fast, the error of the failed item says it."""
    why = batch.error.partition(": ")[0]
    if not (batch.cancelled and batch.failed and why) or "fail_fast" in why:
        return []
    return [f"    {on_one_line(why, MOST_OF_ITEM)}"]


def _described(group: _Group, whole: bool) -> str:
    """A group in a line with the line of the user's code that failed; if ``whole``, followed by its
    traceback."""
    traceback = str(group.example.get("traceback", ""))
    most = MOST_OF_NODE if group.example.get("index") is None else MOST_OF_ITEM
    message = on_one_line(str(group.example.get("message", "")), most) + at_own_line(traceback)
    if whole and traceback:
        message += "\n" + indent(traceback.rstrip(), "  ")
    if group.example.get("index") is None:  # the node or the run itself, not one of its items
        return f"{group.node}: {group.type}: {message}"
    item = on_one_line(group.example.get("item"))
    first = f"first at item {group.example['index']} ({item})"
    return f"{group.number:,} × {group.type} in {group.node}, {first}: {message}"
