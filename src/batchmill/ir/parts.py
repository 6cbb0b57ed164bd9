"""The nodes and edges of a document, as far as each can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchmill.ir.faults import DocumentPath
from batchmill.ir.models import NodeSpec

FINALLY = "finally"
"""The key of the nodes that run at the end whatever happened."""

DEFAULT_ACTION = "default"  # also in nodes.contract, which ranks above


@dataclass(frozen=True, slots=True)
class NodePart:
    """A node that has at least an id. ``spec`` is None if something in the node is wrong.

    ``index`` counts the nodes in document order, ``path`` is the node's place and ``row`` that of the list
    it is a step of. ``next`` is what a step of a pipeline says of where its actions lead: nowhere where
    there is nothing.
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
        """Whether it stands in ``finally``."""
        return self.path[:1] == (FINALLY,)

    @property
    def has_batch(self) -> bool:
        return self.item_name is not None


@dataclass(frozen=True, slots=True)
class EdgePart:
    """An edge that has both ends. ``written`` says that its action stands in the document.

    ``path`` is the edge's place, or that of what implies it; empty for the edges that list order makes.
    ``group`` is its ``parallel_group``.
    """

    path: DocumentPath
    source: str
    target: str
    action: str = DEFAULT_ACTION
    written: bool = False
    group: str | None = None
