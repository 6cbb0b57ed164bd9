"""The context of running nodes: one part per run, one part per node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from batchmill.batch import OnBlock
from batchmill.batch.admissions.gates import Gates
from batchmill.batch.under_way import UnderWay
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.events import Bus
from batchmill.file_table import FileTable
from batchmill.graph.address import address_of
from batchmill.graph.attached import Attachment
from batchmill.graph.compile.foreign import foreign_inputs
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.graph.node_run import LeftOpen, NodeRun
from batchmill.graph.worker_quota import WorkerQuota
from batchmill.journal.contract import RunLog
from batchmill.journal.items_under_way import ItemsUnderWay
from batchmill.nodes import Node
from batchmill.nodes.access.secrets import BoundSecret
from batchmill.nodes.workflow import SubRun, WorkflowNode
from batchmill.policy.budget import Budget
from batchmill.record import CallsUnderWay
from batchmill.step import Namespace
from batchmill.template import Compiled, Scope
from batchmill.values.masking import Masker
from batchmill.warned import Warnings

if TYPE_CHECKING:  # few runs have one
    from batchmill.nodes.llm.batch_api.desk import BatchDesk


@dataclass(frozen=True, slots=True)
class RunServices:
    """The services of a run, shared by all its nodes and the workflows inside it.

    - ``run_inside``: makes the runner of a sub-workflow in place of a node, given the inputs that hold data
      of the workflow around. ``bus``: takes the events.
    - ``executor``, ``jobs``: override those of batch nodes. ``limit``: the maximum number of items for each,
      None for all. ``cluster``: where workers on other machines are. ``run``: the values of the run for
      templates.
    - ``gates``: the limits that nodes share. ``quota``: the workers that they share, None if no two nodes run
      at once.
    - ``withheld``: environment variables that commands do not get. ``files``: the files that the run reads
      and writes.
    - ``calls``: where calls of language models are entered before they are made, None if they are not.
    - ``rehearsal``: replaces running anything. ``under_way``: the running batches.
    - ``items``: the saved work inside unfinished items that run a sub-workflow, None if nothing is saved.
      ``desk``: takes requests that a service answers later, None if none are saved.

    A worker process has fewer: there are no listeners, no way to stop the run and no shared limits.
    """

    run_inside: Callable[[SubPlan, str, NodeFrame, frozenset[str]], SubRun]
    bus: Bus = field(default_factory=Bus)
    executor: str | None = None
    jobs: int | None = None
    limit: int | None = None
    cluster: str | dict[str, Any] | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    gates: Gates = field(default_factory=Gates)
    quota: WorkerQuota | None = None
    withheld: frozenset[str] = frozenset()
    files: FileTable = field(default_factory=FileTable)
    calls: CallsUnderWay | None = None
    rehearsal: Rehearsing | None = None
    under_way: UnderWay = field(default_factory=UnderWay)
    items: ItemsUnderWay | None = None
    desk: BatchDesk | None = None

    @property
    def permits(self) -> FairSemaphore | None:
        """The permits that each node and item needs to run; None if they are not counted."""
        return None if self.quota is None else self.quota.permits

    def __reduce__(self) -> tuple[object, ...]:
        travels = "executor", "jobs", "limit", "run", "withheld", "files", "calls", "items"
        told = {name: getattr(self, name) for name in travels}
        return _services_in_worker, (self.run_inside, told)


def _services_in_worker(
    run_inside: Callable[[SubPlan, str, NodeFrame, frozenset[str]], SubRun], told: Mapping[str, Any]
) -> RunServices:
    return RunServices(run_inside, quota=None if told["jobs"] is None else WorkerQuota(1), **told)


@dataclass(frozen=True, slots=True)
class NodeFrame:
    """The context that changes from node to node, and with each workflow inside; ``services`` does not
    change.

    - ``namespace``: the names that the node sees.
    - ``stop``: prevents new starts. ``cancel``: ends running work. ``last``: the only token that ends nodes
      of ``finally``. ``anew``: these nodes run here, so saved results of an earlier pass do not count.
    - ``address``: the node whose sub-workflow this is, empty for the document itself. ``depth``: the number
      of enclosing workflows. ``folder``: the folder of the document's Python modules. ``inside``:
      distinguishes runs of a sub-workflow, for keys of items, by their inputs, not by their place.
      ``in_worker``: in a worker process.
    - ``workdir``: the folder of the enclosing item, in which commands run; None if it has none. ``again``:
      this is another attempt of an enclosing node or item, which may have written files.
    - ``budgets``: those of the document and of the enclosing ones. ``bounded``: a limit outside this process
      holds for the dollars spent.
    - ``taps``: by a batch node's id, a callback for its blocks, with finished entries, in input order as they
      come. ``attached``: the caller's own items and callbacks.
    - ``masker``: learns the secret inputs of sub-workflows. ``secrets``: those that this document and the
      enclosing ones bind to hosts. ``log``: saves the nodes' outcomes and knows earlier ones; None if nothing
      is saved. ``warnings``: takes the run's warnings.
    - ``left_open``: takes the references that the visit leaves unresolved, besides those of its params; None
      unless the document is permissive.
    """

    services: RunServices
    namespace: Namespace
    cancel: CancelToken = field(default_factory=CancelToken)
    stop: CancelToken = field(default_factory=CancelToken)
    last: CancelToken = field(default_factory=CancelToken)
    anew: bool = False
    address: str = ""
    depth: int = 0
    folder: str | None = None
    inside: str = ""
    in_worker: bool = False
    workdir: str | None = None
    again: bool = False
    budgets: tuple[Budget, ...] = ()
    bounded: bool = False
    taps: Mapping[str, OnBlock] = field(default_factory=dict)
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    masker: Masker = field(default_factory=Masker)
    secrets: tuple[BoundSecret, ...] = ()
    log: RunLog | None = None
    warnings: Warnings = field(default_factory=Warnings)
    left_open: LeftOpen | None = None

    @property
    def in_dollars(self) -> bool:
        """Whether anything around bounds in dollars what is spent here."""
        return self.bounded or any(budget.limits.usd is not None for budget in self.budgets)

    def place(self, node: str, index: int | None = None) -> str:
        """The full address of a node, or of one of its items: ``outer[3].inner[7]``."""
        return address_of(node, within=self.address, index=index)

    def resolved(self, template: Compiled, *, lazy: bool = False) -> Any:
        """The value of a template of the node that is no param. Raises
        :class:`~batchmill.errors.TemplateError`."""
        scope = self.namespace.scope(lazy=lazy)
        value = template.resolve(scope)
        self.note_open(scope)
        return value

    def note_open(self, scope: Scope) -> None:
        """Note what was left unresolved in a scope."""
        if scope.unresolved and self.left_open is not None:
            self.left_open.add(scope.unresolved)

    def make(self, node: PlannedNode) -> Node:
        """A node object for the node to be run with."""
        if node.sub is not None:
            foreign = foreign_inputs(node, self.namespace.is_foreign)
            return WorkflowNode(self.services.run_inside(node.sub, node.id, self, foreign))
        made = node.kind()
        if self.services.withheld:
            made.withhold(self.services.withheld)
        if self.secrets:
            made.secrets = self.secrets
        if self.workdir is not None:
            made.work_in(self.workdir)
        if self.services.desk is not None:
            made.hand_in_at(self.services.desk)
        made.look_in(self.services.files, f"`{self.place(node.id)}`")
        return made

    @property
    def ending(self) -> bool:
        """Whether no node may start any more."""
        return self.stop.cancelled or self.cancel.cancelled

    def __reduce__(self) -> tuple[object, ...]:
        # The namespace is not pickled: a sub-workflow has its own.
        travels = "address", "depth", "folder", "inside", "workdir", "again", "secrets"
        told = {name: getattr(self, name) for name in travels}
        return _frame_in_worker, (self.services, {**told, "bounded": self.in_dollars})


def _frame_in_worker(services: RunServices, told: Mapping[str, Any]) -> NodeFrame:
    return NodeFrame(services, Namespace({}), in_worker=True, **told)


class Rehearsing(Protocol):
    """Visits nodes in a rehearsal of a run."""

    def visit(self, node: PlannedNode, around: NodeFrame) -> NodeRun:
        """Visit a node: give what is known of it, and run nothing."""

    def would_run(self, place: str) -> NodeRun:
        """The visit of the node at ``place``, of which no outcome is known."""
