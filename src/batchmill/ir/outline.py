"""The outline of a document, which exists even if parts of the document are wrong.

Checks across the document (ids, edges, references) use it instead of the models: a wrong number in one node
must not hide that an edge leads nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from batchmill.ir.faults import DocumentPath, Fault
from batchmill.ir.models import InputSpec, NodeSpec, OutputSpec, PipelineNode, Workflow
from batchmill.ir.parts import DEFAULT_ACTION, FINALLY, EdgePart, NodePart
from batchmill.ir.pipeline import PipelineStep, all_blocks, lay_out

DEFAULT_ITEM_NAME = "item"


@dataclass(frozen=True, slots=True)
class Outline:
    """The readable parts of a document. ``edges`` is None if the document has none.

    ``start`` is the id of the first node, or the gate of the first block; ``steps`` and ``gates`` are those
    of a pipeline. ``finals`` are the nodes that always run at the end; no edge joins them. ``by_id`` has all
    nodes.

    ``inputs`` has every declared name, with None for a wrong declaration; ``outputs`` has the valid ones.
    ``broken`` says that a node or an edge could not be read, so facts that depend on all of them (what runs
    before what) are unknown.
    """

    nodes: tuple[NodePart, ...] = ()
    edges: tuple[EdgePart, ...] | None = None
    start: str = ""
    inputs: Mapping[str, InputSpec | None] = field(default_factory=dict)
    outputs: Mapping[str, OutputSpec] = field(default_factory=dict)
    broken: bool = False
    by_id: Mapping[str, NodePart] = field(default_factory=dict)
    steps: tuple[PipelineStep, ...] = ()
    gates: frozenset[str] = frozenset()
    finals: tuple[NodePart, ...] = ()

    @property
    def all_nodes(self) -> tuple[NodePart, ...]:
        """The nodes of the graph and those that run at the end."""
        return (*self.nodes, *self.finals)


def outline_of(raw: object, faults: list[Fault], workflow: Workflow | None = None) -> Outline:
    """The outline of a raw document whose structure has these faults; ``workflow`` if it has none."""
    document = raw if isinstance(raw, dict) else {}
    faulty = {fault.path[:length] for fault in faults for length in range(2, len(fault.path) + 1)}
    graph = _of_pipeline if "pipeline" in document else _of_nodes
    outline = graph(document, faulty, workflow)
    finals = _finals(document, len(outline.nodes), faulty, workflow)
    return replace(
        outline,
        finals=finals,
        by_id=_by_id([*outline.nodes, *finals]),
        inputs=_inputs(_dict(document.get("inputs")), faulty),
        outputs=_outputs(_dict(document.get("outputs")), faulty),
    )


def _of_nodes(
    document: dict[object, object], faulty: set[DocumentPath], workflow: Workflow | None
) -> Outline:
    raw_nodes, raw_edges = _list(document.get("nodes")), document.get("edges")
    specs = [None] * len(raw_nodes) if workflow is None else workflow.nodes
    read = _Nodes(NodeSpec, faulty)
    numbered = enumerate(zip(raw_nodes, specs, strict=True))
    nodes = [part for n, (node, spec) in numbered if (part := read(n, ("nodes", n), ("nodes",), node, spec))]
    edges = None if raw_edges is None else [_edge(index, edge) for index, edge in enumerate(_list(raw_edges))]
    whole = len(nodes) == len(raw_nodes) and (raw_edges is None or isinstance(raw_edges, list))
    start = document.get("start_node")
    return Outline(
        tuple(nodes),
        None if edges is None else tuple(edge for edge in edges if edge),
        start if isinstance(start, str) and start else nodes[0].id if nodes else "",
        broken=not whole or (edges is not None and None in edges),
    )


def _finals(
    document: dict[object, object], first: int, faulty: set[DocumentPath], workflow: Workflow | None
) -> tuple[NodePart, ...]:
    """The nodes of ``finally``, counted from ``first`` on."""
    raw = _list(document.get(FINALLY))
    specs = [None] * len(raw) if workflow is None else workflow.finally_
    read = _Nodes(NodeSpec, faulty)
    numbered = enumerate(zip(raw, specs, strict=True))
    found = (read(first + n, (FINALLY, n), (FINALLY,), node, spec) for n, (node, spec) in numbered)
    return tuple(part for part in found if part is not None)


def _of_pipeline(
    document: dict[object, object], faulty: set[DocumentPath], workflow: Workflow | None
) -> Outline:
    models = workflow.pipeline if workflow is not None else None
    layout = lay_out(document["pipeline"], _Nodes(PipelineNode, faulty), models)
    blocks = list(all_blocks(layout.steps))
    return Outline(
        tuple(layout.nodes),
        tuple(layout.edges),
        layout.start or "",
        broken=not layout.whole,
        steps=layout.steps,
        gates=frozenset(gate for block in blocks for gate in (block.fork, block.join)),
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[object, object]:
    return value if isinstance(value, dict) else {}


class _Nodes:
    """Reads nodes. Makes a model of a node that has no model so far and no fault."""

    def __init__(self, model: type[NodeSpec], faulty: set[DocumentPath]) -> None:
        self._model = model
        self._faulty = faulty

    def __call__(
        self, index: int, path: DocumentPath, row: DocumentPath, raw: Any, spec: NodeSpec | None
    ) -> NodePart | None:
        if spec is None and path not in self._faulty:
            spec = self._model.model_validate(raw)
        node_id = _dict(raw).get("id")
        if not isinstance(node_id, str) or not node_id:
            return None
        kind, batch = raw.get("type"), raw.get("batch")
        return NodePart(
            index,
            path,
            row,
            node_id,
            kind if isinstance(kind, str) else None,
            {key: value for key, value in _dict(raw.get("params")).items() if isinstance(key, str)},
            None if batch is None else _item_name(batch),
            raw.get("loop") is not None,
            spec,
            _next(raw.get("next")),
        )


def _next(raw: object) -> dict[str, tuple[str, ...]]:
    return {
        action: tuple(one for one in _several(target) if isinstance(one, str))
        for action, target in _dict(raw).items()
        if isinstance(action, str) and isinstance(target, (str, list, type(None)))
    }


def _several(target: object) -> list[object]:
    return target if isinstance(target, list) else [target]


def _by_id(nodes: list[NodePart]) -> dict[str, NodePart]:
    """The nodes by id; of several with one id, the first."""
    by_id: dict[str, NodePart] = {}
    for node in nodes:
        by_id.setdefault(node.id, node)
    return by_id


def _item_name(batch: object) -> str:
    name = _dict(batch).get("as", DEFAULT_ITEM_NAME)
    return name if isinstance(name, str) else DEFAULT_ITEM_NAME


def _edge(index: int, raw: object) -> EdgePart | None:
    edge = _dict(raw)
    source, target, action = edge.get("from"), edge.get("to"), edge.get("action", DEFAULT_ACTION)
    if not (isinstance(source, str) and isinstance(target, str) and isinstance(action, str)):
        return None
    group = edge.get("parallel_group")
    group = group if isinstance(group, str) else None
    return EdgePart(("edges", index), source, target, action, "action" in edge, group)


def _inputs(raw: dict[object, object], faulty: set[DocumentPath]) -> dict[str, InputSpec | None]:
    return {
        name: None if ("inputs", name) in faulty else InputSpec.model_validate(value)
        for name, value in raw.items()
        if isinstance(name, str)
    }


def _outputs(raw: dict[Any, object], faulty: set[DocumentPath]) -> dict[str, OutputSpec]:
    good = {name: value for name, value in raw.items() if ("outputs", name) not in faulty}
    return {name: OutputSpec.model_validate(value) for name, value in good.items()}
