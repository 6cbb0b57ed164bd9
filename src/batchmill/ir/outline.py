"""What can be said of a document even where parts of it are wrong.

Checks that look across the document (ids, edges, references) work on this, not on the models: a
wrong number in one node must not hide that an edge leads nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchmill.ir.faults import DocumentPath, Fault
from batchmill.ir.models import InputSpec, NodeSpec, OutputSpec, Workflow

DEFAULT_ITEM_NAME = "item"


@dataclass(frozen=True, slots=True)
class NodePart:
    """A node that has at least an id. ``spec`` is None where something in the node is wrong."""

    index: int
    id: str
    type: str | None
    params: Mapping[str, Any]
    item_name: str | None
    has_loop: bool
    spec: NodeSpec | None

    @property
    def path(self) -> DocumentPath:
        return ("nodes", self.index)

    @property
    def has_batch(self) -> bool:
        return self.item_name is not None


@dataclass(frozen=True, slots=True)
class EdgePart:
    """An edge that has both ends. ``written`` says that its action stands in the document.

    ``index`` is None for the edges that list order makes.
    """

    index: int | None
    source: str
    target: str
    action: str = "default"
    written: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """The parts of a document that can be read. ``edges`` is None where the document has none.

    ``inputs`` has every declared name, with None for one that is declared wrongly; ``outputs`` has
    the good ones. ``broken`` says that a node or an edge could not be read, so that what follows from
    all of them together (what runs before what) is not known.
    """

    nodes: tuple[NodePart, ...] = ()
    edges: tuple[EdgePart, ...] | None = None
    start_node: str | None = None
    inputs: Mapping[str, InputSpec | None] = field(default_factory=dict)
    outputs: Mapping[str, OutputSpec] = field(default_factory=dict)
    broken: bool = False
    by_id: Mapping[str, NodePart] = field(default_factory=dict)


def outline_of(raw: Any, faults: list[Fault], workflow: Workflow | None = None) -> Outline:
    """The outline of a raw document whose structure has these faults; ``workflow`` where it has none."""
    document = raw if isinstance(raw, dict) else {}
    faulty = {fault.path[:2] for fault in faults}
    raw_nodes, raw_edges = _list(document.get("nodes")), document.get("edges")
    specs = _specs(raw_nodes, faulty) if workflow is None else workflow.nodes
    pairs = zip(raw_nodes, specs, strict=True)
    nodes = [part for index, (node, spec) in enumerate(pairs) if (part := _node(index, node, spec))]
    edges = None if raw_edges is None else [_edge(index, edge) for index, edge in enumerate(_list(raw_edges))]
    whole = len(nodes) == len(raw_nodes) and (raw_edges is None or isinstance(raw_edges, list))
    start = document.get("start_node")
    return Outline(
        tuple(nodes),
        None if edges is None else tuple(edge for edge in edges if edge),
        start if isinstance(start, str) else None,
        _inputs(_dict(document.get("inputs")), faulty),
        _outputs(_dict(document.get("outputs")), faulty),
        not whole or (edges is not None and None in edges),
        _by_id(nodes),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _specs(raw_nodes: list[Any], faulty: set[DocumentPath]) -> list[NodeSpec | None]:
    """The model of every node without a fault of structure."""
    numbered = enumerate(raw_nodes)
    return [None if ("nodes", index) in faulty else NodeSpec.model_validate(raw) for index, raw in numbered]


def _node(index: int, raw: Any, spec: NodeSpec | None) -> NodePart | None:
    node_id = _dict(raw).get("id")
    if not isinstance(node_id, str) or not node_id:
        return None
    kind, batch = raw.get("type"), raw.get("batch")
    return NodePart(
        index,
        node_id,
        kind if isinstance(kind, str) else None,
        {key: value for key, value in _dict(raw.get("params")).items() if isinstance(key, str)},
        None if batch is None else _item_name(batch),
        raw.get("loop") is not None,
        spec,
    )


def _by_id(nodes: list[NodePart]) -> dict[str, NodePart]:
    """The nodes by id; of several with one id, the first."""
    by_id: dict[str, NodePart] = {}
    for node in nodes:
        by_id.setdefault(node.id, node)
    return by_id


def _item_name(batch: Any) -> str:
    name = _dict(batch).get("as", DEFAULT_ITEM_NAME)
    return name if isinstance(name, str) else DEFAULT_ITEM_NAME


def _edge(index: int, raw: Any) -> EdgePart | None:
    edge = _dict(raw)
    source, target, action = edge.get("from"), edge.get("to"), edge.get("action", "default")
    if not (isinstance(source, str) and isinstance(target, str) and isinstance(action, str)):
        return None
    return EdgePart(index, source, target, action, "action" in edge)


def _inputs(raw: dict[Any, Any], faulty: set[DocumentPath]) -> dict[str, InputSpec | None]:
    return {
        name: None if ("inputs", name) in faulty else InputSpec.model_validate(value)
        for name, value in raw.items()
        if isinstance(name, str)
    }


def _outputs(raw: dict[Any, Any], faulty: set[DocumentPath]) -> dict[str, OutputSpec]:
    good = {name: value for name, value in raw.items() if ("outputs", name) not in faulty}
    return {name: OutputSpec.model_validate(value) for name, value in good.items()}
