"""The plan: what a checked document says is to be run, in the form the scheduler walks over.

A plan is structure only. Templates are compiled and nodes made by the steps that the scheduler builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from batchmill.ir.flow_graph import FlowGraph, edges_in_force
from batchmill.ir.models import InputSpec, NodeSpec, OutputSpec, Workflow
from batchmill.ir.outline import Outline
from batchmill.ir.streams import Stage, chains
from batchmill.nodes import Node

if TYPE_CHECKING:
    from batchmill.graph.sub_workflow import SubWorkflow  # which has a plan itself


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node of the document and the class of its type. ``index`` is its place in ``nodes``, from 0;
    ``sub`` the workflow that a ``workflow`` node runs."""

    index: int
    spec: NodeSpec
    kind: type[Node]
    sub: SubWorkflow | None = None

    @property
    def id(self) -> str:
        return self.spec.id


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to run, where it begins and what follows what.

    ``nodes`` has every node, those that no edge reaches included, in document order. ``successors``
    maps a node's id and an action to the id of the next node. ``backward`` are those of its keys whose
    edge closes a cycle; the scheduler caps how often it is taken. ``source`` is the document's name,
    ``import_folder`` where Python modules of it are found, None for a document that is no file. ``stages``
    are the chains of streaming batch nodes, by the id of their first node.
    """

    workflow: Workflow
    nodes: Mapping[str, PlannedNode]
    start: str
    successors: Mapping[tuple[str, str], str]
    backward: frozenset[tuple[str, str]] = frozenset()
    source: str = "document"
    import_folder: str | None = None
    stages: Mapping[str, tuple[Stage, ...]] = field(default_factory=dict)

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

    def follow(self, node: str, action: str) -> str | None:
        """The id of the node that follows ``node`` once it ended with ``action``; None where no edge says."""
        return self.successors.get((node, action))


def compile_plan(
    workflow: Workflow,
    outline: Outline,
    graph: FlowGraph,
    types: Mapping[str, type[Node]],
    subs: Mapping[str, SubWorkflow] | None = None,
    source: str = "document",
    import_folder: str | None = None,
) -> Plan:
    """The plan of a document without faults; ``types`` has the class of every node, by its id, ``subs`` the
    sub-workflows of those that run one."""
    inner = subs or {}
    nodes = {
        spec.id: PlannedNode(index, spec, types[spec.id], inner.get(spec.id))
        for index, spec in enumerate(workflow.nodes)
    }
    return Plan(
        workflow,
        nodes,
        graph.start,
        {(edge.source, edge.action): edge.target for edge in edges_in_force(outline)},
        frozenset((edge.source, edge.action) for edge in graph.backward),
        source=source,
        import_folder=import_folder,
        stages=chains(outline),
    )
