"""``batchmill plan``: what a run would do, in order, without running any of it."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import islice
from pathlib import Path
from typing import Any

import click

from batchmill.batch import BatchSettings
from batchmill.cli import options
from batchmill.cli.given import Given, given
from batchmill.cli.json_text import as_json
from batchmill.errors import InvalidDocument, NodeError, StorageError, TemplateError
from batchmill.events.words import count, shortened
from batchmill.executors.choice import known_beforehand
from batchmill.executors.choose import executor_named
from batchmill.graph.batched import items_of, settings_of
from batchmill.graph.check import check
from batchmill.graph.plan import Plan, PlannedNode
from batchmill.graph.surroundings import RunnableNode, Surroundings
from batchmill.ir.inputs import check_inputs
from batchmill.ir.loading import load
from batchmill.ir.models import BatchSpec
from batchmill.nodes.registry import default_registry
from batchmill.plain import plain
from batchmill.step import Namespace

SCHEMA = "batchmill.plan/1"
SHOWN = 3  # items of a batch that are shown


@click.command("plan", short_help="Show what a run would do, without running anything.")
@options.document
@options.inputs
@options.overrides
@options.json_flag("Print the plan as one JSON object.")
def command(
    file: str,
    inputs: tuple[str, ...],
    params_file: Path | None,
    set_json: tuple[str, ...],
    executor: str | None,
    jobs: int | None,
    json_wanted: bool,
) -> None:
    """Show the nodes of the workflow document FILE in the order they would run, and of each batch the
    executor, the number of items and the first three.

    Nothing is run: items that come from another node are known only in a run. Inputs that are missing are
    left open.
    """
    plan = check(load(file), default_registry())
    values = _inputs(plan, given(inputs, set_json, params_file))
    around = Surroundings(Namespace(values), executor=executor, jobs=jobs)
    nodes = [_described(plan, name, around) for name in order(plan)]
    if json_wanted:
        left_out = [name for name in plan.nodes if name not in {node["id"] for node in nodes}]
        found = {
            "schema": SCHEMA,
            "source": file,
            "inputs": plain(values),
            "nodes": nodes,
            "unreached": left_out,
        }
        click.echo(as_json(found, 2))
    else:
        click.echo("\n".join(_lines(plan, nodes)))


def _inputs(plan: Plan, given_inputs: Given) -> dict[str, Any]:
    """The inputs that are known; missing ones are not. Raises :class:`InvalidDocument` for a wrong one."""
    every = {**given_inputs.values, **given_inputs.text}
    values, problems = check_inputs(plan.workflow, every, frozenset(given_inputs.text))
    missing = [name for name, spec in plan.inputs.items() if spec.must_be_given and name not in every]
    if len(problems) > len(missing):
        raise InvalidDocument(tuple(problems), "the inputs")
    secret = {name for name, spec in plan.inputs.items() if spec.secret}
    return {name: value for name, value in values.items() if name not in secret.union(missing)}


def order(plan: Plan) -> list[str]:
    """The nodes that the start node leads to, each before those it leads to itself, cycles apart."""
    finished: list[str] = []
    seen = {plan.start}
    stack = [(plan.start, _followers(plan, plan.start))]
    while stack:
        name, following = stack[-1]
        target = next(following, None)
        if target is None:
            stack.pop()
            finished.append(name)
        elif target not in seen:
            seen.add(target)
            stack.append((target, _followers(plan, target)))
    return finished[::-1]


def _followers(plan: Plan, name: str) -> Iterator[str]:
    """Last edge first, so that in the reversed order the first one's branch comes first."""
    return iter([target for (source, _), target in plan.successors.items() if source == name][::-1])


def _described(plan: Plan, name: str, around: Surroundings) -> dict[str, Any]:
    """A node as plain data."""
    node = plan.nodes[name]
    told: dict[str, Any] = {"id": name, "type": node.spec.type}
    if node.spec.purpose:
        told["purpose"] = node.spec.purpose
    told["next"] = {action: target for (source, action), target in plan.successors.items() if source == name}
    if node.spec.batch is not None:
        told["batch"] = _batch(node, node.spec.batch, around)
    return told


def _batch(node: PlannedNode, spec: BatchSpec, around: Surroundings) -> dict[str, Any]:
    settings = settings_of(RunnableNode(node.spec, node.kind), spec, around)
    items = _items(spec, around)
    return {
        "executor": settings.executor,
        **_choice(node, settings, items["count"]),
        "max_concurrent": executor_named(settings.executor).workers(settings.for_executor()),
        "items": {"from": spec.items_kind, "written": plain(spec.items_value), **items},
    }


def _choice(node: PlannedNode, settings: BatchSettings, total: int | None) -> dict[str, str]:
    """What ``auto`` will choose and why, where that is known before any item has run."""
    if settings.executor != "auto":
        return {}
    n_threads = executor_named("thread").workers(settings.for_executor())
    known = known_beforehand(hasattr(node.kind, "run_async"), total, settings.max_concurrent, n_threads)
    if known is None:
        return {"reason": "chosen by what the first items turn out to be"}
    return {"reason": f"{known.executor}: {known.reason}"}


def _items(spec: BatchSpec, around: Surroundings) -> dict[str, Any]:
    """``count`` (None where it is not known before a run) and the ``first`` items, or why there are none."""
    if spec.items_kind == "stdin":
        return {"count": None, "first": [], "why": "standard input is read when it runs"}
    try:
        items = items_of(spec, around)
        first = [plain(item) for item in islice(items, SHOWN)]
    except (TemplateError, NodeError):  # it needs a node's outputs, or an input that was not given
        known = len(spec.items) if isinstance(spec.items, list) else None
        return {"count": known, "first": [], "why": "known when it runs"}
    except (StorageError, OSError) as error:
        return {"count": None, "first": [], "why": str(error)}
    return {"count": len(items) if isinstance(items, Sized) else None, "first": first}


def _lines(plan: Plan, nodes: list[dict[str, Any]]) -> Iterator[str]:
    yield f"{plan.source}: {count(len(nodes), 'node')}"
    for number, node in enumerate(nodes, 1):
        purpose = f": {node['purpose']}" if "purpose" in node else ""
        yield f"{number:>3}. {node['id']} ({node['type']}){purpose}"
        if "batch" in node:
            yield from _batch_lines(node["batch"])
        following = nodes[number]["id"] if number < len(nodes) else None
        for action, target in node["next"].items():
            if action != "default" or target != following:
                yield f"     on {action} to {target}"
    for name in plan.nodes.keys() - {node["id"] for node in nodes}:
        yield f"  -  {name} is not reached by any edge"


def _batch_lines(batch: dict[str, Any]) -> Iterator[str]:
    items = batch["items"]
    number = "items" if items["count"] is None else count(items["count"], "item")
    written = shortened(items["written"])
    flight = (
        "one after another" if batch["executor"] == "sequential" else f"{batch['max_concurrent']} at once"
    )
    yield f"     {number} from {items['from']} {written}, {batch['executor']} executor, {flight}"
    if "reason" in batch:
        yield f"     ({batch['reason']})"
    if "why" in items:
        yield f"     ({items['why']})"
    for item in items["first"]:
        yield f"     - {shortened(item)}"
    if items["first"] and (items["count"] is None or items["count"] > len(items["first"])):
        yield "     - ..."
