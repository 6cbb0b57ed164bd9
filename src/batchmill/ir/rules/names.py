"""Rules for ids, input names and item names: unique, readable, and distinct from each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchmill.ir.faults import DocumentPath, Fault, did_you_mean, path_text, shown
from batchmill.ir.models import NAME
from batchmill.ir.outline import Outline
from batchmill.ir.parts import NodePart

_RESERVED = ("true", "false", "null")
_NUMBER = re.compile(r"[0-9]+([eE][0-9]+)?")


def name_faults(outline: Outline) -> Iterator[Fault]:
    """Every name that is taken, reserved or of no shape that a template can refer to."""
    for node in outline.all_nodes:
        yield from _id_faults(node, outline)
        yield from _item_name_faults(node, outline)
    for name in outline.inputs:
        if not re.search(NAME, name) or name.endswith("\n"):
            message = f"the input name {shown(name)} is not made of letters, digits, `_` and `-`"
            yield Fault(("inputs", name), message, "templates could not refer to it", on_key=True)
        yield from _reserved_faults(name, ("inputs", name), on_key=True)
    start = outline.start
    if start in outline.by_id and outline.by_id[start].is_final:
        message = f"the run cannot start with {shown(start)}, which is in `finally`"
        yield Fault(("start_node",), message, "name one of `nodes`")
    if start and not outline.broken and start not in outline.by_id and start not in outline.gates:
        message = f"there is no node {shown(start)} to start with"
        yield Fault(("start_node",), message, did_you_mean(start, outline.by_id))


def _id_faults(node: NodePart, outline: Outline) -> Iterator[Fault]:
    path = (*node.path, "id")
    first = outline.by_id[node.id]
    if first.index != node.index:
        message = f"the id {shown(node.id)} is already that of {path_text(first.path)}"
        yield Fault(path, message, "give each node an id of its own")
    if node.id in outline.inputs:
        yield Fault(path, f"the id {shown(node.id)} is also the name of an input", "rename one of them")
    yield from _reserved_faults(node.id, path)


def _item_name_faults(node: NodePart, outline: Outline) -> Iterator[Fault]:
    name = node.item_name
    if name is None:
        return
    path = (*node.path, "batch", "as")
    if name in outline.by_id or name in outline.inputs:
        other = "a node's id" if name in outline.by_id else "the name of an input"
        yield Fault(path, f"the item's name `{name}` is also {other}", "name the item with `as`")
    yield from _reserved_faults(name, path)


def _reserved_faults(name: str, path: DocumentPath, on_key: bool = False) -> Iterator[Fault]:
    if name.startswith("__"):
        yield Fault(path, f"the name {shown(name)} is reserved", "begin it with a letter", on_key)
    elif name in _RESERVED or _NUMBER.fullmatch(name):
        yield Fault(path, f"the name {shown(name)} is a value in templates", "choose another name", on_key)
