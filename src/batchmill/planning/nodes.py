"""The nodes of a plan as plain data: what each one is, what follows it, and how its items would run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from itertools import islice
from typing import Any

from batchmill.batch import BatchSettings
from batchmill.errors import NodeError, StorageError, TemplateError
from batchmill.executors.auto.decision import known_beforehand
from batchmill.executors.registry import executor_named
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.graph.frame import NodeFrame
from batchmill.graph.visits.batch_items import items_of
from batchmill.graph.visits.batched import settings_of
from batchmill.graph.visits.places_of_rows import asks_for_source
from batchmill.ir.inputs import input_values
from batchmill.ir.models import BatchSpec, NodeSpec
from batchmill.ir.pipeline import BranchBlock, PipelineStep
from batchmill.items.sources import ChunkedIterable
from batchmill.planning.shape import PlanShape
from batchmill.planning.spending import estimate_of
from batchmill.sourced import bare
from batchmill.step import Namespace
from batchmill.template import compile_value
from batchmill.traits import TRAITS
from batchmill.values import plain

SHOWN = 3  # items of a batch that are shown
MOST_COUNTED = 10_000  # items of a source that is read to count them
COUNTING_SECONDS = 0.5

Told = dict[str, Any]


def described_plan(plan: Plan, around: NodeFrame, within: tuple[Plan, ...] = ()) -> Told:
    """The ``nodes`` of a plan in the order they would run, and the ``unreached`` ones; ``within`` are the
    enclosing plans. A pipeline also has its ``steps``. A node that edges lead to but that is never reached
    has ``never_runs``; a node before such an edge has ``dead_actions``."""
    shape = PlanShape.of(plan)
    names = [name for name in shape.order if name in plan.nodes]
    nodes = [_described(plan, name, shape, around, (*within, plan)) for name in names]
    reached = {*names, *plan.finals}
    told: Told = {"nodes": nodes, "unreached": [name for name in plan.nodes if name not in reached]}
    if plan.finals:
        told["finally"] = [_described(plan, name, shape, around, (*within, plan)) for name in plan.finals]
    return {**told, "steps": _steps(plan.steps)} if plan.steps else told


def _steps(row: Sequence[PipelineStep]) -> list[object]:
    """A pipeline as written: ids, and blocks with their branches."""
    return [
        {"parallel": [_steps(branch) for branch in step.branches], "on_error": step.on_error}
        if isinstance(step, BranchBlock)
        else step
        for step in row
    ]


def _described(plan: Plan, name: str, shape: PlanShape, around: NodeFrame, within: tuple[Plan, ...]) -> Told:
    node = plan.nodes[name]
    told: Told = {"id": name, "type": node.spec.type}
    if node.spec.purpose:
        told["purpose"] = node.spec.purpose
    told["after"] = shape.before(name)
    told["next"] = _following(shape, name)
    leaving = (*shape.leaving(name), *shape.leaving(name, backward=True))
    if dead := {link.action for link in leaving if link.dead}:
        told["dead_actions"] = sorted(dead)
    if name in plan.never:
        told["never_runs"] = True
    told.update(_limits(node.spec))
    if node.spec.batch is not None:
        told["batch"] = _batch(plan, node, node.spec.batch, around)
    items = told["batch"]["items"] if "batch" in told else None
    if (estimate := estimate_of(node, around, items)) is not None:
        told["estimate"] = estimate
    if node.sub is not None:
        told["workflow"] = _sub(node, node.sub, around, within)
    return told


def _following(shape: PlanShape, name: str) -> dict[str, list[str]]:
    following: dict[str, list[str]] = defaultdict(list)
    for link in (*shape.leaving(name), *shape.leaving(name, backward=True)):
        following[link.action] += shape.behind(link.target)
    return dict(following)


def _limits(spec: NodeSpec) -> Told:
    """The limits that the node sets on the number and length of its runs."""
    told: Told = {}
    if spec.retry is not None:
        told["attempts"] = spec.retry.max
    if spec.timeout is not None:
        told["timeout"] = spec.timeout
    if spec.loop is not None:
        word = "until" if spec.loop.until is not None else "while"
        told["loop"] = {word: spec.loop.until or spec.loop.while_, "at_most": spec.loop.max_iterations}
    return told


def _batch(plan: Plan, node: PlannedNode, spec: BatchSpec, around: NodeFrame) -> Told:
    settings = settings_of(node, spec, around)
    items = items_told(node, spec, around)
    source = _streamed_from(plan, node.id)
    return {
        "executor": settings.executor,
        **_choice(node, settings, items["count"]),
        "max_concurrent": _in_flight(settings),
        **({} if source is None else {"streams_from": source}),
        "items": {"from": spec.items_kind, "written": plain(spec.items_value), **items},
    }


def _in_flight(settings: BatchSettings) -> int | None:
    """How many items at once; on a cluster None, where that depends on it alone."""
    if settings.traits.elsewhere:
        return settings.max_concurrent
    return executor_named(settings.executor).workers(settings.for_executor())


def _streamed_from(plan: Plan, name: str) -> str | None:
    """The stage that a streaming node takes its items from while they are made."""
    for chain in plan.stages.values():
        for stage in chain:
            if stage.id == name:
                return stage.source
    return None


def _choice(node: PlannedNode, settings: BatchSettings, total: int | None) -> dict[str, str]:
    """The choice of ``auto`` and its reason, if known before any item has run."""
    if not TRAITS[settings.executor].chooses:
        return {"reason": settings.reason} if settings.reason else {}
    n_threads = executor_named("thread").workers(settings.for_executor())
    known = known_beforehand(hasattr(node.kind, "run_async"), total, settings.max_concurrent, n_threads)
    if known is None:
        return {"reason": "chosen by the first items"}
    return {"reason": f"{known.executor}: {known.reason}"}


def items_told(
    node: PlannedNode,
    spec: BatchSpec,
    around: NodeFrame,
    most: int = MOST_COUNTED,
    seconds: float = COUNTING_SECONDS,
) -> Told:
    """``count`` (None where it is not known before a run) and the ``first`` items, or why there are none. A
    source that has to be read to count its items is read up to ``most`` of them, for ``seconds``."""
    if spec.calls_code:
        return {"count": None, "first": [], "why": "the function is called when it runs"}
    if spec.items_kind == "stdin":
        return {"count": None, "first": [], "why": "standard input is read when it runs"}
    try:
        items = items_of(spec, around, asks_for_source(node.spec))
        if isinstance(items, ChunkedIterable) and items.live:
            return {"count": None, "first": [], "why": "a pipe is read when it runs"}
        if isinstance(items, Sized):
            return {"count": len(items), "first": [plain(item) for item in islice(items, SHOWN)]}
    except (TemplateError, NodeError):  # it needs a node's outputs, or an input that was not given
        known = len(spec.items) if isinstance(spec.items, list) else None
        return {"count": known, "first": [], "why": "known when it runs"}
    except (StorageError, OSError) as error:
        return {"count": None, "first": [], "why": str(error)}
    return _counted(items, most, seconds)


def _counted(items: Iterable[object], most: int, seconds: float) -> Told:
    """The same of a source that has to be read for it: to its end, unless that takes long."""
    first: list[Any] = []
    count, over = 0, time.monotonic() + seconds
    reading = iter(items)
    try:
        for item in reading:
            if count < SHOWN:
                first.append(plain(bare(item)))
            count += 1
            if count >= most or (count > SHOWN and time.monotonic() > over):
                return {"count": None, "first": first}
    except (StorageError, OSError) as error:
        return {"count": None, "first": first, "why": str(error)}
    finally:
        if isinstance(reading, Generator):
            reading.close()  # and what it reads from with it
    return {"count": count, "first": first}


def _sub(node: PlannedNode, sub: SubPlan, around: NodeFrame, within: tuple[Plan, ...]) -> Told:
    """The sub-workflow of a node; the nodes of a recursive one are described once."""
    told: Told = {"source": sub.source}
    if any(sub.plan is plan for plan in within):
        return {**told, "recursive": True}
    namespace = Namespace(_known_inputs(node.spec, sub, around))
    inside = replace(around, namespace=namespace, in_worker=around.in_worker or _on_processes(node, around))
    return {**told, **described_plan(sub.plan, inside, within)}


def _on_processes(node: PlannedNode, around: NodeFrame) -> bool:
    batch = node.spec.batch
    if batch is None:
        return False
    return settings_of(node, batch, around).traits.own_processes


def _known_inputs(spec: NodeSpec, sub: SubPlan, around: NodeFrame) -> dict[str, object]:
    """The inputs of a sub-workflow that are the same in every run of it."""
    given = spec.params.get("inputs") if spec.loop is None else "other ones each time"
    known: dict[str, Any] = {}
    for name, written in (given if isinstance(given, Mapping) else {}).items():
        try:
            known[name] = compile_value(written).resolve(around.namespace.scope())
        except TemplateError:  # it needs a node's outputs, or the item
            continue
    open_names = (set(given) if isinstance(given, Mapping) else set(sub.plan.inputs)) - known.keys()
    values, _ = input_values(sub.plan.inputs, known)
    secret = {name for name, declared in sub.plan.inputs.items() if declared.secret}
    missing = {name for name, declared in sub.plan.inputs.items() if declared.must_be_given} - known.keys()
    return {name: value for name, value in values.items() if name not in open_names | secret | missing}
