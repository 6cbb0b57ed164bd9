"""All checks of a document that need no node types, at once.

The meaning of node params depends on the type, so :mod:`batchmill.graph.compile.check` continues from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchmill.errors import Problem
from batchmill.ir.defaults import CompletedDocument, completed
from batchmill.ir.faults import Fault
from batchmill.ir.flow_graph import FlowGraph, flow_graph
from batchmill.ir.loading import Draft
from batchmill.ir.models import Workflow, read_workflow
from batchmill.ir.outline import Outline, outline_of
from batchmill.ir.parts import NodePart
from batchmill.ir.references import ReferenceCheck, Site, SiteKind, sites_in
from batchmill.ir.rules.cluster import cluster_faults
from batchmill.ir.rules.edges import backward_faults, edge_faults
from batchmill.ir.rules.interface import interface_faults
from batchmill.ir.rules.limits import limit_faults
from batchmill.ir.rules.loops import loop_faults
from batchmill.ir.rules.names import name_faults
from batchmill.ir.rules.nodes import node_faults
from batchmill.ir.rules.secrets import secret_faults
from batchmill.ir.rules.streams import stream_faults
from batchmill.ir.settled import Settled, settle
from batchmill.values.words import kind_of


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of the checks: ``workflow`` is None if the structure is invalid.

    ``faults`` have no place in the text so far; :meth:`problems` adds it. ``sites`` are the templates outside
    params; ``references`` checks those inside in the same way. ``graph`` is None if nodes or edges are
    invalid. ``completed`` is the raw document with its defaults in its nodes, ``settled`` the result for the
    settings that are templates of inputs.
    """

    draft: Draft
    workflow: Workflow | None
    outline: Outline
    graph: FlowGraph | None
    references: ReferenceCheck
    sites: tuple[Site, ...]
    faults: tuple[Fault, ...]
    completed: CompletedDocument
    settled: Settled

    def problems(self) -> tuple[Problem, ...]:
        """Every problem with its line and column, in text order, including those of reading the text."""
        return self.draft.problems(self.placed(self.faults))

    def placed(self, faults: Iterable[Fault]) -> list[Fault]:
        """Faults at the places where their values are written, without those of settings that have no value
        so far."""
        written = (self.completed.placed(fault) for fault in faults)
        return [told for fault in written if (told := self.settled.explained(fault)) is not None]


def validate(draft: Draft, inputs: Mapping[str, object] | None = None) -> Validation:
    """Check a document's structure, names, edges, and the references outside node params; ``inputs`` are
    those of a run, if known."""
    if not isinstance(draft.raw, dict):
        fault = Fault((), f"a document is an object, not {kind_of(draft.raw)}", "begin it with `nodes`")
        outline = Outline(broken=True)
        references = ReferenceCheck(outline, None)
        return Validation(
            draft,
            None,
            outline,
            None,
            references,
            (),
            (fault,),
            CompletedDocument(draft.raw),
            Settled(draft.raw),
        )
    settled = settle(draft.raw, inputs)
    whole = completed(settled.raw)
    workflow, faults = read_workflow(whole.raw)
    outline = outline_of(whole.raw, faults, workflow)
    graph = flow_graph(outline)
    faults += _rule_faults(outline, graph)
    faults += limit_faults(outline, settled.raw.get("budget"))
    faults += cluster_faults(draft.raw.get("cluster"))
    faults += secret_faults(outline, draft.raw.get("secret_hosts"))
    sites, unreadable = _sites(outline)
    references = ReferenceCheck(outline, graph)
    faults += unreadable
    for site in sites:
        faults += references.faults(site)
    faults += settled.faults
    return Validation(
        draft, workflow, outline, graph, references, tuple(sites), tuple(faults), whole, settled
    )


def _rule_faults(outline: Outline, graph: FlowGraph | None) -> list[Fault]:
    faults = [*name_faults(outline), *edge_faults(outline)]
    if graph is not None:
        faults += [*backward_faults(graph), *loop_faults(graph), *stream_faults(outline, graph)]
    for node in outline.all_nodes:
        faults += node_faults(node)
    return [*faults, *interface_faults(outline)]


def _sites(outline: Outline) -> tuple[list[Site], list[Fault]]:
    found = [_node_sites(node) for node in outline.all_nodes]
    for name, output in outline.outputs.items():
        if output.source is not None:
            found.append(sites_in(output.source, ("outputs", name, "source"), None, "output"))
        elif name in outline.by_id:
            found.append(sites_in(output.template(name), ("outputs", name), None, "output"))
    return [site for sites, _ in found for site in sites], [fault for _, faults in found for fault in faults]


def _node_sites(node: NodePart) -> tuple[list[Site], list[Fault]]:
    sites: list[Site] = []
    faults: list[Fault] = []
    if node.spec is not None and node.spec.batch is not None:
        batch = node.spec.batch
        sites, faults = sites_in(batch.where, (*node.path, "batch", "where"), node, "params")
        path = (*node.path, "batch", "items")
        inner = path if batch.items_kind in ("reference", "list") else (*path, batch.items_kind)
        for place, written in ((inner, batch.items_value), (path, batch.items_templates)):
            more, unreadable = sites_in(written, place, node, "items")
            sites, faults = sites + more, faults + unreadable
        if (to := batch.collect_file) is not None:
            at = (*node.path, "batch", "collect")
            for key, written in (
                (to.form, to.path),
                ("errors", to.errors),
                ("select", dict(to.select or {})),
            ):
                kind: SiteKind = "select" if key == "select" else "items"
                more, unreadable = sites_in(written, (*at, key), node, kind)
                sites, faults = sites + more, faults + unreadable
    if node.spec is not None and node.spec.when is not None:
        more, unreadable = sites_in(node.spec.when, (*node.path, "when"), node, "params")
        sites, faults = sites + more, faults + unreadable
    if node.spec is not None and node.spec.files:
        more, unreadable = sites_in(node.spec.files, (*node.path, "files"), node, "params")
        sites, faults = sites + more, faults + unreadable
    if node.spec is not None and isinstance(node.spec.keep, dict):
        more, unreadable = sites_in(node.spec.keep.get("to"), (*node.path, "keep", "to"), node, "params")
        sites, faults = sites + more, faults + unreadable
    if node.spec is not None and node.spec.loop is not None:
        loop = node.spec.loop
        parts = {"while": loop.while_, "until": loop.until, "carry": loop.carry}
        more, unreadable = sites_in(parts, (*node.path, "loop"), node, "loop")
        sites, faults = sites + more, faults + unreadable
    return sites, faults
