"""The items of a batch: found, checked and chosen, but not read yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from batchmill.errors import NodeError, TemplateError
from batchmill.graph.attached import NOTHING_ATTACHED
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.visits.places_of_rows import asks_for_source
from batchmill.graph.visits.source_files import chosen_of, without_own
from batchmill.ir.models.batch import BatchSpec
from batchmill.items.readers import open_source
from batchmill.items.selection import Selection
from batchmill.lists import LazyList
from batchmill.sourced import names_of
from batchmill.step import INDEX_KEY, SOURCE_KEY
from batchmill.template import compile_value
from batchmill.template.presence import ConstantItems, is_large, may_hold_templates
from batchmill.values import NotJson, from_json, is_true
from batchmill.values.redaction import shortened
from batchmill.values.words import kind_of


def items_at(node: PlannedNode, spec: BatchSpec, around: NodeFrame) -> Iterable[object]:
    """The items: those that the caller has attached, else the document's own."""
    attached = around.attached.get(node.id, NOTHING_ATTACHED).items
    return items_of(spec, around, asks_for_source(node.spec)) if attached is None else attached()


def items_of(spec: BatchSpec, around: NodeFrame, placed: bool) -> Iterable[object]:
    """The selected items; rows of files carry their place if ``placed``. Raises the errors of
    :func:`all_items`, and :class:`~batchmill.errors.TooFewItems`."""
    return selection_of(spec, around).of(all_items(spec, around, placed))


def selection_of(spec: BatchSpec, around: NodeFrame) -> Selection:
    """Which of its items a batch runs."""
    return Selection(
        where=_where(spec, around),
        skip=spec.skip,
        limit=spec.limit,
        sample=spec.sample,
        seed=spec.seed,
        batch_size=spec.batch_size,
        min_items=spec.min_items,
        first=around.services.limit,
    )


def _where(spec: BatchSpec, around: NodeFrame) -> Callable[[Any, int], bool] | None:
    """The condition of the block by an item and its position."""
    if spec.where is None:
        return None
    condition, scope = compile_value(spec.where), around.namespace.scope(lazy=True)

    def fits(item: object, index: int) -> bool:
        names = names_of(item, [spec.as_], SOURCE_KEY)
        own = scope.child({**names, INDEX_KEY: index})
        try:
            value = condition.resolve(own)
        except TemplateError as fault:
            message = f"batch.where of item {index:,} of the source: {fault}"
            raise NodeError(message, retryable=False, type_name=type(fault).__name__) from fault
        around.note_open(own)
        return is_true(value)

    return fits


def all_items(spec: BatchSpec, around: NodeFrame, placed: bool) -> Iterable[object]:
    """The items, with templates resolved; sources are opened here and read later, as workers ask.

    Raises :class:`~batchmill.errors.TemplateError`, :class:`NodeError` for a reference to something that
    is no list, :class:`~batchmill.errors.StorageError` for a source that cannot be opened.
    """
    kind = spec.items_kind
    if kind == "list" and is_large(spec.items_value) and not may_hold_templates(spec.items_value):
        return ConstantItems(spec.items_value)
    value = around.resolved(compile_value(spec.items_value, at=("batch", "items")), lazy=True)
    if kind == "list":
        return list(value)
    if kind != "reference":
        if kind in ("product", "zip"):
            value = {name: _as_side(one, spec.items_value.get(name)) for name, one in value.items()}
        more = around.resolved(compile_value(spec.items_templates, at=("batch", "items")), lazy=True)
        source = open_source(
            {kind: value, **spec.items_options, **more},
            keep_bad=spec.bad_rows == "error",
            placed=placed,
            leave_out=partial(chosen_of, around),
        )
        return without_own(source, kind, around)
    return _as_list(value, str(spec.items))


def _as_side(value: object, written: object) -> Any:
    """A side of several; what a template refers to is a list and never a source."""
    return _as_list(value, written) if isinstance(written, str) else value


def _as_list(value: object, written: str) -> Iterable[object]:
    if isinstance(value, str):
        value = _parsed(value, written)
    if isinstance(value, (list, tuple, range, LazyList)):
        return value
    shown = f"text ({shortened(value, 40)!r})" if isinstance(value, str) else kind_of(value)
    raise NodeError(
        f"batch.items must be a list, but {written} is {shown}", retryable=False, type_name="InvalidItems"
    )


def _parsed(text: str, written: str) -> object:
    try:
        return from_json(text)
    except NotJson as fault:
        if text.lstrip()[:1] not in ("[", "{"):
            return text  # the caller says what it is instead
        message = f"batch.items must be a list, but {written} is text that is not JSON: {fault}"
        raise NodeError(message, retryable=False, type_name="InvalidItems") from fault
