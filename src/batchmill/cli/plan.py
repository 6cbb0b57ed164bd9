"""``batchmill plan``: what a run would do, in order, without running any of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import click

from batchmill.cli import options
from batchmill.cli.clashes import refuse_in_cluster, refuse_together
from batchmill.cli.document import document_of
from batchmill.cli.faults import say, warning_line
from batchmill.cli.given import Given, given
from batchmill.cli.journals import Journals
from batchmill.cli.json_text import as_json
from batchmill.cli.rehearsed import lines
from batchmill.cli.streams import print_data
from batchmill.errors import InvalidDocument, StorageError, UnknownRun
from batchmill.graph.compile.check import check
from batchmill.graph.compile.plan import Plan
from batchmill.graph.frame import NodeFrame, RunServices
from batchmill.graph.part import Part, part_of
from batchmill.graph.sub_workflow import SubWorkflowRun
from batchmill.ir.inputs import check_inputs
from batchmill.journal.journal import Journal
from batchmill.nodes.registry import default_registry
from batchmill.planning.cluster import add_cluster
from batchmill.planning.diagram import diagram_of, dot, mermaid
from batchmill.planning.nodes import described_plan
from batchmill.planning.spending import with_earlier
from batchmill.planning.tree import tree_lines
from batchmill.record.ledger import ledger
from batchmill.runs.files import table_of
from batchmill.runs.rehearse import Rehearsed, rehearse
from batchmill.runs.settings import RunSettings, cluster_of
from batchmill.step import Namespace
from batchmill.values import plain

SCHEMA = "batchmill.plan/1"

Form = Literal["tree", "json", "mermaid", "dot"]


@click.command("plan", short_help="Show what a run would do, without running anything.")
@options.document
@options.inputs
@options.overrides
@options.cluster
@options.part
@click.option(
    "--format",
    "form",
    type=click.Choice(("tree", "json", "mermaid", "dot")),
    default="tree",
    show_default=True,
    help="A tree for people, one JSON object, or a diagram's text for Mermaid or Graphviz.",
)
@click.option(
    "--changes",
    is_flag=True,
    help="Show which results of the latest run of FILE are still valid, and what changed.",
)
@options.journal
@options.json_flag("The same as --format json.")
def command(
    file: str,
    inputs: tuple[str, ...],
    params_file: Path | None,
    set_json: tuple[str, ...],
    executor: str | None,
    jobs: int | None,
    cluster: str | None,
    part: dict[str, Any],
    form: Form,
    changes: bool,
    journal_path: str | None,
    json_wanted: bool,
) -> None:
    """Show the nodes of the workflow document FILE as they would run: dependencies, branches that run at the
    same time, sub-workflows, and for each batch the executor, the number of items and the first three.

    With --changes, show for each node how many results of the latest run of FILE are still valid, and what
    changed: a param, a file, code.

    Run nothing, so items from another node stay unknown. You may leave out inputs.
    """
    refuse_in_cluster(executor)
    if form != "json":
        refuse_together("json_wanted", "form", f"--json is --format json, and --format is {form}")
    if changes and form in ("mermaid", "dot"):
        raise click.UsageError(f"--changes adds lines that belong to no diagram: leave out --format {form}")
    from_inputs = given(inputs, set_json, params_file)
    settings = RunSettings(executor=executor, jobs=jobs, cluster=cluster, part=Part.of(**part))
    since = _since(file, from_inputs, journal_path) if changes else None
    show_plan(file, from_inputs, settings, journal_path, "json" if json_wanted else form, since)


def show_plan(
    file: str,
    from_inputs: Given,
    settings: RunSettings,
    journal_path: str | None,
    form: Form = "tree",
    since: Rehearsed | None = None,
) -> None:
    """Print the plan for a run of the document FILE, and the facts about its latest run in the journal.
    Raises :class:`InvalidDocument`."""
    draft = document_of(file)
    plan = check(draft, default_registry())
    warnings = (*from_inputs.told(draft.raw), *plan.warnings)
    for warned in warnings if form == "tree" else ():
        say(warning_line(warned))
    values = _inputs(plan, from_inputs)
    if plan.settings is not None:
        plan = check(draft, default_registry(), values)
    plan = plan if settings.part is None else part_of(plan, settings.part)
    services = RunServices(
        SubWorkflowRun,
        executor=settings.executor,
        jobs=settings.jobs,
        limit=settings.limit,
        files=table_of(plan, values, {}),
        cluster=cluster_of(settings, plan.workflow),
    )
    around = NodeFrame(services, Namespace(values))
    told = described_plan(plan, around)
    _add_earlier(told, file, journal_path)
    add_cluster(told, around.services.cluster)
    if form == "json":
        listed = [warned.as_json() for warned in warnings]
        whole = {"schema": SCHEMA, "source": file, "inputs": plain(values), **told, "warnings": listed}
        if since is not None:
            whole["changes"] = since.as_json()
        print_data(as_json(whole, 2))
    else:
        print_data("\n".join([*_drawn(plan, told, form), *([] if since is None else lines(since))]))


def _drawn(plan: Plan, told: dict[str, object], form: Form) -> list[str]:
    if form == "tree":
        return list(tree_lines(plan, told))
    return list((mermaid if form == "mermaid" else dot)(diagram_of(plan, told)))


def _since(file: str, inputs: Given, journal_path: str | None) -> Rehearsed:
    """The saved results of the latest run of a document. Raises :class:`UsageError` if there was none."""
    source = os.path.abspath(file)
    with Journals(journal_path, only_read=True) as journals:
        found = next((one for one in journals.runs() if one.run.source == source), None)
        if found is None:
            raise click.UsageError(f"--changes: there has been no run of {file} in this folder")
        name, journal = found.run.name, Journal(found.journal.path)
    return rehearse(name, inputs.values, journal=journal, text_params=inputs.text, finished_too=True)


def _add_earlier(told: dict[str, Any], file: str, journal_path: str | None) -> None:
    """Add to the estimates what the latest run of the document that made calls used."""
    estimates = {node["id"]: node["estimate"] for node in told["nodes"] if "estimate" in node}
    if not estimates:
        return
    source = os.path.abspath(file)
    with suppress(StorageError, UnknownRun), Journals(journal_path, only_read=True) as journals:
        for found in (one for one in journals.runs() if one.run.source == source):
            reader, run, _ = journals.run(found.run.name)
            entries = ledger(call for _, call in reader.calls(run))
            for entry in entries:
                if entry.node in estimates and "earlier" not in estimates[entry.node]:
                    with_earlier(estimates[entry.node], run.name, entry)
            if entries:
                return


def _inputs(plan: Plan, given_inputs: Given) -> dict[str, object]:
    """The inputs that are known; missing ones are not. Raises :class:`InvalidDocument` for a wrong one."""
    every = {**given_inputs.values, **given_inputs.text}
    values, problems = check_inputs(plan.workflow, every, frozenset(given_inputs.text))
    missing = [name for name, spec in plan.inputs.items() if spec.must_be_given and name not in every]
    if len(problems) > len(missing):
        raise InvalidDocument(tuple(problems), "the inputs")
    secret = {name for name, spec in plan.inputs.items() if spec.secret}
    return {name: value for name, value in values.items() if name not in secret.union(missing)}
