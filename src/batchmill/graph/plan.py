"""The plan: what a checked document says is to be run, in the form the scheduler walks over.

A plan is structure only. Templates are compiled and nodes made by the steps that the scheduler builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from batchmill.ir.flow_graph import FlowGraph, edges_in_force
from batchmill.ir.models import InputSpec, NodeSpec, OutputSpec, Workflow
from batchmill.ir.outline import Outline
from batchmill.ir.streams import Stage, chains
from batchmill.nodes import Node


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node of the document and the class of its type. ``index`` is its place in ``nodes``, from 0."""

    index: int
    spec: NodeSpec
    kind: type[Node]

    @property
    def id(self) -> str:
        return self.spec.id


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to run, where it begins and what follows what.

    ``nodes`` has every node, those that no edge reaches included, in document order. ``successors``
    maps a node's id and an action to the id of the next node. ``backward`` are those of its keys whose
    edge closes a cycle; the scheduler caps how often it is taken. ``source`` and ``folder`` are the
    document's name and where its relative paths begin. ``stages`` are the chains of streaming batch nodes,
    by the id of their first node.
    """

    workflow: Workflow
    nodes: Mapping[str, PlannedNode]
    start: str
    successors: Mapping[tuple[str, str], str]
    backward: frozenset[tuple[str, str]] = frozenset()
    source: str = "document"
    folder: Path = field(default_factory=Path)
    stages: Mapping[str, tuple[Stage, ...]] = field(default_factory=dict)

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
    source: str = "document",
    folder: Path | None = None,
) -> Plan:
    """The plan of a document without faults; ``types`` has the class of every node, by its id."""
    nodes = {spec.id: PlannedNode(index, spec, types[spec.id]) for index, spec in enumerate(workflow.nodes)}
    return Plan(
        workflow,
        nodes,
        graph.start,
        {(edge.source, edge.action): edge.target for edge in edges_in_force(outline)},
        frozenset((edge.source, edge.action) for edge in graph.backward),
        source=source,
        folder=folder or Path(),
        stages=chains(outline),
    )
