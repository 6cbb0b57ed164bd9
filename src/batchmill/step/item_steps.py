"""A batch node as a step: one attempt of one item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from batchmill.attempt import Attempt
from batchmill.bad_row import BadRow
from batchmill.errors import BatchmillError, NodeError, TemplateError, UnreadableRow
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.nodes import Node, NodeResult
from batchmill.outcome import SKIPPED, Skipped
from batchmill.sourced import Sourced, bare
from batchmill.step.namespace import INDEX_KEY, ITEM_KEY, SOURCE_KEY, Namespace
from batchmill.step.params import StepParams
from batchmill.step.paying import FREE, Paying
from batchmill.step.step import Step, can_be_awaited, references_in
from batchmill.template import Compiled, Path, Scope
from batchmill.values import copied, plain

RESERVED_OUTPUTS = frozenset({"item", "index"})
"""The keys beside the outputs of an item in the results of a batch, and in tables of them."""
_CONTAINERS = (dict, list)


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
        references = [*params.references, *references_in(when, files), *also]
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


def item_step(node: Node, params: StepParams, namespace: Namespace, **told: Any) -> ItemStep:
    """The step of a batch node; it can be awaited where the node can. ``told`` are the other arguments of
    :class:`ItemStep`."""
    kind = AsyncItemStep if can_be_awaited(node) else ItemStep
    if callable(getattr(node, "run_item", None)):
        kind = PlacedItemStep
    elif callable(getattr(node, "seen", None)):
        kind = SeenItemStep
    return kind(node, params, namespace, **told)


def item_key(keyed: tuple[object, ...], item: object) -> str:
    """A key that identifies an item among all others, the same at every attempt and in every pass of the run,
    and at any position. Raises :class:`~batchmill.errors.TemplateError`."""
    try:
        return digest_of(*keyed, item).hex()
    except NoDigest:
        message = f"an item has no key where its content cannot be told, as that of a {type(item).__name__}"
        raise TemplateError(message) from None
