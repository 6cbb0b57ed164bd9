"""The plan: what a checked document says is to be run, in the form the scheduler works with.

A plan is structure only. Templates are compiled and nodes made by the steps that the scheduler builds.
Both ways to write a graph, nodes with edges and a pipeline, become the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from batchmill.ir.faults import DocumentPath
from batchmill.ir.flow_graph import FlowGraph, Loop, edges_in_force
from batchmill.ir.models import InputSpec, NodeSpec, OutputSpec, Workflow
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart
from batchmill.ir.pipeline import PipelineStep
from batchmill.ir.streams import Stage, chains
from batchmill.nodes import Node
from batchmill.warned import Warned

if TYPE_CHECKING:
    from batchmill.graph.sub_workflow import SubWorkflow  # which has a plan itself


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node of the document and the class of its type. ``index`` counts the nodes in document order, from
    0; ``sub`` is the workflow that a ``workflow`` node runs, ``path`` the node's place in the document."""

    index: int
    spec: NodeSpec
    kind: type[Node]
    sub: SubWorkflow | None = None
    path: tuple[str | int, ...] = ()

    @property
    def id(self) -> str:
        return self.spec.id


@dataclass(frozen=True, slots=True)
class PlannedEdge:
    """An edge between two nodes or gates. ``backward`` says that it closes a cycle, ``dead`` that its node
    cannot end with its action."""

    source: str
    action: str
    target: str
    backward: bool = False
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the document ``raw`` that are templates of its inputs, by their places; ``inputs`` are
    those."""

    raw: Any
    templates: Mapping[DocumentPath, str]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What there is to run, where it begins and what follows what.

    ``nodes`` has every node, those that no edge reaches included, in document order. ``edges`` has every
    edge. ``start`` is the id of a node or the name of a gate. ``loops`` are what the backward edges go
    round. Of a document with a ``pipeline``, ``steps`` are its steps as a tree, and ``gates`` the names
    of the places where its blocks begin and end: they stand among the edges like nodes that do nothing.
    ``source`` is the document's name, ``import_folder`` where Python modules of it are found, None for a
    document that is no file. ``stages`` are the chains of streaming batch nodes, by the id of their first
    node. ``warnings`` are those of the document and of the sub-workflows in it. ``finals`` are the ids of
    the nodes that run at the end whatever happened, in that order; no edge joins them.
    ``settings`` are those that depend on the inputs, None where there are none.
    ``whole`` is the plan of which this one is a part, None where it is all there is.
    """

    workflow: Workflow
    nodes: Mapping[str, PlannedNode]
    start: str
    edges: tuple[PlannedEdge, ...]
    order: tuple[str, ...] = ()
    loops: tuple[Loop, ...] = ()
    steps: tuple[PipelineStep, ...] = ()
    gates: frozenset[str] = frozenset()
    source: str = "document"
    import_folder: str | None = None
    stages: Mapping[str, tuple[Stage, ...]] = field(default_factory=dict)
    warnings: tuple[Warned, ...] = ()
    finals: tuple[str, ...] = ()
    settings: Settings | None = None
    whole: Plan | None = None

    @property
    def left_out(self) -> frozenset[str]:
        """The ids of the nodes of the document that are no part of what is run."""
        return frozenset(self.whole.nodes if self.whole is not None else ()) - self.nodes.keys()

    @property
    def files_stay(self) -> bool:
        """Whether no node takes away files that others have written."""
        whole = self if self.whole is None else self.whole
        return not any(node.kind.removes for node in whole.nodes.values())

    def import_folders(self) -> list[str]:
        """Its own import folder and those of all sub-workflows inside, each once, its own first."""
        folders: dict[str, None] = {}
        waiting, seen = [self], {id(self)}
        while waiting:
            plan = waiting.pop(0)
            if plan.import_folder is not None:
                folders.setdefault(plan.import_folder)
            inner = [node.sub.plan for node in plan.nodes.values() if node.sub is not None]
            waiting += [one for one in inner if id(one) not in seen]
            seen.update(map(id, inner))
        return list(folders)

    @property
    def inputs(self) -> Mapping[str, InputSpec]:
        return self.workflow.inputs

    @property
    def outputs(self) -> Mapping[str, OutputSpec]:
        return self.workflow.outputs

    @property
    def mode(self) -> Literal["strict", "permissive"]:
        return self.workflow.template_resolution_mode

    @cached_property
    def leaving(self) -> Mapping[str, tuple[PlannedEdge, ...]]:
        """The edges out of each node and gate, in the order they are written; nothing for those without."""
        found: dict[str, list[PlannedEdge]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return {name: tuple(edges) for name, edges in found.items()}

    @cached_property
    def branches(self) -> bool:
        """Whether nodes may run at the same time: some node or gate has several edges with one action."""
        return any(len({edge.action for edge in edges}) < len(edges) for edges in self.leaving.values())

    @cached_property
    def crowded(self) -> bool:
        """Whether several nodes may be at work at once: in branches, as stages, or inside the items of a
        batch that runs a sub-workflow."""
        inner = any(node.sub is not None for node in self.nodes.values())
        return self.branches or bool(self.stages) or inner

    @cached_property
    def never(self) -> frozenset[str]:
        """The ids of the nodes that can never run: no edge that can be taken leads to them."""
        found, waiting = {self.start}, [self.start]
        while waiting:
            for edge in self.leaving.get(waiting.pop(), ()):
                if not edge.dead and edge.target not in found:
                    found.add(edge.target)
                    waiting.append(edge.target)
        return frozenset(name for name in self.nodes if name not in found and name not in self.finals)

    def follow(self, node: str, action: str) -> tuple[str, ...]:
        """The names of what follows ``node`` once it ended with ``action``; none where no edge says."""
        return tuple(edge.target for edge in self.leaving.get(node, ()) if edge.action == action)

    def behind(self, name: str) -> tuple[str, ...]:
        """The node called ``name``, or the nodes that stand next behind the gate of that name."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in self.gates:
                waiting += [edge.target for edge in self.leaving.get(name, ())][::-1]
            else:
                found[name] = None
        return tuple(found)


def compile_plan(
    workflow: Workflow,
    outline: Outline,
    graph: FlowGraph,
    types: Mapping[str, type[Node]],
    subs: Mapping[str, SubWorkflow] | None = None,
    source: str = "document",
    import_folder: str | None = None,
    dead: Iterable[EdgePart] = (),
) -> Plan:
    """The plan of a document without faults; ``types`` has the class of every node, by its id, ``subs`` the
    sub-workflows of those that run one; ``dead`` are the edges that cannot be taken."""
    backward = {id(edge) for edge in graph.backward}
    never = set(map(id, dead))
    inner = subs or {}
    return Plan(
        workflow,
        {
            node.id: PlannedNode(node.index, node.spec, types[node.id], inner.get(node.id), node.path)
            for node in outline.all_nodes
            if node.spec is not None
        },
        graph.start,
        tuple(
            PlannedEdge(edge.source, edge.action, edge.target, id(edge) in backward, id(edge) in never)
            for edge in edges_in_force(outline)
        ),
        tuple(graph.order),
        graph.loops,
        outline.steps,
        outline.gates,
        source=source,
        import_folder=import_folder,
        stages=chains(outline),
        finals=tuple(node.id for node in outline.finals),
    )
