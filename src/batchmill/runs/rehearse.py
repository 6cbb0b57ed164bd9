"""Predict what resuming a run would do, and cost, without running anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from batchmill.concurrency.resources import resource_scope
from batchmill.graph.attached import Attachment
from batchmill.graph.frame import NodeFrame, RunServices
from batchmill.graph.rehearsal import Forecast, Rehearsal, totals
from batchmill.graph.schedule.scheduler import Scheduler
from batchmill.graph.sub_workflow import SubWorkflowRun
from batchmill.graph.visits.record_codec import CODEC
from batchmill.journal.calls import visited
from batchmill.journal.contract import REUSE_ALL, Kept, Reuse, RunRecord
from batchmill.journal.journal import DEFAULT_PATH, Journal
from batchmill.journal.reading import Reader
from batchmill.journal.rehearsed_items import RehearsedItems
from batchmill.journal.rehearsing import rehearsed
from batchmill.record.ledger import LedgerEntry, total
from batchmill.runs.journaled import RunRequest, told_of
from batchmill.runs.ledger import addresses, sum_of
from batchmill.runs.recalled import recall
from batchmill.runs.resumable import Changes, Resumable, not_looked_at
from batchmill.runs.run import importing_from
from batchmill.runs.secrets import Secrets
from batchmill.step import Namespace
from batchmill.step.namespace import RUN_KEY
from batchmill.values.masking import Masker

Call = tuple[int, dict[str, Any]]  # with the number of its pass


@dataclass(frozen=True, slots=True)
class Estimate:
    """The likely use of the calls of some items, from earlier calls of the same node. ``cost`` is in US
    dollars, None if none of those had a price."""

    calls: float
    tokens: float
    cost: float | None

    def as_json(self) -> dict[str, Any]:
        """The estimate as plain data."""
        return {"calls": round(self.calls), "tokens": round(self.tokens), "cost": self.cost}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """``nodes`` has a forecast for each node that can be predicted, in the order of the walk; ``estimates``
    the likely use of the items that would run, by node; ``spent`` what all passes spent so far. ``untouched``
    says that the run has finished and nothing would be done; ``limit`` is the most items of each batch that
    were counted, None for all."""

    run: str
    nodes: list[Forecast] = field(default_factory=list)
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    spent: Mapping[str, Any] | None = None
    untouched: bool = False
    limit: int | None = None

    @property
    def counts(self) -> Kept:
        """The counts of all nodes."""
        return totals(self.nodes)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        nodes = [
            {
                **one.as_json(),
                "estimate": known.as_json() if (known := self.estimates.get(one.node)) else None,
            }
            for one in self.nodes
        ]
        whole = {"run": self.run, "untouched": self.untouched, "total": self.counts.as_json()}
        return {**whole, "nodes": nodes, "spent": None if self.spent is None else dict(self.spent)}


def rehearse(
    run: str | None = None,
    params: Mapping[str, object] | None = None,
    *,
    journal: Journal | str | Path = DEFAULT_PATH,
    failed_only: bool = False,
    limit: int | Literal["all"] | None = None,
    text_params: Mapping[str, str] | None = None,
    masker: Masker | None = None,
    attached: Mapping[str, Attachment] | None = None,
    only: str | None = None,
    from_: str | None = None,
    until: str | None = None,
    whole: bool = False,
    finished_too: bool = False,
) -> Rehearsed:
    """Predict what :func:`~batchmill.runs.resume.resume` would do with the same arguments: how many items of
    each node keep their result, and how many would run, why, and for how much.

    A finished run would not be continued unless something has changed; ``finished_too`` reports on it anyway.

    Runs and writes nothing. The outputs of a node that must run are unknown, so for nodes that refer to it
    only that is reported. Raises what ``resume`` raises before anything runs.
    """
    kept = Journal(journal) if isinstance(journal, (str, Path)) else journal
    with Reader(kept) as reader:
        found = reader.to_resume(run, failed_only)
        calls = list(reader.calls(found))
    changes = Changes(
        params, text_params, failed_only, limit=limit, only=only, from_=from_, until=until, whole=whole
    )
    going_on = Resumable(kept, found, changes)
    if not finished_too and going_on.is_done:
        nodes = changed_nodes(kept, found, going_on.document, masker)
        if not nodes:
            return Rehearsed(found.name, spent=_spent(calls), untouched=True, limit=found.limit)
        return Rehearsed(found.name, nodes, _estimates(nodes, calls), _spent(calls))
    order = going_on.order_here()
    reuse = Reuse(failed_only, again=going_on.part.again(order.plan))
    nodes = _forecasts(kept, found, reuse, order, masker, attached)
    return Rehearsed(found.name, nodes, _estimates(nodes, calls), _spent(calls))


def changed_nodes(
    journal: Journal, run: RunRecord, document: str | dict[str, object], masker: Masker | None = None
) -> list[Forecast]:
    """What remains to do in a finished run with an unchanged document: the forecasts of all nodes whose
    files, code or items have changed since, or whose written files are missing; empty if nothing changed.

    If a change cannot be detected, nothing counts as changed: see :func:`not_looked_at`. Items from standard
    input, and from a function, count as unchanged. Raises what ``resume`` raises before anything runs.
    """
    if not_looked_at(run, document):
        return []
    order = Resumable(journal, run, Changes()).order()
    with Reader(journal) as reader:
        totals_then = {address: total for _, address, batch, total in reader.outer_visits(run) if batch}
    nodes = _forecasts(journal, run, REUSE_ALL, order, masker)
    return nodes if any(_has_changed(one, totals_then) for one in nodes) else []


# An item that failed is no reason: a finished run keeps its failures until `failed_only` asks for them. A
# node that had not run may only seem to be reached, for a rehearsal takes what it cannot know for a success.
# New items are those beyond the number there was: others were called off when the batch failed.
def _has_changed(forecast: Forecast, totals_then: Mapping[str, int | None]) -> bool:
    counts = forecast.counts
    if forecast.changed or counts.changed or counts.gone:
        return True
    if not counts.new or forecast.node not in totals_then:
        return False
    then = totals_then[forecast.node]
    now = counts.kept + counts.redone + counts.new + forecast.left_out
    return not counts.redone if then is None else now > then


def _forecasts(
    journal: Journal,
    run: RunRecord,
    reuse: Reuse,
    order: RunRequest,
    masker: Masker | None,
    attached: Mapping[str, Attachment] | None = None,
) -> list[Forecast]:
    """The walk itself: a forecast for each node that is reached, and for those that are gone."""
    known = Secrets(order.plan, order.inputs, masker or Masker())
    log = rehearsed(journal, run, reuse, CODEC, known.masker, addresses(order.plan))
    try:
        with importing_from(order.plan.import_folders()), resource_scope():
            rehearsal, told = Rehearsal(), told_of(log)
            inputs = {**order.inputs, RUN_KEY: told}
            folder = str(journal.items / log.name)
            services = RunServices(
                SubWorkflowRun,
                executor="sequential",
                jobs=1,
                limit=order.settings.limit,
                run=told,
                rehearsal=rehearsal,
                items=RehearsedItems(folder, log.run.passes, CODEC, known.masker, again=reuse.again),
            )
            around = NodeFrame(
                services,
                Namespace(inputs, permissive=order.plan.mode == "permissive", left_out=order.plan.left_out),
                folder=order.plan.import_folder,
                masker=known.masker,
                log=log,
                attached=attached or {},
            )
            recall(order.plan, around, log, known.masker)
            Scheduler(order.plan, around).run()
        return [*rehearsal.forecasts, *(Forecast(name, Kept(gone=count)) for name, count in log.gone())]
    finally:
        log.close()


def _spent(calls: list[Call]) -> dict[str, Any] | None:
    return sum_of(call for _, call in calls)


def _estimates(nodes: list[Forecast], calls: list[Call]) -> dict[str, Estimate]:
    """The expected use by the items that would run, for nodes that made calls before."""
    by_node: dict[str, list[Call]] = {}
    for number, call in calls:
        if not call.get("kept"):
            by_node.setdefault(visited(call)[0], []).append((number, call))
    return {
        one.node: _estimate(one.again, by_node[one.node])
        for one in nodes
        if one.again and one.node in by_node
    }


def _estimate(items: int, calls: list[Call]) -> Estimate:
    whole = total(LedgerEntry.of(call) for _, call in calls)
    share = items / len({(number, visited(call)[1]) for number, call in calls})
    cost = whole.as_json()["cost"]
    return Estimate(whole.calls * share, whole.tokens * share, None if cost is None else cost * share)
