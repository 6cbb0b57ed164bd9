"""Fingerprints: digests of everything that the outcome of a node or an item depends on, to match outcomes of
earlier runs.

They cover the node's type and params, the user's code that it runs, the working folder, the files that it
reads, and for an item the item itself and the values that the params take from it. They leave out the
address, which only says where to search for outcomes, and everything that cannot change an outcome: timeouts,
keys, the address of a service.

A param that is the same for all items counts by its value, in any notation. One that depends on the item
counts as written, with the values it refers to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sized
from functools import partial
from typing import Any

from batchmill.errors import TemplateError
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.visits.node_files import digests_of_files
from batchmill.graph.visits.rereading import source_again
from batchmill.ir.models.batch import BatchSpec
from batchmill.ir.models.workdirs import Keep
from batchmill.journal.contract import ContentKey, ItemLog, KeyMore, SingleLog
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.journal.items_under_way import ForgettingLog
from batchmill.lists import LazyList
from batchmill.nodes.workflow import WorkflowNode
from batchmill.sourced import names_of
from batchmill.step import INDEX_KEY, ITEM_KEY, SOURCE_KEY, StepParams
from batchmill.step.item_folders import KEPT
from batchmill.step.params import Readable
from batchmill.template import CommandTemplate, Path, Scope
from batchmill.template.resolve import Missing, find

TYPE, CODE, FOLDER, FILES, CARRIED, ITEM_NAME, INSIDE, OWN_FOLDER, HELPERS = (
    "its type",
    "its code",
    "the working folder",
    "the files it reads",
    "what the loop carries",
    "the name of its items",
    "the workflow inside",
    "the folders of its items",
    "the modules that its code imports",
)
"""The parts of a key besides params, in words."""

_PART_CHARACTERS = 16
_MOST_NAMED = 20  # files, or modules, of which each is a part of its own


def single_log(
    node: PlannedNode, around: NodeFrame, carried: Mapping[str, object] | None
) -> SingleLog | None:
    """The log that keeps and finds the outcome of this visit; None if there is no journal. For a sub-workflow
    the nodes inside are kept instead. For a visit without a stable digest, only its calls are kept."""
    if around.log is None or issubclass(node.kind, WorkflowNode):
        return None
    if around.anew:
        return around.log.single_not_kept(around.place(node.id))
    scope = around.namespace.scope(lazy=True)
    try:
        parts = {**_of_node(node, scope, frozenset()), **_carried(carried), **_files(node, scope)}
        older = partial(_single_in_format_1, node, carried, scope)
        key = ContentKey(_whole(parts), _shown(parts, around), older, missing=_missing(node))
    except NoDigest:
        return around.log.single_not_kept(around.place(node.id))
    return around.log.single(around.place(node.id), key, cached=node.spec.cache)


def batch_log(node: PlannedNode, spec: BatchSpec, items: object, around: NodeFrame) -> ItemLog | None:
    """The same for a batch node, with everything each item depends on besides itself."""
    if around.log is None:
        return None
    if around.anew:
        return around.log.batch_not_kept(around.place(node.id))
    names = frozenset({spec.as_, INDEX_KEY, ITEM_KEY, SOURCE_KEY})
    scope = around.namespace.scope(lazy=True)
    more, older_more = _more(node, node.content, spec.as_, scope), None
    same = node.content is node.params and not node.reads_files
    if not same:
        older_more = _more(node, node.params, spec.as_, scope, files=False)
        same = not node.reads_files and _item_parts(node.content, names) == _item_parts(node.params, names)
    try:
        parts = {**_of_node(node, scope, names), ITEM_NAME: _part(spec.as_)}
        if node.inner_content:
            parts[INSIDE] = _part(node.inner_content)
        if node.spec.workdir is not None:
            keep = Keep.of(node.spec.keep)
            parts[OWN_FOLDER] = _part(None if keep is None else [list(keep.patterns), keep.to, keep.required])
        older = partial(_batch_in_format_1, node, spec, scope)
        named = _named(node, spec.as_, scope)
        shown = _shown(parts, around)
        key = ContentKey(_whole(parts), shown, older, more, same, older_more, _missing(node), named)
    except NoDigest:
        return around.log.batch_not_kept(around.place(node.id))
    total = len(items) if isinstance(items, Sized) else None
    attached = around.attached.get(node.id)
    own = attached is None or attached.items is None
    source = source_again(spec, items, around) if own else None
    if source is not None and around.masker.text(source) != source:
        source = None  # without its secret it names another one: the items themselves are saved
    log = around.log.batch(around.place(node.id), key, total, cached=node.spec.cache, source=source)
    if around.services.items is None or not issubclass(node.kind, WorkflowNode):
        return log
    return ForgettingLog(log, around.services.items, around.place(node.id))


def _missing(node: PlannedNode) -> Callable[[Any], str] | None:
    """A function from outputs to the first file that the node has written and that is gone; None if the node
    writes no files whose loss matters."""
    keeps = node.spec.keep is not None
    if not node.files_stay or not (node.kind.makes or keeps):
        return None

    def missing(outputs: object) -> str:
        if not isinstance(outputs, dict):
            return ""
        made = list(node.kind.files_made(node.spec.params, outputs))
        kept = outputs.get(KEPT) if keeps else None
        made += [path for path in kept if isinstance(path, str)] if isinstance(kept, list) else []
        here = os.path.join(_folder(), "")
        return next((str(path).removeprefix(here) for path in made if not os.path.exists(path)), "")

    return missing


def _whole(parts: Mapping[str, str]) -> bytes:
    return digest_of(sorted(parts.items()))


def _shown(parts: Mapping[str, str], around: NodeFrame) -> dict[str, str]:
    """The parts as they are saved: the path of a file may hold a secret."""
    return {around.masker.text(name): digest for name, digest in parts.items()}


def _part(*values: object) -> str:
    return digest_of(*values).hex()[:_PART_CHARACTERS]


def _of_node(node: PlannedNode, scope: Scope, own: frozenset[str]) -> dict[str, str]:
    """The parts of a key that all items of a visit have in common; ``own`` are the names that belong to an
    item. The folder is among them: relative paths, and commands, mean other files elsewhere."""
    parts = {TYPE: _part(node.spec.type), FOLDER: _part(_folder())}
    if node.code:
        parts[CODE] = _part(node.code)
    parts |= _each_or_all(HELPERS, "the module {}", node.helpers)
    for name, value in node.content.constants.items():
        parts[name] = _part("is", value)
    for name, template in node.content.templates:
        parts[name] = _part(*_of_param(node.spec.params[name], template, scope, own))
    return parts


def _of_param(written: object, template: Readable, scope: Scope, own: frozenset[str]) -> tuple[object, ...]:
    """The contribution of a param to the key: its value, or its text and the values that it refers to.
    Commands count as written, because a later version may rewrite them to another text."""
    moves = any(_roots(path) & own for path in template.references)
    if not (moves or isinstance(template, CommandTemplate) or _is_large(template, scope)):
        try:
            return "is", template.resolve(scope)
        except TemplateError:  # the attempt itself is about to say so
            pass
    return "written", written, _values((p for p in template.references if not _roots(p) & own), scope)


def _is_large(template: Readable, scope: Scope) -> bool:
    """Whether a template refers to a list that is not held."""
    return any(isinstance(find(path, scope), LazyList) for path in template.references)


def _carried(carried: Mapping[str, object] | None) -> dict[str, str]:
    return {CARRIED: _part(dict(carried))} if carried else {}


def _files(node: PlannedNode, scope: Scope) -> dict[str, str]:
    return _each_or_all(FILES, "the file {}", digests_of_files(node, scope))


def _each_or_all(all_of_them: str, each: str, found: Mapping[str, str]) -> dict[str, str]:
    """Parts by name: a few under their names, many as one part."""
    if len(found) > _MOST_NAMED:
        return {all_of_them: _part(sorted(found.items()))}
    return {each.format(name): _part(content) for name, content in found.items()}


def _more(
    node: PlannedNode, params: StepParams, name: str, scope: Scope, *, files: bool = True
) -> KeyMore | None:
    """A function for everything an item depends on besides itself; None if there is nothing."""
    own = frozenset({name, INDEX_KEY, ITEM_KEY, SOURCE_KEY})
    moving, by_index = _item_parts(params, own)
    reads = files and node.reads_files
    if not (moving or by_index or reads):
        return None

    def more(item: object, index: int) -> Any:
        inside = scope.child({**names_of(item, [name], SOURCE_KEY), INDEX_KEY: index})
        found = [index if by_index else None, *_values(moving, inside)]
        return [*found, *digests_of_files(node, inside).values()] if reads else found

    return more


def _named(node: PlannedNode, name: str, scope: Scope) -> Callable[[Any, int], list[str]]:
    """The same in words: files by their paths, values as written."""
    own = frozenset({name, INDEX_KEY, ITEM_KEY, SOURCE_KEY})
    written = [f"${{{path.text}}}" for path in _moving(node.content, own)]

    def named(item: object, index: int) -> list[str]:
        inside = scope.child({**names_of(item, [name], SOURCE_KEY), INDEX_KEY: index})
        files = digests_of_files(node, inside) if node.reads_files else {}
        return [*(f"the file {path}" for path in files), *written]

    return named


def _moving(params: StepParams, own: frozenset[str]) -> list[Path]:
    """The references whose target changes with the item, but that do not begin at the item itself: values
    looked up by it, and the place it was read from."""
    fixed = own - {SOURCE_KEY}
    return [path for path in params.references if path.root not in fixed and _roots(path) & own]


def _item_parts(params: StepParams, own: frozenset[str]) -> tuple[list[Path], bool]:
    """The differences between items besides the items themselves."""
    return _moving(params, own), _by_index(params)


def _by_index(params: StepParams) -> bool:
    return any(INDEX_KEY in _roots(path) for path in params.references)


def _roots(path: Path) -> set[str]:
    return {one.root for one in path.walk()}


def _values(paths: Iterable[Path], scope: Scope) -> list[object]:
    """The values of the paths, sorted by their text."""
    found: dict[str, Any] = {}
    for path in paths:
        value = find(path, scope)
        found[path.text] = ["missing"] if isinstance(value, Missing) else ["is", value]
    return [part for text in sorted(found) for part in (text, found[text])]


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed under us
        return ""


def _single_in_format_1(
    node: PlannedNode, carried: Mapping[str, object] | None, scope: Scope
) -> bytes | None:
    return _digest(*_node_in_format_1(node), dict(carried or {}), _values(node.params.references, scope))


def _batch_in_format_1(node: PlannedNode, spec: BatchSpec, scope: Scope) -> bytes | None:
    own = {spec.as_, INDEX_KEY}
    fixed = [path for path in node.params.references if path.root not in own and not _roots(path) & own]
    inner = node.inner_content_in_format_1
    return _digest(*_node_in_format_1(node), spec.as_, _values(fixed, scope), inner)


def _node_in_format_1(node: PlannedNode) -> tuple[object, ...]:
    return node.spec.type, dict(node.spec.params), node.code


def _digest(*values: object) -> bytes | None:
    try:
        return digest_of(*values)
    except NoDigest:
        return None
