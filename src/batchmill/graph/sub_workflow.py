"""A sub-workflow at work: a document that is compiled once and run in the place of a node.

Every run of it has a store of its own. What it records and what failed inside without failing it goes up in
one :class:`~batchmill.graph.visits.node_run.SubReport`; the error that failed it is raised with the full
address of the node inside. In the parent's process its events go to the parent's bus, and stopping the
parent stops it; in a worker process it runs to its end or is killed with the worker.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from pydantic_core import PydanticSerializationError

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, InternalError, InvalidParams, NodeError, Stopped
from batchmill.graph.compile.content import content_of
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.user_code import code_of
from batchmill.graph.schedule.finals import run_finals
from batchmill.graph.schedule.outputs import resolved_outputs
from batchmill.graph.schedule.run_report import NodeReport, RunReport
from batchmill.graph.schedule.scheduler import Scheduler
from batchmill.graph.schedule.topology import Topology
from batchmill.graph.surroundings import RunnableNode, Surroundings
from batchmill.graph.visits.inside_items import log_inside
from batchmill.graph.visits.node_run import SubReport
from batchmill.ir.faults import Fault, path_text
from batchmill.ir.inputs import input_values
from batchmill.ir.loading import load
from batchmill.ir.models import InputSpec
from batchmill.ir.models.fields import FIRST_FORMAT
from batchmill.ir.references import texts_in
from batchmill.ir.validate import Validation, validate
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.lists import materialize
from batchmill.nodes import NodeResult
from batchmill.nodes.process import END_SECONDS
from batchmill.nodes.workflow import SubRun
from batchmill.outcome import ErrorInfo
from batchmill.step import Namespace
from batchmill.step.namespace import ITEM_KEY, RUN_KEY
from batchmill.values import to_json
from batchmill.values.masking import Masker, called_input
from batchmill.values.words import is_inside_item
from batchmill.warned import Warned, Warnings

_MOST_SETTLED = 64  # kept of one document; each is a plan of its own


class SubWorkflow:
    """One compiled sub-document, however many nodes and items run it.

    It is there before its plan is: a document may name itself, and while it is checked only ``inputs``
    and ``outputs`` are known of it. Each is None where its document does not say, or says wrongly.

    Concurrency: filled in while documents are checked, by one thread. Afterwards only ``nodes`` and
    ``_settled`` grow and ``topology`` is made, by any thread, and it does not matter which of two equal
    ones stays.
    """

    def __init__(self, source: str, *, is_file: bool = False) -> None:
        self.source = source
        self.is_file = is_file
        self.inputs: Mapping[str, InputSpec | None] | None = None
        self.outputs: tuple[str, ...] | None = None
        self.nodes: dict[str, RunnableNode] = {}
        self._plan: Plan | None = None
        self._topology: Topology | None = None
        self._folder: str | None = None
        self._content: str | None = None
        self._gives_keys: bool | None = None
        self._settled: dict[str, SubWorkflow] = {}

    @property
    def plan(self) -> Plan:
        """What there is to run."""
        if self._plan is None:
            raise InternalError(f"the sub-workflow {self.source} was used before it was compiled")
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = plan.import_folder

    @property
    def compiled(self) -> Plan | None:
        """The plan; None before it is there."""
        return self._plan

    @property
    def content(self) -> str:
        """All it does, with what the documents within do, as text."""
        if self._content is None:
            self._content = content_of(self.plan)
        return self._content

    @property
    def gives_keys(self) -> bool:
        """Whether anything in it, or in what it runs inside, takes keys of items."""
        if self._gives_keys is None:
            self._gives_keys = any(_take_keys(self.plan, set()))
        return self._gives_keys

    @property
    def content_in_format_1(self) -> str:
        """The same as the first format of the journal had it."""
        return "\n".join(_contents(self.plan, set()))

    @property
    def topology(self) -> Topology:
        """The plan in numbers, made when it is first run."""
        if self._topology is None:
            self._topology = Topology(self.plan)
        return self._topology

    def settled(self, inputs: Mapping[str, Any]) -> SubWorkflow:
        """The same with the settings that these inputs give. Raises :class:`InvalidParams` for such that are
        none."""
        settings = self.plan.settings
        if settings is None:
            return self
        known = to_json([inputs[name] for name in settings.inputs])
        settled = self._settled.get(known)
        if settled is None:
            settled = self._with(validate(load(settings.raw), inputs))
            if len(self._settled) >= _MOST_SETTLED:
                self._settled.clear()
            self._settled[known] = settled
        return settled

    def _with(self, found: Validation) -> SubWorkflow:
        faults = found.placed(found.faults)
        if faults or found.workflow is None:
            raise InvalidParams(f"{self.source}: {_words(faults, with_places=True)}")
        specs = {node.id: node.spec for node in found.outline.all_nodes}
        nodes = {name: replace(node, spec=specs[name] or node.spec) for name, node in self.plan.nodes.items()}
        settled = SubWorkflow(self.source, is_file=self.is_file)
        settled.inputs, settled.outputs = self.inputs, self.outputs
        settled.plan = replace(self.plan, workflow=found.workflow, nodes=nodes, settings=None)
        return settled

    def at(self, node: str, around: Surroundings) -> SubRun:
        """What runs it in the place of ``node``."""
        return PlacedRun(self, node, around)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "nodes": {}, "_topology": None, "_settled": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._folder is not None and self._folder not in sys.path:
            sys.path.append(self._folder)


def _words(faults: Iterable[Fault], *, with_places: bool = False) -> str:
    return ". ".join(
        (f"{path_text(fault.path)} " if with_places else "")
        + fault.message
        + (f"; {fault.hint}" if fault.hint else "")
        for fault in faults
    )


def _take_keys(plan: Plan, seen: set[int]) -> Iterator[bool]:
    """For each node inside whether its templates take keys of items."""
    if id(plan) not in seen:
        seen.add(id(plan))
        for node in plan.nodes.values():
            written = [node.spec.params, node.spec.when]
            yield next(texts_in(written, (), (ITEM_KEY,)), None) is not None
            if node.sub is not None:
                yield from _take_keys(node.sub.plan, seen)


def _contents(plan: Plan, seen: set[int]) -> Iterator[str]:
    """The documents of a plan and of those within, and the code that their nodes run, each once."""
    if id(plan) in seen:
        return
    seen.add(id(plan))
    try:
        yield plan.workflow.model_dump_json(by_alias=True, warnings=False, context=FIRST_FORMAT)
    except PydanticSerializationError:  # half of a surrogate pair, say: no such run was kept
        yield to_json(plan.workflow.model_dump(by_alias=True, warnings=False, context=FIRST_FORMAT))
    for node in plan.nodes.values():
        yield code_of(node.kind, node.spec.params)
        if node.sub is not None:
            yield from _contents(node.sub.plan, seen)


class PlacedRun:
    """A sub-workflow in the place of one node of a running document.

    Concurrency: threads share it; each run has its own namespace, scheduler and cancel token.
    """

    def __init__(self, workflow: SubWorkflow, node: str, around: Surroundings) -> None:
        self._workflow = workflow
        self._node = node
        self._around = around

    def run(self, params: Mapping[str, Any], attempt: Attempt, index: int | None) -> NodeResult:
        """Run it once; see :class:`~batchmill.nodes.workflow.SubRun`."""
        address = self._around.place(self._node, index)
        self._check_depth(address, params["max_depth"])
        values = self._inputs(params["inputs"] or {})
        workflow = self._workflow.settled(values)
        plan = workflow.plan
        masker = self._masker(values)
        known = {**values, RUN_KEY: self._around.run}
        namespace = Namespace(known, permissive=plan.mode == "permissive", nodes=plan.nodes)
        permits = self._around.permits
        lent = permits.lent() if permits is not None else nullcontext()
        logged = log_inside(self._around, self._node, index, values, attempt, masker)
        with _ended_in_time(attempt) as cancel, lent, logged as log:
            told = Warnings()
            inside = self._inside(plan, namespace, cancel, address, attempt, self._key_of(values))
            inside = replace(inside, masker=masker, log=log, warnings=Warnings(self._passing_on(told)))
            walk = Scheduler(plan, inside, workflow.nodes, workflow.topology).run()
            outputs = materialize(resolved_outputs(plan.workflow, namespace, walk))
            if inside.rehearsal is None:
                run_finals(plan, inside, walk)
            secrets = tuple(masker.secrets) if self._around.in_worker else ()
            reports = {} if is_inside_item(address) else walk.addressed_reports(address)
            _report(walk, namespace, attempt, secrets, reports, told.listed())
            if walk.status == "failed":
                raise _failure(walk, address, attempt)
        return NodeResult(outputs)

    def _passing_on(self, told: Warnings) -> Callable[[Warned], object]:
        """What passes warnings on to the workflow around, and puts those that are new there into ``told``:
        of many items one reports each."""
        return lambda warned: self._around.warnings.add(warned) and told.add(warned)

    def _check_depth(self, address: str, most: int) -> None:
        if self._around.depth < most:
            return
        message = (
            f"{self._workflow.source} would run {most + 1} workflows deep, and max_depth is {most}; "
            "end the recursion by a condition, or raise max_depth"
        )
        raise NodeError(f"{address}: {message}", retryable=False, type_name="MaxDepth", address=address)

    def _inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values, faults = input_values(self._workflow.plan.inputs, given, way="`inputs.{}`")
        if faults:
            raise InvalidParams(f"{self._workflow.source}: {_words(faults)}")
        return values

    def _key_of(self, values: Mapping[str, Any]) -> str:
        """What tells this run of it from others, where anything in it asks for that."""
        if not self._workflow.gives_keys:
            return ""
        try:
            return digest_of(self._around.inside, self._node, dict(values)).hex()
        except NoDigest:
            return ""

    def _masker(self, values: Mapping[str, Any]) -> Masker:
        """Who is told the secrets among the inputs: the run's own masker, or in a worker process one whose
        secrets go up with the report."""
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
    ) -> Surroundings:
        own = plan.workflow.budget
        budgets = self._around.budgets
        if own is not None:
            budgets = (*budgets, self._around.gates.budget(self._workflow.source, own.limits))
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

    def __deepcopy__(self, memo: dict[int, Any]) -> PlacedRun:
        return self


@contextmanager
def _ended_in_time(attempt: Attempt) -> Iterator[CancelToken]:
    """The token for what runs inside: cancelled with the attempt's, and at its deadline. Whoever waits for
    the attempt gives it up then, which by itself ends nothing."""
    left = attempt.remaining()
    if left is None:
        yield attempt.cancel
        return
    cancel = CancelToken()

    def end() -> None:
        attempt.ending(END_SECONDS)
        cancel.cancel()

    timer = threading.Timer(left, end)
    timer.daemon = True
    forget = attempt.cancel.on_cancel(cancel.cancel)
    timer.start()
    try:
        yield cancel
    finally:
        timer.cancel()
        forget()


def _report(
    walk: RunReport,
    namespace: Namespace,
    attempt: Attempt,
    secrets: tuple[str, ...],
    reports: Mapping[str, NodeReport],
    warnings: tuple[Warned, ...],
) -> None:
    """Tell what was recorded inside; of errors only those that the sub-workflow got over."""
    errors = () if walk.status == "failed" else walk.errors.listed()
    degraded = walk.status == "degraded"
    calls = namespace.calls()
    if calls or errors or degraded or walk.environment or secrets or reports or warnings:
        report = SubReport(calls, errors, degraded, walk.environment, secrets, reports, warnings)
        attempt.recorder.append(report)


def _failure(walk: RunReport, address: str, attempt: Attempt) -> Exception:
    """What a failed run of a sub-workflow raises."""
    if walk.interrupted:
        if attempt.remaining() == 0:
            return AttemptTimeout(f"{address}: not finished at the deadline")
        return Stopped(f"{address}: stopped before it had finished")
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
