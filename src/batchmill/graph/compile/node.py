"""A planned node: its text, its type, and values derived from both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

from batchmill.graph.compile.helpers import helpers_of
from batchmill.graph.compile.user_code import code_of
from batchmill.ir.models import NodeSpec
from batchmill.nodes import Node
from batchmill.policy import RetryPolicy
from batchmill.step import StepParams
from batchmill.template import Compiled, compile_value

if TYPE_CHECKING:
    from batchmill.graph.compile.sub_plan import SubPlan  # which has planned nodes itself


@dataclass(frozen=True)
class PlannedNode:
    """A node of the document and the class of its type.

    ``index`` counts the nodes in document order, from 0; ``sub`` is the workflow that a ``workflow`` node
    runs, ``path`` the node's place in the document. ``files_stay``: nothing in the document takes away what
    it writes, so that a file which is gone is missed.

    Concurrency: runs share it between threads. Nothing in it changes but what is worked out on first use,
    which two threads may do at once with the same outcome; what is pickled is without that.
    """

    index: int
    spec: NodeSpec
    kind: type[Node]
    sub: SubPlan | None = None
    path: tuple[str | int, ...] = ()
    files_stay: bool = False

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def inner_content(self) -> str:
        """Everything that its sub-workflow does, as text; empty if it has no sub-workflow."""
        return "" if self.sub is None else self.sub.content

    @property
    def inner_content_in_format_1(self) -> str:
        """The same as the first format of the journal had it."""
        return "" if self.sub is None else self.sub.content_in_format_1

    @property
    def id(self) -> str:
        return self.spec.id

    @cached_property
    def params(self) -> StepParams:
        return StepParams(self.kind, self.spec.params)

    @cached_property
    def content(self) -> StepParams:
        """The params that can change the outcome."""
        content = self.kind.content(self.spec.params)
        return self.params if content == self.spec.params else StepParams(self.kind, content)

    @cached_property
    def code(self) -> str:
        """The user's own code that it runs."""
        return code_of(self.kind, self.spec.params)

    @cached_property
    def helpers(self) -> dict[str, str]:
        """The texts of helper code, by module."""
        return helpers_of(self.kind, self.spec.params)

    @cached_property
    def files(self) -> Compiled:
        """The paths whose content belongs to the result, with their templates parsed."""
        return compile_value(list(self.spec.files))

    @property
    def files_named(self) -> Compiled | None:
        """The same if there are templates among them."""
        return self.files if self.spec.files and self.files.references else None

    @cached_property
    def stays(self) -> bool:
        """Whether its runs, or those of a node of its sub-workflow, must stay in the process of the run."""
        return any(one.kind.stays(one.spec.params) for one in self._with_inner())

    @cached_property
    def reads_files(self) -> bool:
        """Whether the content of files affects its outcome, or that of a node of its sub-workflow."""
        return any(one.params_that_read or one.spec.files for one in self._with_inner())

    @property
    def params_that_read(self) -> frozenset[str]:
        """The names of its params that name files it reads."""
        return frozenset(self.kind.reads) & self.spec.params.keys()

    def _with_inner(self) -> Iterator[PlannedNode]:
        """It, and every node of its sub-workflow and of those inside."""
        yield self
        for plan in () if self.sub is None else self.sub.plan.all_plans():
            yield from plan.nodes.values()

    @cached_property
    def diagnostics(self) -> frozenset[str]:
        """The outputs that count as present after a failure."""
        return frozenset(output.name for output in self.kind.outputs if output.diagnostic)

    @cached_property
    def usual_retry(self) -> RetryPolicy:
        """The retry policy if the document sets none."""
        return self.kind.usual_retry(self.spec.params)

    @cached_property
    def needs_folder(self) -> str:
        """Why it can run only in the folder of the run, in words that follow "and"; "" where it need not."""
        return _first(self, _needs_folder, set())

    @cached_property
    def credential(self) -> str:
        """The credential that is written in its params, or in those of a node of its sub-workflow, in words;
        "" if there is none."""
        return _first(self, lambda one: one.kind.credential(one.spec.params), set())

    @property
    def retry(self) -> RetryPolicy:
        """The policy of the node itself."""
        return self.usual_retry if self.spec.retry is None else self.spec.retry.policy(self.usual_retry)


def _first(node: PlannedNode, told: Callable[[PlannedNode], str], seen: set[int]) -> str:
    """The first answer of ``told``, for the node or the nodes of its sub-workflow; ``seen`` are the enclosing
    documents, which may name each other."""
    if (own := told(node)) or node.sub is None or node.sub.compiled is None or id(node.sub) in seen:
        return own
    seen.add(id(node.sub))
    for name, one in node.sub.compiled.nodes.items():
        if found := _first(one, told, seen):
            return f"of `{name}` in its sub-workflow, {found}"
    return ""


def _needs_folder(node: PlannedNode) -> str:
    if node.spec.workdir is not None:
        return "its items have folders of their own there"
    return node.kind.needs_folder(node.spec.params)
