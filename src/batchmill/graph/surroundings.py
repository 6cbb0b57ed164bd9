"""What every node of one run shares, and a planned node with what is worked out once per run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from batchmill.cancel import CancelToken
from batchmill.events import Bus
from batchmill.ir.models.node import NodeSpec
from batchmill.nodes import Node
from batchmill.policy import RetryPolicy
from batchmill.step import Namespace, StepParams


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``executor`` and ``jobs`` override what batch nodes say; ``folder`` is where Python modules of the
    document are found. ``stop`` lets nothing new start, ``cancel`` ends what runs."""

    namespace: Namespace
    bus: Bus = field(default_factory=Bus)
    cancel: CancelToken = field(default_factory=CancelToken)
    stop: CancelToken = field(default_factory=CancelToken)
    executor: str | None = None
    jobs: int | None = None
    folder: str | None = None

    @property
    def ending(self) -> bool:
        """Whether no node may start any more."""
        return self.stop.cancelled or self.cancel.cancelled


class RunnableNode:
    """A node of the document, its type, and its params with their templates read.

    Concurrency: one thread, the scheduler's, uses it.
    """

    def __init__(self, spec: NodeSpec, kind: type[Node]) -> None:
        self.spec = spec
        self.kind = kind

    @property
    def id(self) -> str:
        return self.spec.id

    @cached_property
    def params(self) -> StepParams:
        return StepParams(self.kind, self.spec.params)

    @cached_property
    def diagnostics(self) -> frozenset[str]:
        """The outputs that count as present after a failure."""
        return frozenset(output.name for output in self.kind.outputs if output.diagnostic)

    @property
    def retry(self) -> RetryPolicy:
        """The policy of the node itself; one attempt where it has none."""
        return self.spec.retry.policy() if self.spec.retry is not None else RetryPolicy()
