"""What nodes are given that are run: what a run has once, and what changes from node to node."""

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
from batchmill.graph.node_run import NodeRun
from batchmill.graph.worker_quota import WorkerQuota
from batchmill.journal.contract import RunLog
from batchmill.journal.items_under_way import ItemsUnderWay
from batchmill.nodes import Node
from batchmill.nodes.workflow import SubRun, WorkflowNode
from batchmill.policy.budget import Budget
from batchmill.record import CallsUnderWay
from batchmill.step import Namespace
from batchmill.values.masking import Masker
from batchmill.warned import Warnings

if TYPE_CHECKING:  # few runs have one
    from batchmill.nodes.llm.batch_api.desk import BatchDesk


@dataclass(frozen=True, slots=True)
class RunServices:
    """What a run has once, for all its nodes and for the workflows inside it.

    ``run_inside`` makes what runs a sub-workflow in the place of a node; it is told which of its inputs hold
    data of the workflow around. ``bus`` takes what happens.
    ``executor`` and ``jobs`` override what batch nodes say; ``limit`` is the most items that any of them
    runs, None where all are; ``cluster`` is where workers of other machines are; ``run`` is what templates
    are told of the run. ``gates`` holds the limits that nodes share, ``quota`` the workers that they have
    between them, None where no two nodes run at once. ``withheld`` are variables of the environment that
    commands do not get. ``files`` are those that the run reads and writes. ``calls`` is where calls of
    language models are entered before they are made, None where they are not. ``rehearsal`` takes the place
    of running anything. ``under_way`` has the batches that are at work, ``items`` what is done inside items
    that run a sub-workflow, until they have ended; None where nothing is kept. ``desk`` is where requests are
    handed in that a service answers later, None where nothing is kept of them.

    In a worker process there is less: nobody there hears events, stops a run or shares limits.
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
        """What each node and item needs that is to run; None where nothing is counted."""
        return None if self.quota is None else self.quota.permits

    def __reduce__(self) -> tuple[Any, ...]:
        travels = "executor", "jobs", "limit", "run", "withheld", "files", "calls", "items"
        told = {name: getattr(self, name) for name in travels}
        return _services_in_worker, (self.run_inside, told)


def _services_in_worker(
    run_inside: Callable[[SubPlan, str, NodeFrame, frozenset[str]], SubRun], told: Mapping[str, Any]
) -> RunServices:
    return RunServices(run_inside, quota=None if told["jobs"] is None else WorkerQuota(1), **told)


@dataclass(frozen=True, slots=True)
class NodeFrame:
    """What changes from node to node, and from workflow to workflow inside it; ``services`` is what does not.

    ``namespace`` is what the node sees. ``stop`` lets nothing new start, ``cancel`` ends what runs; ``last``
    is the only token that ends nodes of ``finally``. ``anew`` says that such are what runs here: what an
    earlier pass of the run kept of them does not count.

    ``address`` is the node whose sub-workflow this is, empty for the document itself, ``depth`` how many
    workflows are around this one, ``folder`` where Python modules of the document are found. ``inside`` tells
    runs of a sub-workflow apart, for keys of items: by what they are given, not by where. ``in_worker`` says
    that all this happens in a worker process. ``workdir`` is the folder of the item around, which commands
    run in; None where that has none. ``again`` says that this is another attempt of something around, which
    may have written files.

    ``budgets`` are those of the document and of the ones it is part of; ``bounded`` says that something
    around this process bounds in dollars what is spent. ``taps`` has by a batch node's id who is given its
    blocks, with finished entries, in input order as they come, ``attached`` what else a caller has to do with
    its items. ``masker`` is told the values of secret inputs of sub-workflows. ``log`` keeps what comes of
    the nodes and knows what came of them before; None where nothing is kept. ``warnings`` takes what is to be
    told of the run besides.
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
    log: RunLog | None = None
    warnings: Warnings = field(default_factory=Warnings)

    @property
    def in_dollars(self) -> bool:
        """Whether anything around bounds in dollars what is spent here."""
        return self.bounded or any(budget.limits.usd is not None for budget in self.budgets)

    def place(self, node: str, index: int | None = None) -> str:
        """The full address of a node, or of one of its items: ``outer[3].inner[7]``."""
        return address_of(node, within=self.address, index=index)

    def make(self, node: PlannedNode) -> Node:
        """A node object for the node to be run with."""
        if node.sub is not None:
            foreign = foreign_inputs(node, self.namespace.is_foreign)
            return WorkflowNode(self.services.run_inside(node.sub, node.id, self, foreign))
        made = node.kind()
        if self.services.withheld:
            made.withhold(self.services.withheld)
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

    def __reduce__(self) -> tuple[Any, ...]:
        # The namespace stays behind: a sub-workflow has one of its own.
        travels = "address", "depth", "folder", "inside", "workdir", "again"
        told = {name: getattr(self, name) for name in travels}
        return _frame_in_worker, (self.services, {**told, "bounded": self.in_dollars})


def _frame_in_worker(services: RunServices, told: Mapping[str, Any]) -> NodeFrame:
    return NodeFrame(services, Namespace({}), in_worker=True, **told)


class Rehearsing(Protocol):
    """What visits nodes where a run is only rehearsed."""

    def visit(self, node: PlannedNode, around: NodeFrame) -> NodeRun:
        """Visit a node: give what is known of it, and run nothing."""

    def would_run(self, place: str) -> NodeRun:
        """The visit of the node at ``place``, of which no outcome is known."""
