"""The gate of a node: its rate limit, its adaptive concurrency and the budgets that it draws on."""

from __future__ import annotations

from batchmill.batch import BatchSettings
from batchmill.batch.admissions.rate_gate import Gate
from batchmill.errors import InvalidSetting
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.ir.models.batch import BatchSpec
from batchmill.policy.budget import Budget
from batchmill.policy.limits import Limits
from batchmill.step import FREE, Paying, Step, Teller
from batchmill.traits import TRAITS
from batchmill.values.words import without_items


def gate_of(
    node: PlannedNode,
    step: Step,
    settings: BatchSettings,
    around: NodeFrame,
    batch: BatchSpec | None = None,
) -> Gate | None:
    """The gate that lets the node's attempts start; None without limits.

    Raises :class:`InvalidSetting` inside a worker process, where no limit could hold.
    """
    rate_limit = node.spec.rate_limit or (batch.rate_limit if batch is not None else None)
    limits = (rate_limit.limits if rate_limit is not None else Limits()).stricter(_adaptive(batch, around))
    budgets = _budgets(node, around, settings.executor)
    if rate_limit is None and limits == Limits() and not budgets:
        return None
    place = without_items(around.place(node.id))
    if around.in_worker:
        raise InvalidSetting(
            f"{place}: rate limits and budgets do not hold inside worker processes; "
            "run the batch around this workflow on the executor `thread`"
        )
    named = rate_limit.key if rate_limit is not None else None
    shared = rate_limit is not None and rate_limit.shared
    desk = around.services.desk
    counted = limits.tokens_per_minute is not None or any(budget.needs_tokens for budget, _ in budgets)
    in_dollars = any(budget.limits.usd is not None for budget, _ in budgets)
    return Gate(
        around.services.gates,
        around.services.gates.lane(named or f"node {place}", limits, shared=shared),
        budgets,
        expect=step.expected_tokens if counted or named else None,
        expect_usd=step.expected_usd if in_dollars else None,
        is_free=step.is_free if budgets and node.kind.calls_models else None,
        requests=bool(node.kind.requests),
        models=node.kind.calls_models,
        longest_pause=settings.retry.max_wait,
        is_booked=step.is_booked if desk is not None and node.stays and budgets else None,
        counts_booked=desk is not None and desk.goes_on,
    )


def is_limited(node: PlannedNode, around: NodeFrame) -> bool:
    """Whether a node without a batch may have a gate; few have one."""
    return bool(node.spec.rate_limit or node.spec.budget or around.budgets)


def paying_for(node: PlannedNode, around: NodeFrame) -> Paying:
    """The limits of the node's attempts. Its calls are entered in the ledger, and each has a price if
    anything limits dollars."""
    if not node.kind.calls_models:
        return FREE
    own = node.spec.budget
    in_dollars = around.in_dollars or (own is not None and own.usd is not None)
    place, services = around.place(node.id), around.services
    calls = None if services.calls is None else services.calls.of(place)
    return Paying(calls, in_dollars, Teller(place, services.bus))


def _adaptive(batch: BatchSpec | None, around: NodeFrame) -> Limits:
    if batch is None or around.services.jobs is not None:
        return Limits()
    return Limits(adaptive=batch.span)


def _budgets(node: PlannedNode, around: NodeFrame, executor: str) -> list[tuple[Budget, bool]]:
    """The budgets to draw on: the node's own, in which every attempt counts, and those of the run, in which
    only nodes that may call a service count. The nodes of a sub-workflow draw on them themselves, unless they
    run in another process."""
    drawn: list[tuple[Budget, bool]] = []
    if node.spec.budget is not None:
        owner = f"node {without_items(around.place(node.id))}"
        drawn.append((around.services.gates.budget(owner, node.spec.budget.limits), True))
    if node.kind.requests is not False or TRAITS[executor].own_processes:
        drawn += [(budget, False) for budget in around.budgets]
    return drawn
