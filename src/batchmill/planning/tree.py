"""A plan as a tree of text: rows of nodes, branches inside what they begin at, sub-workflows nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from batchmill.graph.compile.plan import Plan
from batchmill.nodes import DEFAULT_ACTION
from batchmill.planning.cluster import cluster_lines
from batchmill.planning.shape import PlanShape, ShapeStep
from batchmill.traits import TRAITS
from batchmill.values.words import count, on_one_line, plain_number, seconds

INDENT = "    "

Told = Mapping[str, Any]


def tree_lines(plan: Plan, told: Told) -> Iterator[str]:
    """The lines of a plan; ``told`` is its description as plain data."""
    yield f"{plan.source}: {count(len(told['nodes']) + len(plan.finals), 'node')}"
    if "cluster" in told:
        yield from cluster_lines(told["cluster"])
    yield from _plan_lines(plan, told)


def _plan_lines(plan: Plan, told: Told) -> Iterator[str]:
    yield from _Tree(plan, told).lines()
    for name in told["unreached"]:
        yield f"{name} ({plan.nodes[name].spec.type}) never runs: it is not reached by any edge"


class _Tree:
    """One plan, without those inside it."""

    def __init__(self, plan: Plan, told: Told) -> None:
        self._plan = plan
        self._told = {node["id"]: node for node in (*told["nodes"], *told.get("finally", ()))}
        self._shape = PlanShape.of(plan)

    def lines(self) -> Iterator[str]:
        yield from self._row(self._shape.rows(), ())
        if self._plan.finals:
            yield "finally, whatever happened:"
            for name in self._plan.finals:
                yield from (INDENT + line for line in self._node(ShapeStep(name), ()))

    def _row(self, row: Sequence[ShapeStep], expected: Sequence[str]) -> Iterator[str]:
        """The lines of a row; ``expected`` is the node after which its first node is shown directly."""
        for step in row:
            if step.name in self._shape.gates:
                yield from self._gate(step)
                expected = self._shape.before(step.name)
            else:
                yield from self._node(step, expected)
                expected = (step.name,)
            yield from self._branches(step, expected)

    def _gate(self, step: ShapeStep) -> Iterator[str]:
        """The line of a block at its beginning; none at its end."""
        on_error = self._shape.forks.get(step.name)
        if on_error is not None:
            actions = self._shape.actions_to(step.name)
            rest = ", each to its end whatever fails" if on_error == "continue" else ""
            yield f"{_on(actions)}parallel: {len(step.branches) or 1} branches at the same time{rest}"

    def _node(self, step: ShapeStep, expected: Sequence[str]) -> Iterator[str]:
        node = self._told[step.name]
        yield self._headline(node, expected)
        yield from (INDENT + line for line in _details(node))
        yield from (INDENT + line for line in self._jumps(step.name))
        if "workflow" in node:
            yield from self._sub(node["workflow"], step.name)
        if self._shape.fans_out(step):
            yield f"{INDENT}{len(step.branches)} branches at the same time"

    def _branches(self, step: ShapeStep, expected: Sequence[str]) -> Iterator[str]:
        for number, branch in enumerate(step.branches, 1):
            yield from _hung(list(self._row(branch, expected)), number == len(step.branches))

    def _headline(self, node: Told, expected: Sequence[str]) -> str:
        on = _on(self._shape.actions_to(node["id"])) if len(node["after"]) == 1 else ""
        purpose = f": {node['purpose']}" if "purpose" in node else ""
        waits = "" if list(node["after"]) in ([], list(expected)) else f", after {', '.join(node['after'])}"
        never = ", never runs" if node.get("never_runs") else ""
        return f"{on}{node['id']} ({node['type']}){purpose}{waits}{never}"

    def _jumps(self, name: str) -> Iterator[str]:
        """Edges that the rows do not show: back, and on an action to a node that others lead to as well."""
        for link in self._shape.leaving(name, backward=True):
            yield f"on {link.label} back to {', '.join(self._shape.behind(link.target))}"
        for link in self._shape.leaving(name):
            if link.action != DEFAULT_ACTION and len(self._shape.before(link.target)) > 1:
                yield f"on {link.label} to {', '.join(self._shape.behind(link.target))}"

    def _sub(self, told: Told, name: str) -> Iterator[str]:
        sub = self._plan.nodes[name].sub
        if "recursive" in told or sub is None:
            yield f"{INDENT}runs {told['source']}, which this is part of"
            return
        yield f"{INDENT}runs {told['source']}: {count(len(told['nodes']), 'node')}"
        yield from (f"{INDENT}│ {line}" for line in _plan_lines(sub.plan, told))


def _on(actions: Sequence[str]) -> str:
    return f"on {', '.join(actions)}: " if actions else ""


def _hung(lines: Sequence[str], last: bool) -> Iterator[str]:
    """The lines of a branch, indented under its beginning."""
    yield ("└─ " if last else "├─ ") + lines[0]
    for line in lines[1:]:
        yield ("   " if last else "│  ") + line


def _details(node: Told) -> Iterator[str]:
    limits = []
    if "attempts" in node:
        limits.append(f"up to {count(node['attempts'], 'attempt')}")
    if "timeout" in node:
        limits.append(f"{seconds(node['timeout'])} for each attempt")
    if limits:
        yield ", ".join(limits)
    if "loop" in node:
        word = "until" if "until" in node["loop"] else "while"
        yield f"again {word} {node['loop'][word]}, {count(node['loop']['at_most'], 'time')} at most"
    if "batch" in node:
        yield from _batch_lines(node["batch"])
    if "estimate" in node:
        yield from _estimate_lines(node["estimate"])


def _estimate_lines(estimate: Told) -> Iterator[str]:
    """The expected use by its calls, and the assumptions."""
    calls = "calls" if estimate["calls"] is None else count(estimate["calls"], "call")
    each, whole = estimate.get("each"), estimate["calls"] is not None
    if each is not None:
        told = estimate if whole else each
        usd = "" if told["usd"] is None else f", {plain_number(told['usd'])} USD"
        of_one = "" if whole else " each"
        sent, answered = count(told["input_tokens"], "token"), told["output_tokens"]
        yield f"about {calls}, {sent} sent and {answered:,} answered{usd}{of_one}, assuming"
    else:
        yield f"{calls} of a model"
    yield from (f"- {one}" for one in estimate["assumes"])
    if (earlier := estimate.get("earlier")) is not None:
        sent, answered = count(earlier["each"]["input_tokens"], "token"), earlier["each"]["output_tokens"]
        usd = "" if earlier["usd"] is None else f", which would be {plain_number(earlier['usd'])} USD"
        yield f"run {earlier['run']} took {sent} sent and {answered:,} answered for each call{usd}"


def _batch_lines(batch: Told) -> Iterator[str]:
    items = batch["items"]
    number = item_words(items["count"])
    written = on_one_line(items["written"])
    flight = flight_words(batch)
    yield f"{number} from {items['from']} {written}, {batch['executor']} executor, {flight}"
    if "streams_from" in batch:
        yield f"takes each as soon as {batch['streams_from']} has done it"
    elif "why" in items:
        yield f"({items['why']})"
    if "reason" in batch:
        yield f"({batch['reason']})"
    for item in items["first"]:
        yield f"- {on_one_line(item)}"
    if items["first"] and (items["count"] is None or items["count"] > len(items["first"])):
        yield "- ..."


def item_words(number: int | None) -> str:
    """How many items there are, as far as is known."""
    if number is None:
        return "items"
    return count(number, "item") if number else "no items"


def flight_words(batch: Told) -> str:
    """How many items are in flight."""
    if not TRAITS[batch["executor"]].side_by_side:
        return "one after another"
    if batch["max_concurrent"] is None:
        return "as many at once as it has seats"
    return f"{batch['max_concurrent']} at once"
