"""The plan: what a checked document runs, in the form that the scheduler works with.

A plan is structure only. The steps that the scheduler builds compile templates and make nodes. Both ways to
write a graph, nodes with edges and a pipeline, become the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from batchmill.graph.compile.node import PlannedNode
from batchmill.ir.faults import DocumentPath
from batchmill.ir.flow_graph import FlowGraph, Loop, edges_in_force
from batchmill.ir.models import InputSpec, OutputSpec, Workflow
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart
from batchmill.ir.pipeline import PipelineStep
from batchmill.ir.reaching import reached
from batchmill.ir.streams import Stage, chains
from batchmill.nodes import Node
from batchmill.warned import Warned

if TYPE_CHECKING:
    from batchmill.graph.compile.sub_plan import SubPlan  # which has a plan itself


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
class InputSettings:
    """The settings of the document ``raw`` that are templates of its inputs, by their places; ``inputs`` are
    those."""

    raw: Any
    templates: Mapping[DocumentPath, str]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The nodes to run, the start and the edges.

    - ``nodes``: every node in document order, also those that no edge reaches. ``edges``: every edge.
    - ``start``: the id of a node or the name of a gate. ``loops``: the loops of the backward edges.
    - ``steps``: the steps of a ``pipeline`` as a tree. ``gates``: the names of the places where its blocks
      begin and end: they are among the edges like nodes that do nothing.
    - ``source``: the document's name. ``import_folder``: the folder of its Python modules, None if it is no
      file.
    - ``stages``: the chains of streaming batch nodes, by the id of their first node.
    - ``warnings``: those of the document and of its sub-workflows.
    - ``finals``: the ids of the nodes that always run at the end, in that order; no edge joins them.
    - ``settings``: those that depend on the inputs, None if none do.
    - ``whole``: the plan of which this one is a part, None if it is no part.
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
    settings: InputSettings | None = None
    whole: Plan | None = None

    @property
    def left_out(self) -> frozenset[str]:
        """The ids of the document's nodes that are not in this part."""
        return frozenset(self.whole.nodes if self.whole is not None else ()) - self.nodes.keys()

    def all_plans(self) -> list[Plan]:
        """This plan and those of all sub-workflows inside, each once, this one first."""
        plans = {id(self): self}

        def inside(plan: int) -> list[int]:
            inner = [node.sub.plan for node in plans[plan].nodes.values() if node.sub is not None]
            plans.update((id(one), one) for one in inner)
            return list(map(id, inner))

        return [plans[found] for found in reached([id(self)], inside)]

    def import_folders(self) -> list[str]:
        """Its own import folder and those of all sub-workflows inside, each once, its own first."""
        folders = [plan.import_folder for plan in self.all_plans() if plan.import_folder is not None]
        return list(dict.fromkeys(folders))

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
        """The edges out of each node and gate, in the order written; empty for those without."""
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

        def steps(name: str) -> Iterator[str]:
            return (edge.target for edge in self.leaving.get(name, ()) if not edge.dead)

        found = reached([self.start], steps)
        return frozenset(self.nodes) - frozenset(found) - frozenset(self.finals)

    def follow(self, node: str, action: str) -> tuple[str, ...]:
        """The names of the successors of ``node`` after the action ``action``; none if no edge has it."""
        return tuple(edge.target for edge in self.leaving.get(node, ()) if edge.action == action)

    def behind(self, name: str) -> tuple[str, ...]:
        """The node called ``name``, or the next nodes after the gate of that name."""
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
    subs: Mapping[str, SubPlan] | None = None,
    source: str = "document",
    import_folder: str | None = None,
    dead: Iterable[EdgePart] = (),
) -> Plan:
    """The plan of a document without faults; ``types`` has the class of every node, by its id, ``subs`` the
    sub-workflows of those that run one; ``dead`` are the edges that cannot be taken."""
    backward = {id(edge) for edge in graph.backward}
    never = set(map(id, dead))
    inner = subs or {}
    stay = not any(kind.removes for kind in types.values())
    return Plan(
        workflow,
        {
            node.id: PlannedNode(node.index, node.spec, types[node.id], inner.get(node.id), node.path, stay)
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
