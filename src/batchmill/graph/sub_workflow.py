"""A running sub-workflow: a document that is compiled once and run in place of a node.

Every run has a store of its own. Its records, and failures inside that did not fail it, go up in one
:class:`~batchmill.graph.node_run.SubReport`; the error that failed it is raised with the full address of the
node inside. In the parent's process its events go to the parent's bus, and stopping the parent stops it; in a
worker process it runs to its end or is killed with the worker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped, Waiting
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.sub_plan import SubPlan, in_words
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import SubReport
from batchmill.graph.schedule.finals import run_finals
from batchmill.graph.schedule.outputs import resolved_outputs
from batchmill.graph.schedule.run_report import NodeReport, RunReport
from batchmill.graph.schedule.scheduler import Scheduler
from batchmill.graph.visits.inside_items import log_inside
from batchmill.ir.inputs import input_values
from batchmill.journal.contract import RunLog
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.journal.inside_log import InsideLog
from batchmill.journal.noting_log import NotingLog
from batchmill.lists import materialize
from batchmill.nodes import NodeResult
from batchmill.nodes.access.secrets import bound_secrets
from batchmill.nodes.bound import BoundParams
from batchmill.outcome import ErrorInfo
from batchmill.step import Namespace
from batchmill.step.namespace import RUN_KEY
from batchmill.values.masking import Masker, called_input
from batchmill.values.words import is_inside_item
from batchmill.warned import Warned, Warnings


class SubWorkflowRun:
    """A sub-workflow in place of one node of a running document.

    ``foreign`` are the inputs that hold data of the document around.

    Concurrency: threads share it; each run has its own namespace, scheduler and cancel token.
    """

    def __init__(
        self, workflow: SubPlan, node: str, around: NodeFrame, foreign: frozenset[str] = frozenset()
    ) -> None:
        self._foreign = foreign
        self._workflow = workflow
        self._node = node
        self._around = around

    def run(self, params: BoundParams, attempt: Attempt, index: int | None) -> NodeResult:
        """Run it once; see :class:`~batchmill.nodes.workflow.SubRun`."""
        address = self._around.place(self._node, index)
        self._check_depth(address, params["max_depth"])
        values = self._inputs(params["inputs"] or {})
        workflow = self._workflow.settled(values)
        plan = workflow.plan
        masker = self._masker(values)
        known = {**values, RUN_KEY: self._around.services.run}
        secrets = (*self._around.secrets, *bound_secrets(plan.workflow.secret_hosts, values))
        permissive = plan.mode == "permissive"
        namespace = Namespace(known, permissive=permissive, nodes=plan.nodes, foreign=self._foreign)
        permits = self._around.services.permits
        lent = permits.lent() if permits is not None else nullcontext()
        logged = log_inside(self._around, self._node, index, values, attempt, masker)
        with _ended_in_time(attempt) as cancel, lent, logged as log:
            told = Warnings()
            inside = self._inside(plan, namespace, cancel, address, attempt, self._key_of(values))
            noting = self._noting(log)
            inside = replace(
                inside,
                masker=masker,
                secrets=secrets,
                log=noting or log,
                warnings=Warnings(self._passing_on(told)),
            )
            walk = Scheduler(plan, inside, workflow.topology).run()
            outputs = materialize(resolved_outputs(plan.workflow, namespace, walk, inside.warnings))
            if inside.services.rehearsal is None:
                run_finals(plan, inside, walk)
            masked = tuple(masker.secrets) if self._around.in_worker else ()
            reports = {} if is_inside_item(address) else walk.addressed_reports(address)
            all_known = noting is not None and not noting.has_run
            _report(walk, namespace, attempt, masked, reports, told.listed(), all_known)
            if walk.status == "failed":
                raise _failure(walk, address, attempt)
        return NodeResult(outputs)

    def _passing_on(self, told: Warnings) -> Callable[[Warned], object]:
        """A collector that passes warnings on to the workflow around, and adds those that are new there to
        ``told``: so only one of many items reports each."""
        return lambda warned: self._around.warnings.add(warned) and told.add(warned)

    def _noting(self, log: RunLog | None) -> NotingLog | None:
        """The log that notes whether anything is run. The log of an item is one of a kind, which others ask
        for, and the item's attempt counts in any case; so is that of a rehearsal, which runs nothing."""
        if log is None or isinstance(log, InsideLog) or self._around.services.rehearsal is not None:
            return None
        return NotingLog(log)

    def _check_depth(self, address: str, most: int) -> None:
        if self._around.depth < most:
            return
        message = (
            f"{self._workflow.source} would run {most + 1} workflows deep, and max_depth is {most}; "
            "end the recursion by a condition, or raise max_depth"
        )
        raise NodeError(f"{address}: {message}", retryable=False, type_name="MaxDepth", address=address)

    def _inputs(self, given: Mapping[str, object]) -> dict[str, object]:
        values, faults = input_values(self._workflow.plan.inputs, given, way="`inputs.{}`")
        if faults:
            raise InvalidParams(f"{self._workflow.source}: {in_words(faults)}")
        return values

    def _key_of(self, values: Mapping[str, object]) -> str:
        """The key of this run among others, if anything inside needs one."""
        if not self._workflow.gives_keys:
            return ""
        try:
            return digest_of(self._around.inside, self._node, dict(values)).hex()
        except NoDigest:
            return ""

    def _masker(self, values: Mapping[str, object]) -> Masker:
        """The masker that learns the secrets among the inputs: the run's own or, in a worker process, one
        whose secrets return with the report."""
        masker = Masker() if self._around.in_worker else self._around.masker
        for name, spec in self._workflow.plan.inputs.items():
            if spec.secret:
                masker.add(values[name], called_input(name))
        return masker

    def _inside(
        self,
        plan: Plan,
        namespace: Namespace,
        cancel: CancelToken,
        address: str,
        attempt: Attempt,
        inside: str,
    ) -> NodeFrame:
        own = plan.workflow.budget
        budgets = self._around.budgets
        if own is not None:
            budgets = (*budgets, self._around.services.gates.budget(self._workflow.source, own.limits))
        return replace(
            self._around,
            inside=inside,
            namespace=namespace,
            cancel=cancel,
            folder=plan.import_folder or self._around.folder,
            address=address,
            depth=self._around.depth + 1,
            taps={},
            attached={},
            budgets=budgets,
            again=self._around.again or attempt.number > 1,
            workdir=attempt.folder or self._around.workdir,
        )

    def __deepcopy__(self, memo: dict[int, object]) -> SubWorkflowRun:
        return self


@contextmanager
def _ended_in_time(attempt: Attempt) -> Iterator[CancelToken]:
    """The token for the work inside: cancelled with the attempt's, and at its deadline. The caller that waits
    for the attempt gives up at the deadline, which alone would not end the work."""
    left = attempt.remaining()
    if left is None:
        yield attempt.cancel
        return
    cancel = CancelToken(attempt.cancel)

    def end() -> None:
        from batchmill.nodes.process import END_SECONDS  # few sub-workflows run out of time

        attempt.ending(END_SECONDS)
        cancel.cancel()

    timer = threading.Timer(left, end)
    timer.daemon = True
    with cancel:
        timer.start()
        try:
            yield cancel
        finally:
            timer.cancel()


def _report(
    walk: RunReport,
    namespace: Namespace,
    attempt: Attempt,
    secrets: tuple[str, ...],
    reports: Mapping[str, NodeReport],
    warnings: tuple[Warned, ...],
    known: bool,
) -> None:
    """Report the records from inside; of the errors only those that did not fail the sub-workflow."""
    errors = () if walk.status == "failed" else walk.errors.listed()
    degraded = walk.status == "degraded"
    calls = namespace.calls()
    if calls or errors or degraded or walk.environment or secrets or reports or warnings or known:
        report = SubReport(calls, errors, degraded, walk.environment, secrets, reports, warnings, known)
        attempt.recorder.append(report)


def _failure(walk: RunReport, address: str, attempt: Attempt) -> Exception:
    """The exception for a failed run of a sub-workflow."""
    if walk.interrupted:
        if attempt.remaining() == 0:
            return AttemptTimeout(f"{address}: not finished at the deadline")
        return Stopped(f"{address}: stopped before it had finished")
    if walk.waiting:
        return Waiting(f"{address}: nodes inside wait for a service")
    cause = walk.cause or ErrorInfo("SubWorkflowFailed", "failed", retryable=False)
    message = cause.message if cause.address else f"{address}: {cause.message}"
    return NodeError(
        message,
        outputs={"error": message},
        retryable=cause.retryable,
        retry_after=cause.retry_after,
        refused=cause.refused,
        denied=cause.denied,
        type_name=cause.type,
        address=cause.address or address,
    )
