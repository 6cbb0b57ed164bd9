"""A runnable node: the node, its params and the values that its templates refer to, in one object.

It is the task that executors run. Copies are cheap: only the node itself is copied; the values for templates
are shared and never written. A pickled step carries only the part of the run's namespace that its own
templates can reach.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.promises import awaited
from batchmill.executors.contract import Task
from batchmill.nodes import Node, NodeResult, bind
from batchmill.nodes.json_params import container_param
from batchmill.step.foreseen import Foreseen
from batchmill.step.namespace import Namespace
from batchmill.step.params import StepParams
from batchmill.step.paying import FREE, Paying
from batchmill.template import Compiled, Path, Scope, carried_url
from batchmill.values import is_true
from batchmill.values.masking import Masker

INPUTS_PARAM = "inputs"  # where the carried values of a loop go in a node that has it


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A record of the references that one attempt of a permissive run left unresolved."""

    references: tuple[str, ...]


class Step(Foreseen, Task):
    """One node with its params and a snapshot of the namespace.

    ``carried`` are values of a loop that override params; they are data and are not scanned for templates.
    ``folder`` is put on the import path of a process that gets the step. ``paying`` has the rules for calls
    of language models. ``files`` are paths that the result depends on, which must resolve as params do.
    ``also`` are further references. ``masker`` knows the run's secrets: a worker process, too, must not cut a
    text short in the middle of one. ``needs_folder`` and ``credential`` are the node's own.
    """

    masker: Masker | None = None
    needs_folder = ""
    credential = ""

    def __init__(
        self,
        node: Node,
        params: StepParams,
        namespace: Namespace,
        *,
        carried: Mapping[str, object] | None = None,
        folder: str | None = None,
        paying: Paying = FREE,
        when: Compiled | None = None,
        files: Compiled | None = None,
        also: Iterable[Path] = (),
    ) -> None:
        self.node = node
        self._kind = type(node)
        self._params = params
        self._when = when
        self._files = files
        self._scope = namespace.snapshot(
            [*params.references, *references_in(when, files), *also], params.whole
        )
        self._carried = dict(carried or {})
        self._folder = folder
        self._paying = paying
        self._pays = paying != FREE

    @property
    def share(self) -> bool:
        """Whether threads may share this object: the node has no attributes of its own."""
        return not getattr(self.node, "__dict__", True)

    @property
    def secret(self) -> str:
        knows = self.masker is not None and (self.masker.knows_any or self.masker.ordinary)
        return "a secret input" if knows else self.credential

    @property
    def only_files(self) -> bool:
        return self._kind.only_files

    def load(self) -> None:
        self._kind.load(self._params.constants)

    def skips(self, scope: Scope) -> bool:
        """Whether the condition is false with the names of ``scope``. Raises
        :class:`~batchmill.errors.TemplateError`."""
        return self._when is not None and not is_true(self._when.resolve(scope))

    def run_in(self, scope: Scope, attempt: Attempt) -> NodeResult:
        """One attempt with the names of ``scope``. Raises :class:`~batchmill.errors.TemplateError` for a
        reference that cannot be resolved, :class:`~batchmill.errors.InvalidParams`, and the errors of the
        node."""
        result = self.node.run(self.bound_in(scope, attempt), attempt)
        return result if type(result) is NodeResult else awaited(result, attempt.cancel)

    def bound_in(self, scope: Scope, attempt: Attempt) -> dict[str, object]:
        """The node's params for one attempt, resolved with the names of ``scope``, and checked."""
        if self._files is not None:
            self._files.resolve(scope)
        if self._carried or scope.permissive:
            bound = self._bound_with_more(scope, attempt)
        else:
            bound = self._params.bound(self._kind, scope)
        if self._paying.in_dollars:
            self._paying.check(self.node, bound)
        return bound

    def _bound_with_more(self, scope: Scope, attempt: Attempt) -> dict[str, object]:
        """The same if a loop overrides params, or references may stay unresolved."""
        params = self._params.resolve(scope)
        if self._carried:
            self._overlay(params)
        if scope.unresolved:
            attempt.recorder.append(Unresolved(tuple(scope.unresolved)))
        return bind(self._kind, params)

    def _scope_of(self, item: object, index: int, folder: str | None = None) -> Scope:
        """The names for one item, which has that ``folder`` to itself; a node that is no batch has none."""
        return self._scope.child({})

    def _overlay(self, params: dict[str, object]) -> None:
        inputs = container_param(params.get(INPUTS_PARAM), "object", f"`{INPUTS_PARAM}`")
        if isinstance(inputs, dict):
            params[INPUTS_PARAM] = {**inputs, **self._carried}
        else:
            urls = {name: params.get(name) for name in self._carried if name in self._params.urls}
            params.update(self._carried)
            params.update({name: carried_url(before, params[name]) for name, before in urls.items()})

    def __deepcopy__(self, memo: dict[int, object]) -> Step:
        copied = copy.copy(self)
        copied.node = copy.deepcopy(self.node, memo)
        return copied

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_scope": self._scope.for_worker()}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if self._folder is not None and self._folder not in sys.path:
            sys.path.insert(0, self._folder)


class SingleStep(Step):
    """A node that is no batch: it runs once, and returns its action with its outputs."""

    def run(self, item: Any, index: int, attempt: Attempt) -> NodeResult:
        """One attempt; ``item`` and ``index`` mean nothing here."""
        return self.run_in(self._scope.child({}), self._paying.told(attempt, None))


class AsyncSingleStep(SingleStep):
    """The same for a node with ``run_async``."""

    awaits = True

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> NodeResult:
        """One attempt, to be awaited."""
        attempt = self._paying.told(attempt, None)
        return await self.node.run_async(self.bound_in(self._scope.child({}), attempt), attempt)  # type: ignore[attr-defined, no-any-return]  # such a node


def references_in(*several: Compiled | None) -> list[Path]:
    """The references in all of them."""
    return [path for one in several if one is not None for path in one.references]


def single_step(node: Node, params: StepParams, namespace: Namespace, **told: Any) -> SingleStep:
    """The step of a node that is no batch; it can be awaited where the node can. ``told`` are the other
    arguments of :class:`SingleStep`."""
    kind = AsyncSingleStep if can_be_awaited(node) else SingleStep
    return kind(node, params, namespace, **told)


def can_be_awaited(node: Node) -> bool:
    """Whether the node has ``run_async``."""
    return callable(getattr(node, "run_async", None))
