"""Check a draft against the node types: every problem of a document at once, or its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from batchmill.errors import BrokenNodeType, InvalidDocument, UnknownNodeType
from batchmill.file_table import OwnFiles
from batchmill.graph.compile.file_uses import DOCUMENT, file_faults
from batchmill.graph.compile.misplaced import Beside, params_beside, with_lines_to_write
from batchmill.graph.compile.output_keys import key_faults, reserved_faults, select_faults
from batchmill.graph.compile.params import param_faults, param_sites
from batchmill.graph.compile.plan import InputSettings, Plan, compile_plan
from batchmill.graph.compile.pricing import is_bounded, price_faults
from batchmill.graph.compile.sub_documents import Examined, SubDocuments, input_faults, note_interface
from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.graph.compile.warnings.look import Looked, doubts_of
from batchmill.graph.compile.warnings.ways import Ways
from batchmill.ir.faults import Doubt, Fault, did_you_mean
from batchmill.ir.loading import Draft
from batchmill.ir.models.defaults import Defaults
from batchmill.ir.models.reading import PARAMS_FOR_ALL
from batchmill.ir.parts import NodePart
from batchmill.ir.quick_screening import no_collection
from batchmill.ir.references import Site, sites_in, used_roots
from batchmill.ir.services import Tables, tables_of
from batchmill.ir.validate import Validation, validate
from batchmill.nodes import Node
from batchmill.nodes.registry import Registry
from batchmill.nodes.workflow import WorkflowNode


@no_collection()
def check(draft: Draft, registry: Registry, inputs: Mapping[str, object] | None = None) -> Plan:
    """The plan of a document, with its warnings. Raises :class:`InvalidDocument` with every problem in it, in
    text order, followed by the problems of its sub-workflows that are files.

    ``inputs`` are those of a run, if known: settings that refer to them then have their values, and the plan
    is one for that run. Nothing runs. Code that the document names is imported only if a node's ``type`` is
    written as ``module:Class``.
    """
    checking = _Checking(registry, inputs)
    whole = checking.documents.begin(draft)
    found = checking.examine(draft, whole)
    problems = (*draft.problems(found.faults), *checking.documents.problems)
    warnings = (*draft.warnings(found.doubts), *checking.documents.warnings)
    if problems or found.plan is None:
        raise InvalidDocument(problems, draft.source, warnings)
    whole.plan = replace(found.plan, warnings=warnings)
    return whole.plan


class _Checking:
    """One document on its way to a plan, with the sub-workflows inside."""

    def __init__(self, registry: Registry, inputs: Mapping[str, object] | None) -> None:
        self.documents = SubDocuments()
        self._registry = registry
        self._inputs = inputs
        self._tables = Tables()  # of the document that the next one is part of
        self._bounded = False  # whether a budget around the next one is in dollars

    def examine(self, draft: Draft, whole: SubPlan) -> Examined:
        """The faults of one document, and its plan if there are none; ``whole`` is given either."""
        inputs, self._inputs = self._inputs, None  # those of the documents inside are known later
        validation = validate(draft, inputs)
        note_interface(whole, validation.outline)
        around, bounded = self._tables, self._bounded
        tables, faults = _tables(validation, draft, around)
        types, unknown = _types(validation, self._registry, tables)
        self._tables, self._bounded = tables or around, bounded or is_bounded(validation.workflow)
        subs, more, doubts = self._subs(validation, types, draft)
        faults += price_faults(validation.outline, types, tables, bounded=self._bounded)
        self._tables, self._bounded = around, bounded
        sites, unreadable = _param_sites(validation, types)
        beside = params_beside(validation.outline.all_nodes, types, validation.completed.raw)
        unknown += _types_of_defaults(validation, self._registry)
        faults += [
            *unknown,
            *with_lines_to_write(validation.faults, validation.outline.all_nodes, beside),
            *more,
        ]
        faults += _param_and_reference_faults(validation, types, subs, sites, unreadable, beside)
        faults += file_faults(validation.outline.all_nodes, subs, validation.graph, {}, _own_file(draft))
        ways = Ways(validation.outline, validation.graph, types) if validation.graph is not None else None
        every = (*validation.sites, *sites)
        doubts += doubts_of(Looked(validation, types, subs, every, draft.odd_numbers, ways))
        faults, doubts = _placed(validation, faults, doubts)
        if faults or draft.faults or validation.workflow is None or ways is None:
            return Examined(None, tuple(faults), tuple(doubts))
        folder = str(draft.folder.resolve()) if draft.is_file else None
        whole.plan = compile_plan(
            validation.workflow, validation.outline, ways.graph, types, subs, draft.source, folder, ways.dead
        )
        settled = validation.settled
        if settled.settings:
            settings = InputSettings(draft.raw, settled.settings, tuple(sorted(settled.used)))
            whole.plan = replace(whole.plan, settings=settings)
        return Examined(whole.plan, (), tuple(doubts))

    def _subs(
        self, validation: Validation, types: Mapping[str, type[Node]], draft: Draft
    ) -> tuple[dict[str, SubPlan], list[Fault], list[Doubt]]:
        """The sub-workflow of each node that runs one, by node id."""
        subs: dict[str, SubPlan] = {}
        faults: list[Fault] = []
        doubts: list[Doubt] = []
        for node in validation.outline.all_nodes:
            if types.get(node.id) is not WorkflowNode:
                continue
            bounded, self._bounded = self._bounded, self._bounded or is_bounded(node.spec)
            named = self.documents.of(node, draft, self.examine)
            self._bounded = bounded
            faults += named.faults
            doubts += named.doubts
            if named.sub is not None:
                subs[node.id] = named.sub
                faults += input_faults(node, named.sub)
        return subs, faults, doubts


def _placed(
    validation: Validation, faults: list[Fault], doubts: list[Doubt]
) -> tuple[list[Fault], list[Doubt]]:
    """Faults and doubts at the places where their values are written. A default without effect in some node
    is no doubt, because it may have an effect in others."""
    whole = validation.completed
    return validation.placed(faults), [
        replace(doubt, fault=whole.placed(doubt.fault))
        for doubt in doubts
        if doubt.code != "unused-setting" or whole.origin(doubt.fault.path) is doubt.fault.path
    ]


def _types_of_defaults(validation: Validation, registry: Registry) -> Iterator[Fault]:
    """Faults for defaults of types that do not exist. Types of nodes are checked with the nodes."""
    defaults = validation.workflow.defaults if validation.workflow is not None else None
    used = {node.type for node in validation.outline.all_nodes}
    for name in defaults.types if defaults is not None else ():
        path = ("defaults", name)
        if name == "params":
            yield Fault(path, *PARAMS_FOR_ALL, on_key=True)
            continue
        try:
            if name not in used:
                registry.get(name)
        except UnknownNodeType:
            keys = [*Defaults.model_fields, *registry.names()]
            hint = did_you_mean(name, keys) or "`batchmill nodes` lists all"
            yield Fault(path, f"`{name}` is neither a key of a node nor a node type", hint, on_key=True)
        except BrokenNodeType as error:
            yield Fault(path, str(error), on_key=True)


def _own_file(draft: Draft) -> OwnFiles:
    return {draft.source: DOCUMENT} if draft.is_file else {}


def _tables(validation: Validation, draft: Draft, around: Tables) -> tuple[Tables | None, list[Fault]]:
    """The tables that node types may read, from the document and those around it; None if they are
    invalid."""
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
    for node in validation.outline.all_nodes:
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


def _param_sites(
    validation: Validation, types: Mapping[str, type[Node]]
) -> tuple[list[Site], dict[str, list[Fault]]]:
    """Every template in the params of the nodes, and by node id those that cannot be parsed."""
    sites: list[Site] = []
    unreadable: dict[str, list[Fault]] = {}
    for node in validation.outline.all_nodes:
        if node.id not in types:  # which params take templates is not known, that names are used is
            found, _ = sites_in(dict(node.params), (*node.path, "params"), node, "params")
        else:
            found, broken = param_sites(node, types[node.id])
            unreadable.setdefault(node.id, []).extend(broken)
        sites += found
    return sites, unreadable


def _param_and_reference_faults(
    validation: Validation,
    types: Mapping[str, type[Node]],
    subs: Mapping[str, SubPlan],
    sites: list[Site],
    unreadable: Mapping[str, list[Fault]],
    beside: Beside,
) -> list[Fault]:
    faults: list[Fault] = []
    for node in validation.outline.all_nodes:
        if node.id in types:
            readable, elsewhere = not unreadable[node.id], beside.get(node.id, ())
            faults += param_faults(node, types[node.id], templates_readable=readable, beside=elsewhere)
            faults += reserved_faults(node, types[node.id], subs.get(node.id))
    for site in sites:
        faults += validation.references.faults(site)
    for site in (*validation.sites, *sites):
        faults += key_faults(site, validation.references, types, subs)
        if site.kind == "select" and site.node is not None and site.node.id in types:
            node = site.node
            inputs = validation.outline.inputs
            faults += select_faults(site, node, types[node.id], subs.get(node.id), inputs)
    broken = [fault for found in unreadable.values() for fault in found]
    if not broken:
        used = used_roots((*validation.sites, *sites)) | validation.settled.used
        faults += _unused_inputs(validation, used)
    return faults + broken


def _unused_inputs(validation: Validation, used: set[str]) -> Iterator[Fault]:
    outline = validation.outline
    taken = used | {name for name, output in outline.outputs.items() if output.source is None}
    for name, spec in outline.inputs.items():
        if spec is not None and spec.must_be_given and name not in taken:
            message = f"the input `{name}` is required and nothing uses it"
            yield Fault(("inputs", name), message, "refer to it, or remove it", on_key=True)
