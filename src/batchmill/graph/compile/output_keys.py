"""References to outputs that their node can never have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from batchmill.batch.results.sinks import ERRORS_PATH_KEY, PATH_KEY
from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.ir.faults import Fault, all_of, did_you_mean
from batchmill.ir.parts import NodePart
from batchmill.ir.references import (
    ALWAYS_THERE,
    ENV,
    INDEX,
    ITEM,
    SOURCE,
    ReferenceCheck,
    Site,
    unknown_of_source,
)
from batchmill.nodes import Node
from batchmill.step.item_folders import KEPT
from batchmill.step.item_steps import RESERVED_OUTPUTS
from batchmill.template import Path

BATCH_OUTPUTS = (
    "results",
    "succeeded",
    "count",
    "success_count",
    "error_count",
    "errors",
    "batch_metadata",
)
RESULTS = ("results", "succeeded")
"""The outputs of a batch that a node has only if it keeps its results."""
LOOP_OUTPUTS = ("loop_stopped", "loop_iterations")
SKIPPED_OUTPUT = "skipped_count"
"""The extra output of a batch node with a condition for its items."""
ERROR_OUTPUT = "error"
"""The outputs of every failed node."""


def output_names(node: NodePart, kind: type[Node], sub: SubPlan | None) -> tuple[str, ...] | None:
    """The keys that a node may have under its id, None if unknown; those of a ``workflow`` node are the
    outputs that ``sub`` declares."""
    if node.has_batch:
        skipped = (SKIPPED_OUTPUT,) if node.spec is not None and node.spec.when is not None else ()
        return (*_batch_outputs(node), *skipped, ERROR_OUTPUT)
    declared = None if sub is None else sub.outputs
    if kind.open_outputs and declared is None:
        return None
    own = declared or [output.name for output in kind.outputs]
    loop = LOOP_OUTPUTS if node.has_loop else ()
    return tuple(dict.fromkeys([*own, *loop, ERROR_OUTPUT]))


def _item_names(node: NodePart, kind: type[Node], sub: SubPlan | None) -> tuple[str, ...] | None:
    """The outputs that each item of a batch node may have, None if that is not known beforehand."""
    own = output_names(replace(node, item_name=None), kind, sub)
    keeps = node.spec is not None and node.spec.keep is not None
    return own if own is None or not keeps else (*own, KEPT)


def _streams(site: Site) -> bool:
    """Whether the items are taken as they are made, so they need not be kept."""
    spec = site.node.spec if site.node is not None and site.kind == "items" else None
    return spec is not None and spec.batch is not None and spec.batch.stream


def _batch_outputs(node: NodePart) -> tuple[str, ...]:
    batch = node.spec.batch if node.spec is not None else None
    if batch is None or batch.keeps_results:
        return BATCH_OUTPUTS
    others = tuple(name for name in BATCH_OUTPUTS if name not in RESULTS)
    if batch.results_path is None:
        return others
    return (*others, PATH_KEY) if batch.errors_path is None else (*others, PATH_KEY, ERRORS_PATH_KEY)


def reserved_faults(node: NodePart, kind: type[Node], sub: SubPlan | None) -> Iterator[Fault]:
    """Outputs of an item of a batch node that collide with keys beside them."""
    if not node.has_batch:
        return
    known = output_names(replace(node, item_name=None), kind, sub) or ()
    given = tuple(node.params) if kind.open_params and kind.open_outputs and kind.passes_params else ()
    keeps = node.spec is not None and node.spec.keep is not None
    for name in sorted(RESERVED_OUTPUTS | {KEPT} if keeps else RESERVED_OUTPUTS):
        if name in known or name in given:
            message = f"an item's output cannot be called `{name}`: that is the key of the {_MEANT[name]}"
            path = (*node.path, "params", name) if name in given else (*node.path, "batch")
            yield Fault(path, message, "give the output another name", on_key=name in given)


_MEANT = {
    "item": "item itself among the results",
    "index": "item's position in tables of results",
    KEPT: "files that are kept of it",
}


def key_faults(
    site: Site,
    references: ReferenceCheck,
    types: Mapping[str, type[Node]],
    subs: Mapping[str, SubPlan],
) -> Iterator[Fault]:
    """The paths of a template whose first key is not an output of their node."""
    for path in site.expression.references:
        node = references.node_of(path, site)
        if node is None or node.id not in types or not path.segments:
            continue
        names = output_names(node, types[node.id], subs.get(node.id))
        key = path.segments[0]
        if names is None or isinstance(key, Path) or key in names or _streams(site):
            continue
        each = _item_names(node, types[node.id], subs.get(node.id))
        yield _fault(site, path, node, names, each or ())


def _fault(site: Site, path: Path, node: NodePart, names: tuple[str, ...], each: tuple[str, ...]) -> Fault:
    """``each`` are the outputs of an item of a batch node."""
    key = path.segments[0]
    if not isinstance(key, str):
        message = f"`${{{path.text}}}` takes a position of `{node.id}`, whose outputs have names"
        return site.fault(message, f"there are {all_of(names)}")
    if node.has_batch and key in RESULTS:
        return _not_kept(site, path, node)
    message = f"`${{{path.text}}}`: the node `{node.id}` has no output `{key}`"
    if node.has_batch and key in each:
        hint = f"that of each item is in `${{{node.id}.results[*].{key}}}`"
        return site.fault(message, hint)
    return site.fault(message, did_you_mean(key, names) or f"there are {all_of(names)}")


def _not_kept(site: Site, path: Path, node: NodePart) -> Fault:
    message = f"`${{{path.text}}}`: the node `{node.id}` does not keep its results: see its `batch.collect`"
    names = _batch_outputs(node)
    if PATH_KEY in names:
        return site.fault(message, f"they are in the file `${{{node.id}.{PATH_KEY}}}`")
    return site.fault(message, f"remove `collect` there; without results there are {all_of(names)}")


def select_faults(
    site: Site, node: NodePart, kind: type[Node], sub: SubPlan | None, inputs: Mapping[str, object]
) -> Iterator[Fault]:
    """The names in a column that are no output of the node, nothing of the item and no input."""
    outputs = _item_names(node, kind, sub)
    if outputs is None:
        return
    here = list(dict.fromkeys([*outputs, "item", node.item_name or "item", INDEX]))
    for path in site.expression.references:
        if path.root == SOURCE:
            if (fault := unknown_of_source(path, site)) is not None:
                yield fault
            continue
        if path.root in here or path.root in inputs or path.root in ALWAYS_THERE:
            continue
        if path.root == ENV and path.segments:
            continue
        if path.root == ITEM and path.segments == ("key",):  # the item's folder may be gone by then
            continue
        message = f"`${{{path.text}}}`: a column sees the outputs of `{node.id}`, the item and inputs"
        yield site.fault(message, did_you_mean(path.root, here) or f"there are {all_of(here)}")
