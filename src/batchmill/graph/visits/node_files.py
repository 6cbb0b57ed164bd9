"""The files whose content affects the outcome of a node: those that its params name, those that it declares,
and those that the nodes of its sub-workflow read."""

from __future__ import annotations

from collections.abc import Mapping

from batchmill.errors import TemplateError
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.plan import Plan
from batchmill.graph.visits.files_read import digest_of_file, digest_of_path
from batchmill.ir.inputs import input_values
from batchmill.step import Namespace
from batchmill.step.namespace import RUN_KEY
from batchmill.template import Scope

_NOT_KNOWN = "not known"  # which files a template names that does not resolve
_INPUTS = "inputs"  # the param of a sub-workflow


def digests_of_files(node: PlannedNode, scope: Scope) -> dict[str, str]:
    """Digests, by path, of the files that the node reads, as far as its params name them at this point, and
    of those it declares.

    Of a sub-workflow, these are the files that the nodes inside read and declare, as far as the inputs of the
    sub-workflow name them: what depends on the output of a node inside is only known when that has run.
    """
    return {**_of_itself(node, scope), **_of_sub_workflow(node, scope, ())}


def _of_itself(node: PlannedNode, scope: Scope) -> dict[str, str]:
    return {**_of_params(node, scope), **_of_declared(node, scope)}


def _of_declared(node: PlannedNode, scope: Scope) -> dict[str, str]:
    if not node.spec.files:
        return {}
    try:
        paths = node.files.resolve(scope)
    except TemplateError:
        return {_NOT_KNOWN: ""}
    every = [path for one in paths for path in (one if isinstance(one, (list, tuple)) else (one,))]
    return {str(path): digest_of_path(str(path)) for path in every if path not in (None, "")}


def _of_params(node: PlannedNode, scope: Scope) -> dict[str, str]:
    reads = node.params_that_read
    if not reads:
        return {}
    named = {name: value for name, value in node.params.constants.items() if name in reads}
    try:
        named |= {name: one.resolve(scope) for name, one in node.params.templates if name in reads}
    except TemplateError:  # the attempt itself is about to say so
        return {}
    return {path: digest_of_file(path) for path in node.kind.files_read(named)}


def _of_sub_workflow(node: PlannedNode, scope: Scope, above: tuple[Plan, ...]) -> dict[str, str]:
    """``above`` are the workflows around: one that runs itself is looked into once."""
    if node.sub is None or node.sub.plan in above or not node.reads_files:
        return {}
    plan = node.sub.plan
    try:
        values, faults = input_values(plan.inputs, _inputs_of(node, scope), way="{}")
    except TemplateError:
        return {}
    if faults:  # the attempt itself is about to say so
        return {}
    known = {**values, RUN_KEY: scope[RUN_KEY]} if RUN_KEY in scope else values
    inside = Namespace(known, nodes=plan.nodes).scope(lazy=True)
    found: dict[str, str] = {}
    for one in plan.nodes.values():
        found |= _of_itself(one, inside)
        found |= _of_sub_workflow(one, inside, (*above, plan))
    return found


def _inputs_of(node: PlannedNode, scope: Scope) -> Mapping[str, object]:
    given = node.params.constants.get(_INPUTS)
    for name, template in node.params.templates:
        if name == _INPUTS:
            given = template.resolve(scope)
    return given if isinstance(given, Mapping) else {}
