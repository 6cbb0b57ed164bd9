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
from batchmill.bad_row import BadRow
from batchmill.concurrency.promises import awaited
from batchmill.errors import BatchmillError, NodeError, TemplateError, UnreadableRow
from batchmill.executors.contract import Task
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.nodes import Node, NodeResult, bind
from batchmill.nodes.json_params import container_param
from batchmill.outcome import SKIPPED, Skipped
from batchmill.sourced import Sourced, bare
from batchmill.step.foreseen import Foreseen
from batchmill.step.namespace import INDEX_KEY, ITEM_KEY, SOURCE_KEY, Namespace
from batchmill.step.params import StepParams
from batchmill.step.paying import FREE, Paying
from batchmill.template import Compiled, Path, Scope, carried_url
from batchmill.values import copied, is_true, plain
from batchmill.values.masking import Masker

INPUTS_PARAM = "inputs"  # where the carried values of a loop go in a node that has it
RESERVED_OUTPUTS = frozenset({"item", "index"})
"""The keys beside the outputs of an item in the results of a batch, and in tables of them."""
_CONTAINERS = (dict, list)


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
        self._scope = namespace.snapshot([*params.references, *_references(when, files), *also], params.whole)
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


class ItemStep(Step):
    """A batch node; ``item_name`` is the name of the item in templates. ``keyed`` are the parts of its items'
    keys besides the item. ``named`` says that the items are written in the document, or in its inputs.
    ``as_json`` converts outputs to plain data, and fails values without a form in JSON."""

    def __init__(
        self,
        node: Node,
        params: StepParams,
        namespace: Namespace,
        *,
        item_name: str = "item",
        folder: str | None = None,
        as_json: bool = False,
        paying: Paying = FREE,
        when: Compiled | None = None,
        files: Compiled | None = None,
        keyed: tuple[object, ...] = (),
        also: Iterable[Path] = (),
        named: bool = False,
    ) -> None:
        given: dict[str, Any] = {"folder": folder, "paying": paying, "when": when, "files": files}
        super().__init__(node, params, namespace, **given, also=also)
        if not named:
            self._scope = self._scope.with_foreign(item_name)
        references = [*params.references, *_references(when, files), *also]
        self._keyed = keyed if any(path.root == ITEM_KEY for path in references) else None
        self._item_name = item_name
        self._as_json = as_json
        self._looked_at = self._kind.open_outputs

    def run(self, item: Any, index: int, attempt: Attempt) -> dict[str, Any] | Skipped:
        """One attempt of one item: the node's outputs.

        The node gets a copy of an item that is a dictionary or list. Otherwise its changes to the item would
        show in the next attempt, in the results and in the node the items came from, but only if the item
        stayed in this process.
        """
        scope = self._scope_of(item, index, attempt.folder)
        if self._when is not None and self.skips(scope):
            return SKIPPED
        if self._pays:
            attempt = self._paying.told(attempt, index)
        return self._outputs(self.run_in(scope, attempt), item)

    def would_skip(self, item: object, index: int) -> bool:
        """Whether the condition of an item, of which there is a result, is false now. One that cannot be
        told takes nothing away."""
        try:
            return self.skips(self._scope_of(item, index))
        except BatchmillError:
            return False

    def _outputs(self, result: NodeResult, item: object) -> dict[str, object]:
        """The outputs of an item. Raises :class:`~batchmill.errors.NodeError` for an output with the name of
        a key beside it; if the names are known before the run, validation has checked them."""
        outputs = result.outputs
        if self._looked_at and not RESERVED_OUTPUTS.isdisjoint(outputs):
            name = next(iter(RESERVED_OUTPUTS.intersection(outputs)))
            message = f"an item's output cannot be called {name!r}, which is the key of the item's own {name}"
            raise NodeError(message, retryable=False, type_name="ReservedOutput")
        if self._as_json:
            plain(bare(item), "the item")
            return {name: plain(value, f"`{name}`") for name, value in outputs.items()}
        return outputs

    def _scope_of(self, item: object, index: int, folder: str | None = None) -> Scope:
        if type(item) in _CONTAINERS:
            item = copied(item)
        elif type(item) is BadRow:
            raise UnreadableRow(item.message)
        elif type(item) is Sourced:
            return self._scope_of(item.item, index, folder).child({SOURCE_KEY: item.place})
        names = {self._item_name: item, INDEX_KEY: index}
        if self._keyed is not None:
            key = {"key": item_key(self._keyed, item)}
            names[ITEM_KEY] = key if folder is None else {**key, "workdir": folder}
        return self._scope.child(names)


class AsyncItemStep(ItemStep):
    """The same for a node with ``run_async``: many items may be under way on the one node."""

    awaits = True

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> dict[str, Any] | Skipped:
        """One attempt of one item, to be awaited."""
        scope = self._scope_of(item, index, attempt.folder)
        attempt = self._paying.told(attempt, index)
        if self.skips(scope):
            return SKIPPED
        running = self.node.run_async(self.bound_in(scope, attempt), attempt)  # type: ignore[attr-defined]  # such a node
        del scope, attempt  # thousands may wait here
        return self._outputs(await running, item)


class SeenItemStep(ItemStep):
    """The same for a node with ``seen``, which gives templates a derived value in place of the item."""

    def run(self, item: Any, index: int, attempt: Attempt) -> dict[str, Any]:
        with self.node.seen(item, index, self._params.constants) as seen:  # type: ignore[attr-defined]  # such a node
            scope = self._scope.child({self._item_name: seen, INDEX_KEY: index})
            return self.run_in(scope, attempt).outputs


class PlacedItemStep(ItemStep):
    """The same for a node with ``run_item``, which also gets the item's position."""

    def run(self, item: Any, index: int, attempt: Attempt) -> dict[str, Any] | Skipped:
        scope = self._scope_of(item, index, attempt.folder)
        if self.skips(scope):
            return SKIPPED
        params = self.bound_in(scope, attempt)
        return self._outputs(self.node.run_item(params, attempt, index), item)  # type: ignore[attr-defined]  # such a node


def _references(*several: Compiled | None) -> list[Path]:
    return [path for one in several if one is not None for path in one.references]


def single_step(
    node: Node,
    params: StepParams,
    namespace: Namespace,
    *,
    carried: Mapping[str, object] | None = None,
    paying: Paying = FREE,
    files: Compiled | None = None,
) -> SingleStep:
    """The step of a node that is no batch; it can be awaited where the node can."""
    kind = AsyncSingleStep if _can_be_awaited(node) else SingleStep
    return kind(node, params, namespace, carried=carried, paying=paying, files=files)


def item_step(
    node: Node,
    params: StepParams,
    namespace: Namespace,
    *,
    item_name: str = "item",
    folder: str | None = None,
    as_json: bool = False,
    paying: Paying = FREE,
    when: Compiled | None = None,
    files: Compiled | None = None,
    keyed: tuple[object, ...] = (),
    named: bool = False,
) -> ItemStep:
    """The step of a batch node; it can be awaited where the node can."""
    kind = AsyncItemStep if _can_be_awaited(node) else ItemStep
    if callable(getattr(node, "run_item", None)):
        kind = PlacedItemStep
    elif callable(getattr(node, "seen", None)):
        kind = SeenItemStep
    told: dict[str, Any] = {"item_name": item_name, "folder": folder, "as_json": as_json, "paying": paying}
    return kind(node, params, namespace, when=when, files=files, keyed=keyed, named=named, **told)


def item_key(keyed: tuple[object, ...], item: object) -> str:
    """A key that identifies an item among all others, the same at every attempt and in every pass of the run,
    and at any position. Raises :class:`~batchmill.errors.TemplateError`."""
    try:
        return digest_of(*keyed, item).hex()
    except NoDigest:
        message = f"an item has no key where its content cannot be told, as that of a {type(item).__name__}"
        raise TemplateError(message) from None


def _can_be_awaited(node: Node) -> bool:
    return callable(getattr(node, "run_async", None))
