"""The row for each finished item: the columns of ``select``, and the item or parts of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from batchmill.block import Block
from batchmill.errors import TemplateError
from batchmill.graph.frame import NodeFrame
from batchmill.ir.models.batch import BatchSpec
from batchmill.outcome import SKIPPED, ErrorInfo
from batchmill.sourced import bare, names_of
from batchmill.step.item_steps import item_key
from batchmill.step.namespace import INDEX_KEY, SOURCE_KEY
from batchmill.step.namespace import ITEM_KEY as KEYED
from batchmill.template import Scope, compile_value

ITEM_KEY = "item"
"""The name of the item in entries and in columns, whatever a node calls it in its params."""


class Columns:
    """The rows of ``select``, made once for each finished item and kept until they are fetched. ``keyed`` are
    the parts of the items' keys besides the items.

    Concurrency: :meth:`judge` is called from any thread, :meth:`rows` by one; ``_lock`` guards ``_rows``.
    """

    def __init__(self, spec: BatchSpec, around: NodeFrame, keyed: tuple[str, ...]) -> None:
        to = spec.collect_file
        select = None if to is None or to.select is None else dict(to.select)
        self._select = None if select is None else compile_value(select, at=("batch", "collect", "select"))
        self._names = (ITEM_KEY, spec.as_)
        self._keys = spec.item if isinstance(spec.item, list) else None
        self._note_open = around.note_open
        self._lock = threading.Lock()
        self._rows: dict[int, object] = {}
        self._scope = Scope({})
        self._keyed: tuple[str, ...] | None = None
        if self._select is not None:
            roots = {path.root for path in self._select.references}
            self._keyed = keyed if KEYED in roots else None
            everything = around.namespace.scope()
            values = {name: everything[name] for name in roots if name in everything}
            failed, absent = everything.failed, everything.absent
            self._scope = Scope(values, failed=failed, absent=absent, permissive=everything.permissive)

    @property
    def chosen(self) -> bool:
        """Whether rows are anything but the entries of results."""
        return self._select is not None

    @property
    def judges(self) -> bool:
        """Whether anything can be wrong with a result."""
        return self._select is not None or self._keys is not None

    def judge(self, index: int, item: object, value: Any) -> ErrorInfo | None:
        """Make the row of an item that succeeded; return the error if it cannot be made."""
        if value is SKIPPED:
            return None
        if self._keys is not None and not isinstance(bare(item), Mapping):
            kind = type(bare(item)).__name__
            what = f"batch.item names keys of items, and this one is not an object but {kind}"
            return ErrorInfo("InvalidItem", what, retryable=False)
        if self._select is None:
            return None
        names = {**(value or {}), **names_of(item, self._names, SOURCE_KEY), INDEX_KEY: index}
        try:
            if self._keyed is not None:
                names[KEYED] = {"key": item_key(self._keyed, bare(item))}
            scope = self._scope.child(names)
            row = self._select.resolve(scope)
            self._note_open(scope)
        except TemplateError as fault:
            message = f"batch.collect.select: {fault}"
            return ErrorInfo(type(fault).__name__, message, retryable=False)
        with self._lock:
            self._rows[index] = row
        return None

    def rows(self, block: Block) -> list[object]:
        """The rows of a block, None for items that failed; they are forgotten here."""
        with self._lock:
            return [self._rows.pop(index, None) for index in range(block.start, block.start + len(block))]
