"""Check a node's params as written against its type: names, literal values, places of templates."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from batchmill.errors import TemplateError, TemplateSyntaxError
from batchmill.ir.faults import Fault, all_of, did_you_mean
from batchmill.ir.parts import NodePart
from batchmill.ir.references import Site, sites_in
from batchmill.nodes import Node
from batchmill.nodes.params import check_params
from batchmill.step.params import RAW_PARAM
from batchmill.step.step import INPUTS_PARAM
from batchmill.template import StructureSyntaxError, compile_command, parse


def param_sites(node: NodePart, kind: type[Node]) -> tuple[list[Site], list[Fault]]:
    """Every template in a node's params; text of params that take none is passed over."""
    plain = {param.name for param in kind.params if param.templates == "none"}
    read = {name: value for name, value in node.params.items() if name not in plain}
    return sites_in(read, (*node.path, "params"), node, "params")


def param_faults(
    node: NodePart, kind: type[Node], templates_readable: bool, beside: Collection[str] = ()
) -> Iterator[Fault]:
    """The faults of a node's params before any template is resolved, except for params ``beside`` them, which
    have a fault already."""
    found = check_params(kind, node.params, _holds_template)
    if not found:  # the node's own look relies on what was checked here
        found = kind().check(node.params)
    known = {param.name for param in kind.params}
    for name, message in found:
        if name in beside:
            continue
        path = (*node.path, "params", name) if name in node.params else (*node.path, "params")
        yield Fault(path, message, on_key=name not in known)
    if templates_readable:
        yield from _command_faults(node, kind)
    yield from _carry_faults(node, kind)


def _holds_template(value: object) -> bool:
    if not isinstance(value, str) or "${" not in value:
        return False
    try:
        return bool(parse(value).expressions)
    except TemplateSyntaxError:
        return True  # reported where templates are read


def _command_faults(node: NodePart, kind: type[Node]) -> Iterator[Fault]:
    """Commands whose quoting leaves no safe place for a value."""
    for param in kind.params:
        command = node.params.get(param.name)
        if param.templates != "shell" or not isinstance(command, (str, list)):
            continue
        try:
            compile_command(command, allow_raw=node.params.get(RAW_PARAM) is True)
        except StructureSyntaxError as error:
            yield Fault((*node.path, "params", param.name, *error.path), error.message)
        except TemplateError as error:
            yield Fault((*node.path, "params", param.name), str(error))


def _carry_faults(node: NodePart, kind: type[Node]) -> Iterator[Fault]:
    """Carried names that are no param: they go into ``inputs`` where the node has that, else into params."""
    if node.spec is None or node.spec.loop is None or kind.open_params:
        return
    if isinstance(node.params.get(INPUTS_PARAM), dict):
        return
    known = [param.name for param in kind.params]
    for name in node.spec.loop.carry:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are {all_of(known)}"
            path = (*node.path, "loop", "carry", name)
            yield Fault(path, f"`{name}` is not a param of `{kind.type}`", hint, on_key=True)
