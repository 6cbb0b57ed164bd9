"""What every node of one run shares, and a planned node with what is worked out once per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from batchmill.batch import OnBlock
from batchmill.batch.admissions.gates import Gates
from batchmill.batch.under_way import UnderWay
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.events import Bus
from batchmill.file_table import FileTable
from batchmill.graph.address import address_of
from batchmill.graph.compile.helpers import helpers_of
from batchmill.graph.compile.user_code import code_of
from batchmill.graph.visits.attached import Attachment
from batchmill.graph.visits.node_run import NodeRun
from batchmill.graph.worker_quota import WorkerQuota
from batchmill.ir.models.node import NodeSpec
from batchmill.journal.contract import RunLog
from batchmill.journal.items_under_way import ItemsUnderWay
from batchmill.nodes import Node
from batchmill.nodes.workflow import SubRun, WorkflowNode
from batchmill.policy import RetryPolicy
from batchmill.policy.budget import Budget
from batchmill.record import CallsUnderWay
from batchmill.step import Namespace, StepParams
from batchmill.template import Compiled, compile_value
from batchmill.values.masking import Masker
from batchmill.warned import Warnings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``executor`` and ``jobs`` override what batch nodes say; ``limit`` is the most items that any of them
    runs, None where all are; ``cluster`` is where workers of other machines are; ``run`` is what templates
    are told of the run; ``folder`` is where Python modules of the document are found. ``gates`` holds the
    limits that nodes share, ``budgets`` are those of the document and of the ones it is part of.
    ``withheld`` are variables of the environment that commands do not get. ``stop`` lets nothing new start,
    ``cancel`` ends what runs. ``namespace`` is what the nodes see that are given these surroundings;
    ``shares`` are the workers that they have between them, None where no two nodes run at once.

    ``address`` is the node whose sub-workflow this is, empty for the document itself, ``depth`` how many
    workflows are around this one. ``in_worker`` says that all this happens in a worker process. ``taps``
    has by a batch node's id who is given its blocks, with finished entries, in input order as they come,
    ``attached`` what else a caller has to do with its items. ``masker`` is told the values of secret inputs
    of sub-workflows. ``log`` keeps what comes of the nodes and knows what came of them before; None where
    nothing is kept. ``warnings`` takes what is to be told of the run besides. ``files`` are those that the
    run reads and writes; ``again`` says that this is another attempt of something around, which may have
    written some. ``calls`` is where calls of language models are entered before they are made, None where
    they are not; ``bounded`` says that something around bounds in dollars what they cost. ``rehearsal`` takes
    the place of running anything. ``last`` ends the nodes of ``finally``, which nothing else does; ``anew``
    says that they are what runs here: what an earlier pass of the run kept of them does not count.
    ``under_way`` has the batches that are at work. ``inside`` tells runs of a sub-workflow apart, for keys of
    items: by what they are given, not by where. ``workdir`` is the folder of the item around, which commands
    run in; None where that has none. ``items`` keeps what is done inside items that run a sub-workflow,
    until they have ended; None where nothing is kept.
    """

    namespace: Namespace
    bus: Bus = field(default_factory=Bus)
    cancel: CancelToken = field(default_factory=CancelToken)
    stop: CancelToken = field(default_factory=CancelToken)
    executor: str | None = None
    jobs: int | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    cluster: str | dict[str, Any] | None = None
    folder: str | None = None
    address: str = ""
    depth: int = 0
    in_worker: bool = False
    gates: Gates = field(default_factory=Gates)
    budgets: tuple[Budget, ...] = ()
    taps: Mapping[str, OnBlock] = field(default_factory=dict)
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    shares: WorkerQuota | None = None
    masker: Masker = field(default_factory=Masker)
    log: RunLog | None = None
    warnings: Warnings = field(default_factory=Warnings)
    files: FileTable = field(default_factory=FileTable)
    again: bool = False
    calls: CallsUnderWay | None = None
    bounded: bool = False
    rehearsal: Rehearsing | None = None
    last: CancelToken = field(default_factory=CancelToken)
    anew: bool = False
    under_way: UnderWay = field(default_factory=UnderWay)
    inside: str = ""
    workdir: str | None = None
    items: ItemsUnderWay | None = None

    @property
    def in_dollars(self) -> bool:
        """Whether anything around bounds in dollars what is spent here."""
        return self.bounded or any(budget.limits.usd is not None for budget in self.budgets)

    @property
    def permits(self) -> FairSemaphore | None:
        """What each node and item needs that is to run; None where nothing is counted."""
        return None if self.shares is None else self.shares.permits

    def place(self, node: str, index: int | None = None) -> str:
        """The full address of a node, or of one of its items: ``outer[3].inner[7]``."""
        return address_of(node, within=self.address, index=index)

    @property
    def ending(self) -> bool:
        """Whether no node may start any more."""
        return self.stop.cancelled or self.cancel.cancelled

    def __reduce__(self) -> tuple[Any, ...]:
        # What is pickled goes to a worker process. Nobody there hears events or stops a run, and the
        # namespace stays behind: a sub-workflow has one of its own.
        return _in_worker, (
            self.executor,
            self.jobs,
            self.run,
            self.limit,
            self.folder,
            self.address,
            self.depth,
            self.withheld,
            self.files,
            self.again,
            self.calls,
            self.in_dollars,
            self.inside,
            self.workdir,
            self.items,
        )


def _in_worker(
    executor: str | None,
    jobs: int | None,
    run: Mapping[str, Any],
    limit: int | None,
    folder: str | None,
    address: str,
    depth: int,
    withheld: frozenset[str],
    files: FileTable,
    again: bool,
    calls: CallsUnderWay | None,
    bounded: bool,
    inside: str,
    workdir: str | None,
    items: ItemsUnderWay | None,
) -> Surroundings:
    return Surroundings(
        Namespace({}),
        executor=executor,
        jobs=jobs,
        run=run,
        limit=limit,
        folder=folder,
        address=address,
        depth=depth,
        in_worker=True,
        withheld=withheld,
        files=files,
        again=again,
        shares=None if jobs is None else WorkerQuota(1),
        calls=calls,
        bounded=bounded,
        inside=inside,
        workdir=workdir,
        items=items,
    )


class Rehearsing(Protocol):
    """What visits nodes where a run is only rehearsed."""

    def visit(self, node: RunnableNode, around: Surroundings) -> NodeRun:
        """Visit a node: give what is known of it, and run nothing."""

    def would_run(self, place: str) -> NodeRun:
        """The visit of the node at ``place``, of which no outcome is known."""


class Inner(Protocol):
    """A compiled sub-workflow."""

    def at(self, node: str, around: Surroundings) -> SubRun:
        """What runs it in the place of ``node``."""

    @property
    def content(self) -> str:
        """All it does, as text: equal text, equal outcome."""

    @property
    def content_in_format_1(self) -> str:
        """The same as the first format of the journal had it."""


class RunnableNode:
    """A node of the document, its type, its params with their templates read, and its sub-workflow.
    ``files_stay``: nothing in the document takes away what it writes, so that a file which is gone is missed.

    Concurrency: runs of one sub-workflow share it between threads. Nothing in it changes but what is
    worked out on first use, which two threads may do at once with the same outcome.
    """

    def __init__(
        self, spec: NodeSpec, kind: type[Node], sub: Inner | None = None, *, files_stay: bool = False
    ) -> None:
        self.spec = spec
        self.files_stay = files_stay
        self.kind = kind
        self._sub = sub

    def made(self, around: Surroundings) -> Node:
        """A node object of its type."""
        if self._sub is not None:
            return WorkflowNode(self._sub.at(self.id, around))
        node = self.kind()
        if around.withheld:
            node.withhold(around.withheld)
        if around.workdir is not None:
            node.work_in(around.workdir)
        node.look_in(around.files, f"`{around.place(self.id)}`")
        return node

    @property
    def inner_content(self) -> str:
        """All that its sub-workflow does, as text; empty where there is none."""
        return "" if self._sub is None else self._sub.content

    @property
    def inner_content_in_format_1(self) -> str:
        """The same as the first format of the journal had it."""
        return "" if self._sub is None else self._sub.content_in_format_1

    @property
    def id(self) -> str:
        return self.spec.id

    @cached_property
    def params(self) -> StepParams:
        return StepParams(self.kind, self.spec.params)

    @cached_property
    def content(self) -> StepParams:
        """Those of the params that can change what comes out."""
        content = self.kind.content(self.spec.params)
        return self.params if content == self.spec.params else StepParams(self.kind, content)

    @cached_property
    def code(self) -> str:
        """The user's own code that it runs."""
        return code_of(self.kind, self.spec.params)

    @cached_property
    def helpers(self) -> dict[str, str]:
        """The texts that this needs besides, by module."""
        return helpers_of(self.kind, self.spec.params)

    @cached_property
    def files(self) -> Compiled:
        """The paths whose content belongs to the result, with their templates read."""
        return compile_value(list(self.spec.files))

    @cached_property
    def diagnostics(self) -> frozenset[str]:
        """The outputs that count as present after a failure."""
        return frozenset(output.name for output in self.kind.outputs if output.diagnostic)

    @cached_property
    def usual_retry(self) -> RetryPolicy:
        """The policy where nothing is said."""
        return self.kind.usual_retry(self.spec.params)

    @property
    def retry(self) -> RetryPolicy:
        """The policy of the node itself."""
        return self.usual_retry if self.spec.retry is None else self.spec.retry.policy(self.usual_retry)
