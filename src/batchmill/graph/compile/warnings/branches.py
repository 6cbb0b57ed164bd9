"""References to nodes whose branch may not be taken, without a fallback value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from batchmill.graph.compile.warnings.ways import Ways
from batchmill.ir.faults import Doubt, Fault
from batchmill.ir.references import ReferenceCheck, Site
from batchmill.nodes import Node
from batchmill.template import Path


def branch_doubts(
    sites: Iterable[Site], references: ReferenceCheck, ways: Ways, types: Mapping[str, type[Node]]
) -> Iterator[Doubt]:
    """Every template of which it depends on the branches taken whether it resolves."""
    for site in sites:
        if site.node is not None and site.node.is_final:
            yield from _final_doubts(site, references)
            continue
        at = None if site.node is None else site.node.id
        if (at is not None and not ways.runs(at)) or site.expression.optional or _is_lenient(site, types):
            continue
        for path in site.expression.references:
            source = references.node_of(path, site)
            if source is None or source.id == at or not ways.runs(source.id):
                continue
            if not ways.is_certain(source.id, at):
                yield Doubt("untaken-branch", _fault(site, path, source.id))
                break


def _final_doubts(site: Site, references: ReferenceCheck) -> Iterator[Doubt]:
    """A node in ``finally`` runs also where the node that it refers to has failed or never begun."""
    for path in site.expression.references if not site.expression.optional else ():
        source = references.node_of(path, site)
        if source is not None and not source.is_final:
            message = f"`{source.id}` may have failed or not have run, and then `{site.expression.text}`"
            words = f"{message} cannot be resolved"
            hint = f"give another value with `??`: `${{{path.text} ?? ...}}`"
            yield Doubt("untaken-branch", site.fault(words, hint))
            return


def _is_lenient(site: Site, types: Mapping[str, type[Node]]) -> bool:
    """Whether it stands where the output of a branch that was not taken is null."""
    if site.node is None or site.kind != "params" or site.node.id not in types:
        return False
    name = site.path[len(site.node.path) + 1] if len(site.path) > len(site.node.path) + 1 else None
    return any(one.name == name and one.templates == "branches" for one in types[site.node.id].params)


def _fault(site: Site, path: Path, source: str) -> Fault:
    where = f"where it does not, `{site.expression.text}` cannot be resolved"
    message = f"`{source}` does not run on every path that leads here, and {where}"
    return site.fault(message, f"give another value with `??`: `${{{path.text} ?? ...}}`")
