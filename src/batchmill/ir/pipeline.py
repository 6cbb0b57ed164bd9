"""A pipeline as nodes and edges: steps follow one another, blocks begin and end in gates.

A block of branches becomes a fan-out from a gate, its *fork*, and a fan-in at another, its *join*. Gates are
nodes that do nothing. With them, the steps before and after a block need no edge to each branch, and a block
can stand at the beginning, at the end, and right after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from batchmill.ir.faults import DocumentPath
from batchmill.ir.models import OnError, Parallel, PipelineNode
from batchmill.ir.parts import DEFAULT_ACTION, EdgePart, NodePart

FORK, JOIN = ":fork", ":join"  # no node's id has a colon


@dataclass(frozen=True, slots=True)
class BranchBlock:
    """A block of branches. Each branch is a row of steps; a step is the id of a node or a block.

    ``name`` is derived from its place in the document; ``fork`` and ``join`` are the gates around it.
    """

    path: DocumentPath
    on_error: OnError
    branches: tuple[tuple[PipelineStep, ...], ...]

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def fork(self) -> str:
        return self.name + FORK

    @property
    def join(self) -> str:
        return self.name + JOIN


PipelineStep = str | BranchBlock

ReadNode = Callable[[int, DocumentPath, DocumentPath, Any, PipelineNode | None], NodePart | None]
"""Reads one node: its number, path, the path of its row, what is written, and its model if there is one."""


@dataclass(slots=True)
class Layout:
    """The parts of a pipeline. ``whole`` says that all of it was readable."""

    nodes: list[NodePart] = field(default_factory=list)
    edges: list[EdgePart] = field(default_factory=list)
    steps: tuple[PipelineStep, ...] = ()
    whole: bool = True

    @property
    def start(self) -> str | None:
        """Where the run begins: a node, or the gate of a block."""
        first = self.steps[0] if self.steps else None
        return first.fork if isinstance(first, BranchBlock) else first


def all_blocks(steps: tuple[PipelineStep, ...]) -> Iterator[BranchBlock]:
    """Every block among ``steps`` and inside them, outer ones first."""
    for step in steps:
        if isinstance(step, BranchBlock):
            yield step
            for branch in step.branches:
                yield from all_blocks(branch)


def lay_out(raw: object, read_node: ReadNode, models: list[PipelineNode | Parallel] | None) -> Layout:
    """The nodes and edges of a raw pipeline; ``models`` are its steps where it has no faults."""
    layout = Layout()
    reading = _Reading(layout, read_node)
    steps = reading.row(raw, ("pipeline",), models)
    if steps:
        reading.jumps(steps[-1])
    layout.steps = _ids(steps)
    return layout


class _Reading:
    """One reading of a pipeline into a layout."""

    def __init__(self, layout: Layout, read_node: ReadNode) -> None:
        self._layout = layout
        self._read_node = read_node

    def row(self, raw: object, path: DocumentPath, models: Any) -> list[NodePart | BranchBlock]:
        """The steps of a list, with the edges from each to the next."""
        if not isinstance(raw, list):
            self._layout.whole = False
            return []
        pairs = zip(raw, [None] * len(raw) if models is None else models, strict=True)
        read = [self._step(one, (*path, place), path, model) for place, (one, model) in enumerate(pairs)]
        steps = [step for step in read if step is not None]
        for step, following in pairwise(steps):
            self._edges_out(step, _begin(following))
        return steps

    def _branch(self, raw: object, path: DocumentPath, model: object) -> list[NodePart | BranchBlock]:
        if isinstance(raw, list):
            return self.row(raw, path, model)
        step = self._step(raw, path, path, model)
        return [] if step is None else [step]

    def _step(
        self, raw: object, path: DocumentPath, row: DocumentPath, model: Any
    ) -> NodePart | BranchBlock | None:
        if isinstance(raw, dict) and "parallel" in raw:
            return self._block(raw, path, model)
        node = self._read_node(len(self._layout.nodes), path, row, raw, model)
        if node is None:
            self._layout.whole = False
            return None
        self._layout.nodes.append(node)
        return node

    def _block(
        self, raw: dict[object, object], path: DocumentPath, model: Parallel | None
    ) -> BranchBlock | None:
        branches, place = raw["parallel"], (*path, "parallel")
        if not isinstance(branches, list):
            self._layout.whole = False
            return None
        pairs = zip(branches, [None] * len(branches) if model is None else model.parallel, strict=True)
        read = [self._branch(one, (*place, number), inside) for number, (one, inside) in enumerate(pairs)]
        rows = [row for row in read if row]
        on_error: OnError = "continue" if raw.get("on_error") == "continue" else "fail_fast"
        block = BranchBlock(path, on_error, tuple(map(_ids, rows)))
        for row in rows:
            self._layout.edges.append(EdgePart(path, block.fork, _begin(row[0])))
            self._edges_out(row[-1], block.join)
        return block

    def _edges_out(self, step: NodePart | BranchBlock, following: str) -> None:
        """The edges out of a step: to the next step by default, or where it says."""
        if isinstance(step, BranchBlock):
            self._layout.edges.append(EdgePart(step.path, step.join, following))
            return
        if DEFAULT_ACTION not in step.next:
            self._layout.edges.append(EdgePart(step.path, step.id, following))
        self.jumps(step)

    def jumps(self, node: NodePart | BranchBlock) -> None:
        """The edges that a node's ``next`` makes."""
        if isinstance(node, BranchBlock):
            return
        for action, targets in node.next.items():
            for target in targets:
                path = (*node.path, "next", action)
                self._layout.edges.append(EdgePart(path, node.id, target, action, written=True))


def _begin(step: NodePart | BranchBlock) -> str:
    return step.fork if isinstance(step, BranchBlock) else step.id


def _ids(steps: list[NodePart | BranchBlock]) -> tuple[PipelineStep, ...]:
    return tuple(step if isinstance(step, BranchBlock) else step.id for step in steps)
