"""What the outcome of a node or of an item depends on, as a digest: outcomes are known again by it.

That is the node's type and its params as written, the code of the user that it runs, the values its
templates refer to, and for an item the item itself. Not the address: that says where outcomes are looked for,
not what they are.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sized
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path as FilePath
from typing import Any

from batchmill.graph.surroundings import RunnableNode, Surroundings
from batchmill.ir.models.batch import BatchSpec
from batchmill.journal.contract import ItemLog, SingleLog
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.nodes import Node
from batchmill.nodes.workflow import WorkflowNode
from batchmill.step import INDEX_KEY
from batchmill.template import Path, Scope
from batchmill.template.resolve import Missing, find

_OWN = "batchmill."


def single_log(
    node: RunnableNode, around: Surroundings, carried: Mapping[str, Any] | None
) -> SingleLog | None:
    """Where the outcome of this visit is kept and looked for; None where there is no journal. Of a
    sub-workflow the nodes inside are kept. Of what cannot be known again only the calls are."""
    if around.log is None or issubclass(node.kind, WorkflowNode):
        return None
    scope = around.namespace.scope(lazy=True)
    try:
        key = digest_of(*_of_node(node), dict(carried or {}), _values(node.params.references, scope))
    except NoDigest:
        return around.log.single_not_kept(around.place(node.id))
    return around.log.single(around.place(node.id), key, cached=node.spec.cache)


def batch_log(node: RunnableNode, spec: BatchSpec, items: Any, around: Surroundings) -> ItemLog | None:
    """The same for a batch node, with what each item depends on besides itself."""
    if around.log is None:
        return None
    own = {spec.as_, INDEX_KEY}
    paths = [path for path in node.params.references if path.root not in own]
    fixed = [path for path in paths if not _roots(path) & own]
    scope = around.namespace.scope(lazy=True)
    try:
        key = digest_of(*_of_node(node), spec.as_, _values(fixed, scope), node.inner_content)
    except NoDigest:
        return around.log.batch_not_kept(around.place(node.id))
    moving = [path for path in paths if _roots(path) & own]
    by_index = any(INDEX_KEY in _roots(path) for path in node.params.references)
    more = _more(spec.as_, moving, scope, by_index=by_index) if moving or by_index else None
    total = len(items) if isinstance(items, Sized) else None
    return around.log.batch(around.place(node.id), key, total, more, cached=node.spec.cache)


def _more(name: str, paths: list[Path], scope: Scope, *, by_index: bool) -> Callable[[Any, int], Any]:
    def more(item: Any, index: int) -> Any:
        inside = scope.child({name: item, INDEX_KEY: index})
        return [index if by_index else None, *_values(paths, inside)]

    return more


def _roots(path: Path) -> set[str]:
    return {one.root for one in path.walk()}


def _values(paths: Iterable[Path], scope: Scope) -> list[Any]:
    """What the paths lead to, by their text."""
    found: dict[str, Any] = {}
    for path in paths:
        value = find(path, scope)
        found[path.text] = ["missing"] if isinstance(value, Missing) else ["is", value]
    return [part for text in sorted(found) for part in (text, found[text])]


def _of_node(node: RunnableNode) -> tuple[Any, ...]:
    spec = node.spec
    return spec.type, dict(spec.params), code_of(node.kind, spec.params)


def code_of(kind: type[Node], params: Mapping[str, Any]) -> str:
    """The user's own code that the node runs, as far as it can be had: that of a class outside of batchmill,
    of the function of a ``python`` node. Code in params is among those."""
    cls: type = getattr(kind, "adapted", kind)
    if not cls.__module__.startswith(_OWN):
        return _source(cls)
    function = params.get("function") if kind.type == "python" else None
    if isinstance(function, str) and "${" not in function:
        module, _, name = function.partition(":")
        return _function_source(module, name, _file_of(module))
    return ""


@cache
def _source(cls: type) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return f"{cls.__module__}:{cls.__qualname__}"


def _file_of(module: str) -> FilePath | None:
    """The file of a module; found without importing it."""
    search: list[str] | None = None
    found = None
    for part in _prefixes(module):
        found = PathFinder.find_spec(part, search)
        if found is None:
            return None
        search = list(found.submodule_search_locations or ())
    path = found.origin if found is not None else None
    return FilePath(path) if path is not None and path.endswith(".py") else None


def _prefixes(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _function_source(module: str, name: str, file: FilePath | None) -> str:
    """The text of the function ``name`` in the file; the whole of the file where it is not to be found
    there, and nothing where there is no file."""
    if file is None:
        loaded = sys.modules.get(module)
        return str(getattr(loaded, "__version__", ""))
    try:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return ""
    found: ast.AST = tree
    for part in name.split("."):
        named = [one for one in getattr(found, "body", ()) if getattr(one, "name", None) == part]
        if not named:
            return text
        found = named[-1]
    return ast.get_source_segment(text, found) or text
