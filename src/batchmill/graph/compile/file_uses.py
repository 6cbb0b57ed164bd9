"""Compare the files that a document reads and writes with each other before anything runs.

Known by then are paths without templates and, once the inputs are known, those made of inputs. All other
files are compared while nodes run, by :class:`~batchmill.file_table.FileTable`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, Protocol

from batchmill.errors import TemplateError
from batchmill.file_table import OwnFile, OwnFiles, Use, place_of
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.ir.faults import DocumentPath, Fault
from batchmill.ir.flow_graph import FlowGraph
from batchmill.ir.models import NodeSpec
from batchmill.ir.parts import FINALLY, EdgePart
from batchmill.items.globbing import has_magic
from batchmill.template import Scope, compile_value

DOCUMENT = OwnFile("the document itself", Use.READ)

Kind = Literal["items", "reads", "results", "errors", "writes"]

_COLLECTED = ("results", "errors")
_SOURCES = ("lines", "jsonl", "csv", "parquet", "sqlite")
_PARAMS: dict[str, dict[str, Kind]] = {
    "read-file": {"file_path": "reads"},
    "write-file": {"file_path": "writes"},
    "copy-file": {"source_path": "reads", "dest_path": "writes"},
    "move-file": {"source_path": "reads", "dest_path": "writes"},
    "http": {"body_file": "reads"},
    "llm": {"replay_file": "reads"},
}
_DIFFER = "put something that differs between them into the path"


class NodeFiles(Protocol):
    """A node as far as its files are concerned."""

    @property
    def id(self) -> str: ...
    @property
    def path(self) -> DocumentPath: ...
    @property
    def spec(self) -> NodeSpec | None: ...


@dataclass(frozen=True, slots=True)
class FileUse:
    """A use of ``file`` by ``node``. ``path`` is the place in the document; ``outer`` is the node of this
    document in which it happens: the node itself, or one that runs a sub-workflow."""

    node: str
    outer: str
    path: DocumentPath
    file: str
    kind: Kind

    @property
    def words(self) -> str:
        """Its description in a message about another use of the file."""
        does = {
            "items": f"read by `{self.node}` for its items",
            "reads": f"read by `{self.node}`",
            "results": f"where `{self.node}` writes its results",
            "errors": f"where `{self.node}` writes its errors",
            "writes": f"written by `{self.node}`",
        }
        return does[self.kind]


def file_uses(
    nodes: Iterable[NodeFiles],
    subs: Mapping[str, SubPlan],
    known: Mapping[str, object],
    around: tuple[SubPlan, ...] = (),
) -> list[FileUse]:
    """The uses of files whose paths follow from the values in ``known``, including those in sub-workflows
    that run once. ``around`` are the enclosing workflows."""
    found: list[FileUse] = []
    for node in nodes:
        found += _own_uses(node, known)
        sub = subs.get(node.id)
        if sub is not None and not _repeats(node):
            found += _inner_uses(node, sub, around)
    return found


def file_faults(
    nodes: Iterable[NodeFiles],
    subs: Mapping[str, SubPlan],
    graph: FlowGraph | None,
    known: Mapping[str, object],
    own_files: OwnFiles,
) -> Iterator[Fault]:
    """Files that would be destroyed because they are both read and written, or written twice."""
    parts = list(nodes)
    precedes = _never if graph is None else _order(parts, graph)
    yield from _pairs(file_uses(parts, subs, known), precedes, own_files)
    for node in parts:
        rounds = "every round" if precedes(node.id, node.id) else ""
        if rounds:
            yield from _written_again(_own_uses(node, known), node, rounds)
        sub, often = subs.get(node.id), _repeats(node) or rounds
        if sub is not None and often:
            yield from _written_again(_inner_uses(node, sub), node, often)


def faults_of_plan(plan: Plan, known: Mapping[str, object], own_files: OwnFiles) -> list[Fault]:
    """:func:`file_faults` of a plan, once the values of its inputs are known."""
    edges = [EdgePart((), edge.source, edge.target, edge.action) for edge in plan.edges]
    graph = FlowGraph(plan.start, edges)
    return list(file_faults(plan.nodes.values(), _subs_of(plan), graph, known, own_files))


def planned_files(plan: Plan, known: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The files that results of batches are going to be written to, each with the node's address."""
    for use in file_uses(plan.nodes.values(), _subs_of(plan), known):
        if use.kind in _COLLECTED:
            yield use.file, use.node


def _subs_of(plan: Plan) -> dict[str, SubPlan]:
    return {name: node.sub for name, node in plan.nodes.items() if node.sub is not None}


def _order(parts: Iterable[NodeFiles], graph: FlowGraph) -> Callable[[str, str], bool]:
    """Whether one node may have run when another begins; those of ``finally`` come last, in their order."""
    finals = [node.id for node in parts if node.path[:1] == (FINALLY,)]
    place = {name: number for number, name in enumerate(finals)}

    def precedes(first: str, second: str) -> bool:
        if first in place or second in place:
            return second in place and place.get(first, -1) < place[second]
        return graph.can_precede(first, second)

    return precedes


def _never(first: str, second: str) -> bool:
    return False


def _repeats(node: NodeFiles) -> str:
    """In words, what a node does again and again; empty if it runs once."""
    if node.spec is None or (node.spec.batch is None and node.spec.loop is None):
        return ""
    return "every item" if node.spec.batch is not None else "every round"


def _own_uses(node: NodeFiles, known: Mapping[str, object]) -> Iterator[FileUse]:
    for kind, path, written in _written(node):
        file = _resolved(written, known)
        if file is not None:
            yield FileUse(node.id, node.id, path, file, kind)


def _written(node: NodeFiles) -> Iterator[tuple[Kind, DocumentPath, object]]:
    """Every path that the node names, as written."""
    spec = node.spec
    if spec is None:
        return
    if spec.batch is not None:
        batch, at = spec.batch, (*node.path, "batch")
        source = {batch.items_kind: batch.items_value}
        yield from _items_files((*at, "items"), source)
        form = batch.collect_file.form if batch.collect_file is not None else ""
        yield "results", (*at, "collect", form), batch.results_path
        yield "errors", (*at, "collect", "errors"), batch.errors_path
    for number, path in enumerate(spec.files):
        yield "reads", (*node.path, "files", number), path
    for name, kind in _PARAMS.get(spec.type, {}).items():
        yield kind, (*node.path, "params", name), spec.params.get(name)


def _items_files(at: DocumentPath, source: Mapping[str, Any]) -> Iterator[tuple[Kind, DocumentPath, object]]:
    """The files of a source that are named one by one. A pattern is matched later, when it is read, and skips
    the files that the run writes."""
    for kind, written in source.items():
        if kind in ("product", "zip"):
            for name, side in written.items():
                if isinstance(side, dict):
                    yield from _items_files((*at, kind, name), side)
        elif kind in _SOURCES:
            for place, path in _each_path((*at, kind), written):
                if isinstance(path, str) and (kind == "sqlite" or "${" in path or not has_magic(path)):
                    yield "items", place, path


def _each_path(at: DocumentPath, written: object) -> Iterator[tuple[DocumentPath, object]]:
    if not isinstance(written, list):
        yield at, written
        return
    for number, path in enumerate(written):
        yield (*at, number), path


def _resolved(written: object, known: Mapping[str, object]) -> str | None:
    """The file that a path leads to; None if unknown so far."""
    if not isinstance(written, str):
        return None
    try:
        compiled = compile_value(written)
        if any(path.root not in known for path in compiled.references):
            return None
        path = compiled.resolve(Scope(known))
    except TemplateError:  # told elsewhere
        return None
    return os.path.expanduser(path) if isinstance(path, str) and path and "\0" not in path else None


def _inner_uses(node: NodeFiles, sub: SubPlan, around: tuple[SubPlan, ...] = ()) -> Iterator[FileUse]:
    """The file uses of a sub-workflow's nodes, as far as they do not depend on its inputs."""
    plan = sub.compiled
    if plan is not None and sub not in around:
        for use in file_uses(plan.nodes.values(), _subs_of(plan), {}, (*around, sub)):
            path = (*node.path, "params", "workflow")
            yield replace(use, node=f"{node.id}.{use.node}", outer=node.id, path=path)


def _pairs(uses: list[FileUse], precedes: Callable[[str, str], bool], own_files: OwnFiles) -> Iterator[Fault]:
    seen: defaultdict[object, list[FileUse | OwnFile]] = defaultdict(list)
    for file, own in own_files.items():
        for key in _keys(file):
            seen[key].append(own)
    for use in uses:
        keys = _keys(use.file)
        others = list({id(one): one for one in chain.from_iterable(seen[key] for key in keys)}.values())
        fault = next(filter(None, (_conflict(one, use, precedes) for one in others)), None)
        if fault is not None:
            yield fault
        for key in keys:
            seen[key].append(use)


def _keys(file: str) -> tuple[object, ...]:
    """Keys that are equal for two paths of the same file."""
    place = place_of(file)
    return () if place is None else tuple(key for key in place if key)


def _conflict(one: FileUse | OwnFile, other: FileUse, precedes: Callable[[str, str], bool]) -> Fault | None:
    if isinstance(one, OwnFile):
        if other.kind in ("items", "reads") and one.use is not Use.AT_THE_END:
            return None
        return _fault(other, one.words)
    if one.outer == other.outer and one.node != one.outer != other.node:
        return None  # both in one sub-workflow, which is looked at by itself
    for use, rest in ((other, one), (one, other)):
        if use.kind in _COLLECTED and rest.kind in (*_COLLECTED, "writes"):
            return _fault(use, rest.words)
        if use.kind in _COLLECTED and not _after(rest, use, precedes):
            return _fault(use, rest.words)
        if use.kind == "writes" and rest.kind == "items" and use.node == rest.node:
            return _fault(use, rest.words)
    return None


def _after(reader: FileUse, writer: FileUse, precedes: Callable[[str, str], bool]) -> bool:
    """Whether a node reads what another has written before."""
    return precedes(writer.outer, reader.outer) and not precedes(reader.outer, writer.outer)


def _fault(use: FileUse, words: str) -> Fault:
    return Fault(use.path, f"`{use.file}` is also {words}", "write to another file")


def _written_again(uses: Iterable[FileUse], node: NodeFiles, often: str) -> Iterator[Fault]:
    """Files of results that are rewritten in every round or run."""
    for use in uses:
        if use.kind in _COLLECTED:
            message = f"`{use.file}` is where `{use.node}` writes, {often} of `{node.id}` anew"
            yield Fault(use.path, message, _DIFFER)
