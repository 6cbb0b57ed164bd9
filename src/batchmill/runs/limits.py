"""The limits of one run: its gates, the budget of its document, and the message when it is used up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmill.batch.admissions.gates import Gates
from batchmill.concurrency.cancel import CancelToken
from batchmill.events import Bus, LimitChanged
from batchmill.graph.compile.plan import Plan
from batchmill.graph.schedule.run_report import RunReport
from batchmill.outcome import ErrorInfo
from batchmill.policy.budget import Budget

if TYPE_CHECKING:  # few runs have adaptive limits
    from batchmill.policy.adaptive.controller import LimitChange


def gates_of(bus: Bus, stop: CancelToken) -> Gates:
    """Gates that report decisions of adaptive limits to ``bus``, and stop the run from starting work once a
    budget is used up."""

    def tell(key: str, decision: LimitChange) -> None:
        bus.emit(LimitChanged(key, decision.limit, decision.rate, decision.reason))

    return Gates(tell, lambda reason: stop.cancel())


def budgets_of(plan: Plan, gates: Gates) -> tuple[Budget, ...]:
    """The budget of the document, if it has one."""
    spec = plan.workflow.budget
    return () if spec is None else (gates.budget("the run", spec.limits),)


def tell_limit(gates: Gates, walk: RunReport) -> None:
    """For a run that a budget stopped, report that before its other errors, which are consequences."""
    if gates.exhausted is not None and walk.interrupted:
        message = f"{gates.exhausted}; what was running has finished, nothing else was started"
        walk.fail_first(ErrorInfo("BudgetUsedUp", message, retryable=False))
