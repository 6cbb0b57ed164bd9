"""The nodes and edges of a document, as far as each can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchmill.ir.faults import DocumentPath
from batchmill.ir.models import NodeSpec

FINALLY = "finally"
"""The key of the nodes that always run at the end."""

DEFAULT_ACTION = "default"  # also in nodes.contract, which ranks above


@dataclass(frozen=True, slots=True)
class NodePart:
    """A node that has at least an id. ``spec`` is None if a part of the node is wrong.

    ``index`` counts the nodes in document order, ``path`` is the node's place and ``row`` that of the list of
    which it is a step. ``next`` maps the actions of a step of a pipeline to their targets; an empty list is
    nowhere.
    """

    index: int
    path: DocumentPath
    row: DocumentPath
    id: str
    type: str | None
    params: Mapping[str, Any]
    item_name: str | None
    has_loop: bool
    spec: NodeSpec | None
    next: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether it is in ``finally``."""
        return self.path[:1] == (FINALLY,)

    @property
    def has_batch(self) -> bool:
        return self.item_name is not None


@dataclass(frozen=True, slots=True)
class EdgePart:
    """An edge that has both ends. ``written`` says that its action is in the document.

    ``path`` is the place of the edge, or of the part that implies it; empty for the edges of list order.
    ``group`` is its ``parallel_group``.
    """

    path: DocumentPath
    source: str
    target: str
    action: str = DEFAULT_ACTION
    written: bool = False
    group: str | None = None
