"""A draft and the node types together: every problem of a document at once, or its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchmill.errors import BrokenNodeType, InvalidDocument, UnknownNodeType
from batchmill.graph.outputs import key_faults
from batchmill.graph.params import param_faults, param_sites
from batchmill.graph.plan import Plan, compile_plan
from batchmill.graph.pricing import is_bounded, price_faults
from batchmill.graph.sub_documents import Examined, SubDocuments, input_faults, note_interface
from batchmill.graph.sub_workflow import SubWorkflow
from batchmill.ir.faults import Fault, did_you_mean
from batchmill.ir.loading import Draft
from batchmill.ir.parts import NodePart
from batchmill.ir.references import Site, sites_in, used_roots
from batchmill.ir.services import Tables, tables_of
from batchmill.ir.validate import Validation, validate
from batchmill.nodes import Node
from batchmill.nodes.registry import Registry
from batchmill.nodes.workflow import WorkflowNode


def check(draft: Draft, registry: Registry) -> Plan:
    """The plan of a document. Raises :class:`InvalidDocument` with every problem in it, in text order, and
    after those the problems of its sub-workflows that are files.

    Nothing is run. Code that the document names is imported only where a node's ``type`` is written as
    ``module:Class``.
    """
    checking = _Checking(registry)
    found = checking.examine(draft, checking.documents.begin(draft))
    problems = (*draft.problems(found.faults), *checking.documents.problems)
    if problems or found.plan is None:
        raise InvalidDocument(problems, draft.source)
    return found.plan


class _Checking:
    """One document on its way to a plan, with the sub-workflows inside."""

    def __init__(self, registry: Registry) -> None:
        self.documents = SubDocuments()
        self._registry = registry
        self._tables = Tables()  # of the document that the next one is part of
        self._bounded = False  # whether a budget around the next one is in dollars

    def examine(self, draft: Draft, whole: SubWorkflow) -> Examined:
        """The faults of one document, and its plan where there are none; ``whole`` is given either."""
        validation = validate(draft)
        note_interface(whole, validation.outline)
        around, bounded = self._tables, self._bounded
        tables, faults = _tables(validation, draft, around)
        types, unknown = _types(validation, self._registry, tables)
        self._tables, self._bounded = tables or around, bounded or is_bounded(validation.workflow)
        subs, more = self._subs(validation, types, draft)
        faults += price_faults(validation.outline, types, tables, bounded=self._bounded)
        self._tables, self._bounded = around, bounded
        faults += [*unknown, *validation.faults, *more, *_param_and_reference_faults(validation, types, subs)]
        if faults or draft.faults or validation.workflow is None or validation.graph is None:
            return Examined(None, tuple(faults))
        folder = str(draft.folder.resolve()) if draft.is_file else None
        graph, outline = validation.graph, validation.outline
        whole.plan = compile_plan(validation.workflow, outline, graph, types, subs, draft.source, folder)
        return Examined(whole.plan, ())

    def _subs(
        self, validation: Validation, types: Mapping[str, type[Node]], draft: Draft
    ) -> tuple[dict[str, SubWorkflow], list[Fault]]:
        """The sub-workflow of each node that runs one, by node id."""
        subs: dict[str, SubWorkflow] = {}
        faults: list[Fault] = []
        for node in validation.outline.nodes:
            if types.get(node.id) is not WorkflowNode:
                continue
            bounded, self._bounded = self._bounded, self._bounded or is_bounded(node.spec)
            sub, found = self.documents.of(node, draft, self.examine)
            self._bounded = bounded
            faults += found
            if sub is not None:
                subs[node.id] = sub
                faults += input_faults(node, sub)
        return subs, faults


def _tables(validation: Validation, draft: Draft, around: Tables) -> tuple[Tables | None, list[Fault]]:
    """What node types may read of the document and of those around it; None where that cannot be said."""
    if validation.workflow is None:
        return None, []
    tables, faults = tables_of(validation.workflow, draft.folder)
    return None if faults else tables.within(around), faults


def _types(
    validation: Validation, registry: Registry, tables: Tables | None
) -> tuple[dict[str, type[Node]], list[Fault]]:
    """The class of each node whose type is known, by node id."""
    types: dict[str, type[Node]] = {}
    faults: list[Fault] = []
    for node in validation.outline.nodes:
        if not node.type:
            continue
        try:
            kind = registry.get(node.type)
            types[node.id] = kind if tables is None else kind.of_document(tables)
        except UnknownNodeType:
            faults.append(_unknown_type(node, node.type, registry))
        except BrokenNodeType as error:
            faults.append(Fault((*node.path, "type"), str(error)))
    return types, faults


def _unknown_type(node: NodePart, name: str, registry: Registry) -> Fault:
    path = (*node.path, "type")
    hint = did_you_mean(name, registry.names()) or "`batchmill nodes` lists all"
    return Fault(path, f"there is no node type `{name}`", hint)


def _param_and_reference_faults(
    validation: Validation, types: Mapping[str, type[Node]], subs: Mapping[str, SubWorkflow]
) -> list[Fault]:
    sites: list[Site] = []
    faults: list[Fault] = []
    unreadable: list[Fault] = []
    for node in validation.outline.nodes:
        if node.id not in types:  # which params take templates is not known, that names are used is
            sites_of_node, _ = sites_in(dict(node.params), (*node.path, "params"), node, "params")
        else:
            sites_of_node, broken = param_sites(node, types[node.id])
            unreadable += broken
            faults += param_faults(node, types[node.id], templates_readable=not broken)
        sites += sites_of_node
    for site in sites:
        faults += validation.references.faults(site)
    for site in (*validation.sites, *sites):
        faults += key_faults(site, validation.references, types, subs)
    if not unreadable:
        faults += _unused_inputs(validation, used_roots((*validation.sites, *sites)))
    return faults + unreadable


def _unused_inputs(validation: Validation, used: set[str]) -> Iterator[Fault]:
    outline = validation.outline
    taken = used | {name for name, output in outline.outputs.items() if output.source is None}
    for name, spec in outline.inputs.items():
        if spec is not None and spec.must_be_given and name not in taken:
            message = f"the input `{name}` is required and nothing uses it"
            yield Fault(("inputs", name), message, "refer to it, or remove it", on_key=True)
