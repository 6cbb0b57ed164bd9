"""The user's own code that a node runs, as text, on which its outcomes depend."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from batchmill.nodes import Node

_OWN = "batchmill."


def code_of(kind: type[Node], params: Mapping[str, object]) -> str:
    """The user's own code that the node runs, as far as it can be read: a class outside batchmill, the
    function of a ``python`` node. Code in params is not included, as params have it."""
    cls: type = getattr(kind, "adapted", kind)
    if not cls.__module__.startswith(_OWN):
        return _source(cls)
    function = params.get("function") if kind.type == "python" else None
    if isinstance(function, str) and "${" not in function:
        module, _, name = function.partition(":")
        return _function_source(module, name, file_of(module))
    return ""


@cache
def _source(cls: type) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return f"{cls.__module__}:{cls.__qualname__}"


def file_of(module: str) -> Path | None:
    """The file of a module; found without importing it."""
    search: list[str] | None = None
    found = None
    for part in _prefixes(module):
        found = PathFinder.find_spec(part, search)
        if found is None:
            return None
        search = list(found.submodule_search_locations or ())
    path = found.origin if found is not None else None
    return Path(path) if path is not None and path.endswith(".py") else None


def _prefixes(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _function_source(module: str, name: str, file: Path | None) -> str:
    """The text of the function ``name`` in the file; the whole file if it is not found there, empty without a
    file."""
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
