"""The targets of templates, and whether they can exist when the templates are resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from batchmill.errors import TemplateSyntaxError
from batchmill.ir.faults import DocumentPath, Fault, all_of, did_you_mean
from batchmill.ir.flow_graph import FlowGraph
from batchmill.ir.models.batch import OF_FILES
from batchmill.ir.outline import Outline
from batchmill.ir.parts import NodePart
from batchmill.ir.streams import still_running
from batchmill.sourced import PLACE_KEYS
from batchmill.template import Expression, Operand, Path, expressions_in
from batchmill.template.parse import without_namespace
from batchmill.template.presence import is_large, may_hold_templates

INDEX = "__index__"  # also in step.namespace, which ranks above; tests/graph/test_check.py compares the two
ITEM = "__item__"  # also in step.namespace; tests/graph/test_check.py compares the two
RUN = "__run__"  # also in step.namespace; tests/graph/test_check.py compares the two
ENV = "env"  # likewise
SOURCE = "__source__"  # likewise
ALWAYS_THERE = frozenset({"__llm_calls__", RUN})
"""Names of the run's store that every template may use."""
SiteKind = Literal["params", "items", "loop", "output", "select"]
"""``select`` is a column of ``batch.collect``: its names are checked once those of outputs are known."""


@dataclass(frozen=True, slots=True)
class Site:
    """One ``${...}``: its place, and the node and part it is in (None in an output); ``on_key`` says that it
    is in the key of that path, not in the value."""

    path: DocumentPath
    expression: Expression
    node: NodePart | None
    kind: SiteKind
    on_key: bool = False

    def fault(self, message: str, hint: str = "") -> Fault:
        """A fault at this place."""
        return Fault(self.path, message, hint, self.on_key)


def sites_in(
    value: object, path: DocumentPath, node: NodePart | None, kind: SiteKind
) -> tuple[list[Site], list[Fault]]:
    """Every template in a value of the document, and the faults of those that cannot be parsed."""
    if is_large(value) and not may_hold_templates(value):
        return [], []
    sites: list[Site] = []
    faults: list[Fault] = []
    for place, text, on_key in texts_in(value, path):
        found, errors = expressions_in(text)
        sites += [Site(place, expression, node, kind, on_key) for expression in found]
        faults += [syntax_fault(place, error, on_key) for error in errors]
    return sites, faults


def syntax_fault(path: DocumentPath, error: TemplateSyntaxError, on_key: bool = False) -> Fault:
    """A template that cannot be read as a fault of the text at ``path``."""
    return Fault(path, f"template cannot be read: {error}", on_key=on_key)


def texts_in(
    value: object, path: DocumentPath, marks: tuple[str, ...] = ("${",)
) -> Iterator[tuple[DocumentPath, str, bool]]:
    """Every text with one of ``marks`` in a value, in order, with its place; True for the key of that
    place."""
    if isinstance(value, str):
        if any(mark in value for mark in marks):
            yield path, value, False
    elif isinstance(value, dict):
        for key, member in value.items():
            if isinstance(key, str) and any(mark in key for mark in marks):
                yield (*path, key), key, True
            if isinstance(member, (str, dict, list)):
                yield from texts_in(member, (*path, key), marks)
    elif isinstance(value, list):
        for place, member in enumerate(value):
            if isinstance(member, (str, dict, list)):  # numbers by the million are passed over quickly
                yield from texts_in(member, (*path, place), marks)


class ReferenceCheck:
    """Checks references against the names of one document; ``graph`` is None if the order is unknown."""

    def __init__(self, outline: Outline, graph: FlowGraph | None) -> None:
        self._outline = outline
        self._graph = graph
        self._running = still_running(outline)
        self._known = [*outline.by_id, *outline.inputs]
        self._item_names = {node.item_name for node in outline.all_nodes if node.has_batch} | {
            INDEX,
            ITEM,
            SOURCE,
            "item",
        }

    def faults(self, site: Site) -> list[Fault]:
        """The faults of the names in a template: unknown ones, and ones used too early.

        A name that the document does not define is a fault everywhere, and so is a stage before a streaming
        node in its params. A node that cannot have run is a fault only if the template has no other
        alternative.
        """
        if site.kind == "select":
            return []
        unknown = [fault for path in site.expression.references if (fault := self._unknown_name(path, site))]
        if unknown:
            return unknown
        if (running := self._still_running(site)) is not None:
            return [running]
        return [fault for one in site.expression.operands for fault in self._late(one, site)][:1]

    def _late(self, operand: Operand, site: Site) -> list[Fault]:
        """The fault of an operand if none of its alternatives can exist at that time."""
        late = []
        for alternative in operand.alternatives:
            too_early = self._too_early(alternative, site) if isinstance(alternative, Path) else None
            if too_early is None or operand.has_default:
                return []
            late.append(too_early)
        return late[:1]

    def node_of(self, path: Path, site: Site) -> NodePart | None:
        """The node that a path starts from, None if it starts from an input, an item or nothing."""
        if site.kind == "select" or path.root in self._local_names(site):
            return None
        return self._outline.by_id.get(path.root)

    def _local_names(self, site: Site) -> frozenset[str]:
        node = site.node
        if site.kind == "params" and node is not None and node.item_name is not None:
            known = ALWAYS_THERE | {INDEX, SOURCE, node.item_name}
            return known if _chooses(site) else known | {ITEM}
        return ALWAYS_THERE

    def _unknown_name(self, path: Path, site: Site) -> Fault | None:
        outline, root = self._outline, path.root
        local = self._local_names(site)
        if root == RUN:
            return self._unknown_of_run(path, site)
        if root == SOURCE and root in local:
            return unknown_of_source(path, site)
        if root == ITEM and root in local:
            return _unknown_of_item(path, site)
        if root in local or root in outline.by_id or root in outline.inputs:
            return None
        if root == ENV:
            named = bool(path.segments)
            return None if named else site.fault("`${env}` is the whole environment", "write `${env.NAME}`")
        message = f"`${{{path.text}}}` refers to `{root}`, which is neither a node nor an input"
        known = [*self._known, *sorted(local - ALWAYS_THERE)]
        hint = (
            self._item_hint(root, site)
            or self._without_namespace(path, site)
            or did_you_mean(root, known)
            or _known_names(known)
        )
        return site.fault(message, hint)

    def _unknown_of_run(self, path: Path, site: Site) -> Fault | None:
        final = site.node is not None and site.node.is_final
        known = ("id", "started", "folder", "status") if final else ("id", "started", "folder")
        key = path.segments[0] if path.segments else None
        if len(path.segments) == 1 and key in known:
            return None
        hint = "it is known in `finally` only" if key == "status" else f"there are {all_of(known)}"
        return site.fault(f"`${{{path.text}}}`: a run has no such value here", hint)

    def _without_namespace(self, path: Path, site: Site) -> str:
        """The correction for ``inputs.name`` and similar forms of other tools."""
        written = without_namespace(path.text)
        root = written.partition(".")[0].partition("[")[0]
        known = root in self._outline.by_id or root in self._outline.inputs or root in self._local_names(site)
        return f"write `${{{written}}}`" if written != path.text and known else ""

    def _item_hint(self, root: str, site: Site) -> str:
        """The hint for a name that exists, but only inside a batch."""
        if root not in self._item_names:
            return ""
        if site.kind == "items":
            return "there is no item yet where the items are named"
        if root == ITEM and _chooses(site):
            return "an item has a key once it was chosen; take the item itself"
        if site.node is not None and site.node.has_batch and site.kind == "params":
            return f"the item is called `{site.node.item_name}` here"
        return "an item exists only in the params of a node with `batch`"

    def _still_running(self, site: Site) -> Fault | None:
        """With an alternative too: streaming must not change which one is taken."""
        if site.node is None or site.kind != "params":
            return None
        running = self._running.get(site.node.id, frozenset())
        for path in site.expression.references:
            source = self.node_of(path, site)
            if source is not None and source.id in running:
                message = f"`${{{path.text}}}`: the node `{source.id}` is still running when this one begins"
                hint = f"use the item, `${{{site.node.item_name}}}`, or remove `stream`"
                return site.fault(message, hint)
        return None

    def _too_early(self, alternative: Path, site: Site) -> Fault | None:
        for path in alternative.walk():
            source = self.node_of(path, site)
            if source is not None and not self._can_be_there(source, site):
                return site.fault(self._too_early_words(path, source, site), *_OTHERWISE)
        return None

    def _can_be_there(self, source: NodePart, site: Site) -> bool:
        graph, node = self._graph, site.node
        if source.is_final:
            if node is None or not node.is_final:
                return False
            return source.index < node.index or (site.kind == "loop" and source.id == node.id)
        if graph is not None and node is not None and node.is_final:
            return graph.reaches(source.id)
        if graph is None or (node is not None and not graph.reaches(node.id)):
            return True
        if node is None:
            return graph.reaches(source.id)
        if site.kind == "loop" and source.id == node.id:
            return True
        return graph.can_precede(source.id, node.id)

    def _too_early_words(self, path: Path, source: NodePart, site: Site) -> str:
        graph = self._graph
        if source.is_final:
            reason = f"`{source.id}` is in `finally`, whose nodes run at the very end, in their order"
        elif graph is not None and not graph.reaches(source.id):
            reason = f"the node `{source.id}` never runs: no edge leads to it from `{graph.start}`"
        elif site.node is not None and site.node.id == source.id:
            reason = "the node has no outputs before it has run"
        elif graph is not None and site.node is not None and graph.beside(source.id, site.node.id):
            reason = f"the node `{source.id}` is in another branch, whose outputs are not seen here"
        else:
            reason = f"the node `{source.id}` cannot have run by then: no edges lead from it to this node"
        return f"`${{{path.text}}}` cannot be resolved: {reason}"


def _chooses(site: Site) -> bool:
    """Whether a template chooses the items: they have no keys before that."""
    return site.node is not None and site.path == (*site.node.path, "batch", "where")


def _unknown_of_item(path: Path, site: Site) -> Fault | None:
    """The fault of a reference to ``__item__``, or None."""
    spec = site.node.spec if site.node is not None else None
    if path.segments == ("key",) or (path.segments == ("workdir",) and (spec is None or spec.workdir)):
        return None
    if path.segments == ("workdir",):
        message = f"`${{{path.text}}}`: the items of this node have no folders of their own"
        return site.fault(message, 'write `"workdir": "item"` in the node')
    hint = "there is `${__item__.key}`, and `${__item__.workdir}` where the node has `workdir`"
    return site.fault(f"`${{{path.text}}}`: there is no such thing", hint)


def unknown_of_source(path: Path, site: Site) -> Fault | None:
    """The fault of a reference to ``__source__``, or None."""
    batch = site.node.spec.batch if site.node is not None and site.node.spec is not None else None
    if batch is None:  # something is wrong with it
        return None
    if batch.items_kind not in OF_FILES:
        kinds = ", ".join(f'`{{"{kind}": ...}}`' for kind in OF_FILES)
        message = f"`${{{path.text}}}`: items of this batch are not rows of files"
        return site.fault(message, f"the sources whose rows have a place are {kinds}")
    key = path.segments[0] if path.segments else None
    of_group = batch.batch_size is not None
    if key is None or (not isinstance(key, str) if of_group else key in PLACE_KEYS):
        return None
    return site.fault(
        f"`${{{path.text}}}`: a source has no such value",
        "of a group it is a list: write `${__source__[*].path}`"
        if of_group
        else f"there are {all_of(PLACE_KEYS)}",
    )


_OTHERWISE = ("change the edges, or give another value with `??`",)


def _known_names(names: Iterable[str]) -> str:
    known = list(names)
    return f"known are {all_of(known)}" if 0 < len(known) <= 12 else ""


def used_roots(sites: Iterable[Site]) -> set[str]:
    """Every name that some template starts from."""
    return {path.root for site in sites for path in site.expression.references}
